"""Tables of query results: values as they are, nothing lost without a word."""

from __future__ import annotations

import io
import json
import re
import shutil
from pathlib import Path

import duckdb
import pytest
from rich.console import Console

from lacustre import Lake
from lacustre.cli import output
from lacustre.cli.results import print_relation, print_rows
from lacustre.errors import InputError


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Standard output as a terminal of 40 columns."""
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True)
    monkeypatch.setattr(output, "out", Console(file=screen, width=40, highlight=False))
    monkeypatch.setattr(output, "err", Console(file=screen, width=40, highlight=False))
    return screen


def printed(query: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    with duckdb.connect() as connection:
        print_relation(connection.sql(query), "table", None, 50)
    return capsys.readouterr().out.splitlines()


def test_values_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    query = "SELECT '[red]Sodium[/red] [mol/volume] [/x] :heart:' AS a, 2023 AS b, 1234567.891::DOUBLE AS c, NULL AS d"
    assert printed(query, capsys)[1].split("  ") == [
        "[red]Sodium[/red] [mol/volume] [/x] :heart:", "2023", "1234567.891", "NULL",
    ]  # fmt: skip


def test_a_row_is_a_line_whatever_its_text_holds(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed("SELECT 'a' || chr(10) || chr(27) || '[2J' AS note", capsys) == ["note", r"a\n\x1b[2J"]


def test_numbers_stand_at_the_right_and_wide_letters_count_twice(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed("SELECT * FROM (VALUES ('漢字', 1), ('abcd', 10.5)) t(name, n)", capsys)
    assert lines == ["name     n", "漢字   1.0", "abcd  10.5"]


def test_a_pipe_gets_every_column(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows([f"column_{i}" for i in range(40)], [[i] * 40 for i in range(5)])
    lines = capsys.readouterr().out.splitlines()
    assert [len(line.split()) for line in lines] == [40] * 6


def test_a_narrow_terminal_says_which_columns_are_left_out(terminal: io.StringIO) -> None:
    print_rows(["one", "two", "three"], [["x" * 15] * 3] * 5)
    lines = terminal.getvalue().splitlines()
    assert lines[1] == f"{'x' * 15}  {'x' * 15}"
    assert "too narrow for three" in " ".join(lines[6:])


def test_few_rows_are_turned_in_a_narrow_terminal(terminal: io.StringIO) -> None:
    print_rows(["one", "three"], [["x" * 36, 1]])
    assert re.sub(r"\x1b\[\d*m", "", terminal.getvalue()).splitlines() == [f"one    {'x' * 36}", "three  1"]


def test_parquet_is_not_for_a_terminal(terminal: io.StringIO) -> None:
    with duckdb.connect() as connection, pytest.raises(InputError, match="--output"):
        print_relation(connection.sql("SELECT 1"), "parquet", None, 50)


def test_a_value_that_cannot_be_converted_is_not_quoted() -> None:
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE person AS SELECT 'Zebulon' AS name")
        with pytest.raises(InputError, match="TRY_CAST") as caught:
            print_relation(connection.sql("SELECT name::INTEGER FROM person"), "table", None, 50)
    assert "Zebulon" not in str(caught.value)


def test_a_view_whose_files_went_meanwhile_is_told(tmp_path: Path) -> None:
    view = {"resource": "Patient", "name": "person", "select": [{"column": [{"name": "id", "path": "id"}]}]}
    (tmp_path / "views").mkdir()
    (tmp_path / "views/person.json").write_text(json.dumps(view))
    (tmp_path / "source.ndjson").write_text('{"resourceType":"Patient","id":"a"}\n')
    lake = Lake.open(tmp_path / "lake")
    lake.load(tmp_path / "source.ndjson")
    (built,) = lake.build_views(definitions=tmp_path / "views")
    asked = lake.sql("SELECT upper(id) FROM person")
    lake.build_views(definitions=tmp_path / "views")
    assert asked.fetchall() == [("A",)]
    shutil.rmtree(tmp_path / "lake/tenants/default/views/person" / built.build)
    with pytest.raises(InputError, match="ask again"):
        print_relation(asked.filter("true"), "table", None, 50)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("x::DATE", "invalid date field format: …, expected format is (YYYY-MM-DD) when casting from source column x"),
        ("(length(x) * 1000)::TINYINT", "Type INT64 with value … cannot be cast because the value is out of range"),
        ("(length(x) * 100000)::INTEGER * 100000", "Overflow in multiplication of INT32 (… * …)!"),
        ("(length(x) * 1000.5)::DECIMAL(4,2)", "Casting value … to type DECIMAL(4,2) failed"),
        ("regexp_matches('', '(' || x)", "missing ): …"),
        ("('[' || x)::INTEGER[]", "cannot be cast to the destination type INTEGER[]"),
        ("from_hex(x)", "Invalid input for hex digit: …"),
    ],
)
def test_no_value_of_the_data_is_told_in_an_error(sql: str, said: str) -> None:
    connection = duckdb.connect()
    connection.execute("CREATE TABLE t AS SELECT 'Kerdoncuff' AS x")
    relation = connection.sql(f"SELECT {sql} FROM t")
    with pytest.raises(InputError) as caught:
        print_relation(relation, "table", None, 50)
    assert said in caught.value.message
    for value in ("Kerdoncuff", "10000", "1000000"):
        assert value not in caught.value.message.partition("LINE 1")[0]
