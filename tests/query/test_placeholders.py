"""`:name` is a placeholder where a value stands, and text everywhere else."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lacustre.query.placeholders import MAX_PLACEHOLDERS, place_parameters

DECLARED = ("a", "b", "from_date")


@pytest.mark.parametrize(
    ("sql", "placed"),
    [
        ("SELECT :a", "SELECT $a"),
        ("SELECT 'éé', :a, :from_date", "SELECT 'éé', $a, $from_date"),
        ("SELECT x FROM t WHERE x=:a AND y IN (:a,:b)", "SELECT x FROM t WHERE x=$a AND y IN ($a,$b)"),
        ("SELECT :a::INTEGER, CAST(:b AS DATE)", "SELECT $a::INTEGER, CAST($b AS DATE)"),
        ("SELECT [:a, :b]", "SELECT [$a, $b]"),
        ("SELECT x[(:a):(:b)] FROM t", "SELECT x[($a):($b)] FROM t"),
        ("SELECT {'k': :a}", "SELECT {'k': $a}"),
        ("SELECT list_filter(x, lambda y:y > :a) FROM t", "SELECT list_filter(x, lambda y:y > $a) FROM t"),
        ("SELECT total:x, :a FROM t", "SELECT total:x, $a FROM t"),
        ("SELECT CASE WHEN x THEN :a ELSE :b END FROM t", "SELECT CASE WHEN x THEN $a ELSE $b END FROM t"),
        ("SELECT 1 LIMIT :a OFFSET :b", "SELECT 1 LIMIT $a OFFSET $b"),
        ("SELECT INTERVAL (:a) DAY, -:a, NOT :b", "SELECT INTERVAL ($a) DAY, -$a, NOT $b"),
        ("SELECT f(x := :a)", "SELECT f(x := $a)"),
        ("WITH c AS (SELECT :a) SELECT :b FROM c;", "WITH c AS (SELECT $a) SELECT $b FROM c;"),
    ],
)
def test_where_a_value_stands(sql: str, placed: str) -> None:
    found = place_parameters(sql, DECLARED)
    assert found.sql == placed
    assert not found.faults
    assert found.parsed.statements


@pytest.mark.parametrize(
    "text",
    [
        "':a'",
        "'it''s :a'",
        "E'\\':a'",
        "$$ :a $$",
        "$tag$ :a $$ :b $tag$",
        '1 AS ":a"',
        "1 -- :a\n",
        "1 /* :a */",
        "1 /* /* :b */ :a */",
        "x'3a61'",
        "x[1:2]",
        "x[y:z]",
        "x[:3]",
        "x[-3:]",
        "x[1:-1:2]",
        "x::TEXT",
        "{'k':z}",
        "{k:z}",
        "MAP {'k':z}",
        "lambda_:z",
        "'12:30:00'",
    ],
)
def test_where_no_value_stands(text: str) -> None:
    sql = f"SELECT {text} FROM t WHERE :from_date"
    found = place_parameters(sql, DECLARED)
    assert found.sql == sql.replace(":from_date", "$from_date")
    assert (found.used, found.faults) == ({"from_date"}, ())


@pytest.mark.parametrize(
    "text", ["x[:a]", "x[1:a]", "x[1: :a]", "x[b:a]", "{'k':a}", "total:a", "list_filter(x, lambda y:a)"]
)
def test_a_colon_that_could_be_either_is_refused(text: str) -> None:
    found = place_parameters(f"SELECT {text}, :a FROM t", DECLARED)
    assert [fault.code for fault in found.faults] == ["ambiguous_placeholder"]
    for other in (text.replace(":a", ": a"), text.replace(":a", ":(:a)" if text.endswith("]") else ": (:a)")):
        assert not place_parameters(f"SELECT {other}, :a FROM t", DECLARED).faults


@pytest.mark.parametrize("text", ["?", "$a", "$1", "?1"])
def test_other_placeholders_are_refused(text: str) -> None:
    found = place_parameters(f"SELECT {text}", DECLARED)
    assert [fault.code for fault in found.faults] == ["foreign_placeholder"]


@pytest.mark.parametrize(
    "sql", ["SELECT:a", "SELECT x FROM t LIMIT:a", "SELECT x FROM t WHERE x AND:a", "SELECT x:y:a", "SELECT $$x$$:a"]
)
def test_a_placeholder_is_no_part_of_a_word(sql: str) -> None:
    """`LIMIT:a` must not become `LIMIT$a`, an alias."""
    assert [fault.code for fault in place_parameters(sql, DECLARED).faults] == ["ambiguous_placeholder"]
    assert place_parameters("SELECT x FROM t LIMIT :a", DECLARED).used == {"a"}


def test_undeclared_names_are_refused_each_where_it_stands() -> None:
    found = place_parameters("SELECT :a,\n  'é', :from_dat, :A", DECLARED)
    assert [fault.code for fault in found.faults] == ["parameter_undeclared"] * 2
    assert found.faults[0].excerpt() == ("  'é', :from_dat, :A", "       ^")
    assert found.faults[0].hint == "did you mean from_date?"


def test_many_placeholders_are_refused() -> None:
    found = place_parameters("SELECT " + ", ".join([":a"] * (MAX_PLACEHOLDERS + 1)), DECLARED)
    assert [fault.code for fault in found.faults] == ["sql_too_long"]


_PLAIN = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@given(text=_PLAIN, quote=st.sampled_from(["'", "$$", "$q$"]))
def test_no_text_inside_quotes_is_changed(text: str, quote: str) -> None:
    inside = text.replace("'", "''") if quote == "'" else text.replace("$", "")
    literal = f"{quote}{inside} :a{quote}"
    found = place_parameters(f"SELECT {literal}, :a", DECLARED)
    assert found.sql == f"SELECT {literal}, $a"
    assert not found.faults


@given(text=_PLAIN)
def test_what_is_placed_is_what_is_bound(text: str) -> None:
    sql = place_parameters("SELECT :a, ':a', [1, 2, 3][2:], :a || ':a'", ("a",)).sql
    assert duckdb.sql(sql, params={"a": text}).fetchall() == [(text, ":a", [2, 3], f"{text}:a")]
