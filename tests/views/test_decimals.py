"""Decimals in SQL against Python's: every lexeme, compared and calculated exactly."""

from __future__ import annotations

import operator
from collections.abc import Callable
from decimal import Context, Decimal, localcontext
from functools import cache
from typing import Any

import duckdb
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lacustre.views.duckdb import sql
from lacustre.views.duckdb.decimals import calculate_decimals, compare_decimals, write_plain

EXACT = Context(prec=200)
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
OPERATIONS: dict[str, Callable[[Any, Any], Decimal]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}

digits = st.text("0123456789", min_size=1, max_size=18)
lexemes = st.builds(
    lambda sign, whole, fraction, exponent: f"{sign}{int(whole)}{fraction}{exponent}",
    st.sampled_from(["", "-"]),
    digits,
    st.just("") | digits.map(lambda text: f".{text}"),
    st.sampled_from(["", "", "E2", "e-7", "E+3"]),
)


@cache
def statements() -> tuple[duckdb.DuckDBPyConnection, dict[str, str]]:
    left, right = sql.column("a", "t"), sql.column("b", "t")
    found = {name: compare_decimals(name, left, right).sql("duckdb") for name in COMPARISONS}
    found |= {name: calculate_decimals(name, left, right).sql("duckdb") for name in OPERATIONS}
    return duckdb.connect(), found | {"write": write_plain(left).sql("duckdb")}


def run(name: str, left: str, right: str) -> Any:
    connection, found = statements()
    row = connection.execute(f"SELECT {found[name]} FROM (VALUES (?, ?)) AS t(a, b)", [left, right]).fetchone()
    assert row is not None
    return row[0]


@given(lexemes, lexemes)
@example("1.10", "1.1")
@example("0", "-0.0")
@example("1E2", "100")
@example("9007199254740993", "9007199254740992")
@example("123456789012345678.1", "123456789012345678.2")
def test_comparison_is_by_value(left: str, right: str) -> None:
    for name, compare in COMPARISONS.items():
        assert run(name, left, right) is compare(Decimal(left), Decimal(right)), (left, name, right)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("123456789012345678901234567890", "123456789012345678901234567891"),
        ("0.000000000000000000000000000001", "0.000000000000000000000000000002"),
        ("1E400", "1E401"),
        ("1E-400", "0"),
    ],
)
def test_what_a_double_cannot_tell_apart_is_told_apart(left: str, right: str) -> None:
    assert run("=", left, right) is False
    assert run("<", left, right) is (Decimal(left) < Decimal(right))


@given(lexemes, lexemes, st.sampled_from("+-*/"))
@example("98765432109876.543", "1E2", "/")
@example("0.1", "0.2", "+")
@example("2", "3", "/")
def test_arithmetic_keeps_38_digits_and_quotients_28(left: str, right: str, name: str) -> None:
    found = run(name, left, right)
    with localcontext(EXACT):
        if name == "/" and (not Decimal(right) or len(Decimal(right).as_tuple().digits) > 24):
            assert found is None or (found == "0" and not Decimal(left) and Decimal(right))
            return
        exact = OPERATIONS[name](Decimal(left), Decimal(right))
        precision = Decimal("1e-27") if name == "/" else Decimal("1e-37")
        assert abs(Decimal(found) - exact) <= abs(exact) * precision
    assert "E" not in found.upper()
    assert not ("." in found and found.endswith(("0", ".")))


@pytest.mark.parametrize("exponent", ["5000", "2147483648", "-2147483649", "99999999999999999999"])
@pytest.mark.parametrize("name", ["+", "-", "*", "/", "write"])
def test_out_of_range_is_empty(name: str, exponent: str) -> None:
    assert run(name, f"1E{exponent}", "1") is None


@pytest.mark.parametrize("name", "+-*/")
def test_what_is_no_number_is_empty(name: str) -> None:
    assert run(name, "abc", "1") is None


def test_a_product_of_too_many_digits_is_empty() -> None:
    assert run("*", "9" * 40, "3") is None
    assert run("/", "1", "9" * 40) is None
    assert run("+", "9" * 40, "1") is not None


@given(lexemes)
def test_plain_text_keeps_the_digits(lexeme: str) -> None:
    assert run("write", lexeme, lexeme) == f"{Decimal(lexeme):f}"


LONG = "123456789" * 7


@pytest.mark.parametrize(
    ("left", "name", "right", "expected"),
    [
        ("9" * 38, "*", "9" * 38, "9" * 37 + "8" + "0" * 38),
        ("9" * 38, "/", "1", "9" * 38),
        ("1" * 39, "*", "1", None),
        ("170141183460469231731687303715884105727", "*", "170141183460469231731687303715884105727", None),
        ("1" * 39, "/", "1", None),
        ("1", "/", "1" * 39, None),
        ("000" + "1" * 38, "*", "1", "1" * 38),
        (LONG, "+", "0", f"{LONG[:38]}{'0' * 25}"),
        (LONG, "-", LONG, "0"),
        ("1E1001", "+", "1", None),
        ("1E-1001", "*", "1", "0"),
        ("1E900", "/", "1E900", "1"),
        ("1", "/", "9" * 24, f"0.{'0' * 23}1{'0' * 23}1"),
        ("3", "/", "7" + "0" * 37, None),
        ("7" + "0" * 37, "/", "7" + "0" * 37, "1"),
        ("95000000000000000000000000009000000000", "/", "95" + "0" * 36, f"1.{'0' * 27}1"),
    ],
)
def test_the_range_of_calculations(left: str, name: str, right: str, expected: str | None) -> None:
    """What the docstring of the module says of it."""
    assert run(name, left, right) == expected
