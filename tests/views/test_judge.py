"""The judge of conformance: it passes what is right, and fails what is nearly right."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lacustre.errors import DataError
from lacustre.views.conformance import (
    Case,
    Outcome,
    Result,
    read_suite,
    run_case,
    run_suite,
    write_json,
    write_report,
)

COLUMNS = (("id", "id"), ("n", "integer"), ("d", "decimal"), ("l", "string"), ("t", "instant"))
ROW = {"id": "a", "n": 1, "d": 1.5, "l": ["x"], "t": "2015-02-07T13:28:17+02:00"}
VALUES: list[Any] = ["a", 1, "1.50", ["x"], datetime(2015, 2, 7, 11, 28, 17, tzinfo=UTC)]


def case(**members: Any) -> Case:
    expected: dict[str, Any] = {"rows": (ROW,), "count": None, "columns": None} | members
    return Case(title="t", tags=(), view={}, **expected)


def judge(found: Case, *rows: Sequence[Any], columns: tuple[tuple[str, str], ...] = COLUMNS) -> str | None:
    return run_case(found, (), lambda view, resources: Outcome(columns, rows))


def test_numbers_are_compared_by_value_and_instants_as_moments() -> None:
    assert judge(case(), VALUES) is None


@pytest.mark.parametrize(
    ("position", "value"),
    [(0, "b"), (0, None), (1, 2), (1, True), (1, "1"), (2, "1.51"), (3, []), (3, None), (3, ["x", "x"]), (3, "x")],
)
def test_other_values_fail(position: int, value: Any) -> None:
    row = [*VALUES[:position], value, *VALUES[position + 1 :]]
    assert judge(case(), row) == "1 rows are missing, 1 are too many, of 1"


def test_rows_are_a_multiset() -> None:
    assert judge(case(rows=(ROW, ROW)), VALUES, VALUES) is None
    assert judge(case(), VALUES, VALUES) == "0 rows are missing, 1 are too many, of 1"
    assert judge(case(rows=(ROW, ROW)), VALUES) == "1 rows are missing, 0 are too many, of 2"
    assert judge(case(rows=())) is None


def test_columns_are_those_of_the_rows_and_in_the_order_asked_for() -> None:
    names = tuple(name for name, _ in COLUMNS)
    assert judge(case(columns=names), VALUES) is None
    assert "the columns are" in (judge(case(columns=names[::-1]), VALUES) or "")
    assert "the columns are" in (judge(case(), VALUES[:-1], columns=COLUMNS[:-1]) or "")


def test_a_count() -> None:
    assert judge(case(rows=None, count=2), VALUES, VALUES) is None
    assert judge(case(rows=None, count=3), VALUES) == "there are 1 rows, not 3"


def test_errors() -> None:
    def fail(view: Any, resources: Any) -> Outcome:
        raise DataError("code", "message")

    wanted = case(rows=None)
    assert wanted.expects_error
    assert run_case(wanted, (), fail) is None
    assert judge(wanted, VALUES) == "an error was expected, there are 1 rows"
    assert run_case(case(), (), fail) == "code: message"


def test_reading_a_suite_keeps_the_spelling_of_numbers(tmp_path: Path) -> None:
    path = tmp_path / "suite.json"
    path.write_text(
        '{"title": "s", "resources": [{"resourceType": "Observation", "valueQuantity": {"value": 1.0}}],'
        ' "tests": [{"title": "a", "tags": ["x"], "view": {"resource": "Observation"}, "expect": []},'
        ' {"title": "b", "view": {}, "expectError": true}, {"title": "c", "view": {}, "expectCount": 0}]}'
    )
    suite = read_suite(path)
    assert suite.resources == ('{"resourceType":"Observation","valueQuantity":{"value":1.0}}',)
    assert (suite.file, suite.fhir_versions) == ("suite.json", ("4.0.1",))
    assert [found.expects_error for found in suite.cases] == [False, True, False]
    results = run_suite(suite, lambda view, resources: Outcome((), []))
    assert [result.passed for result in results] == [True, False, True]


def test_json_is_written_back() -> None:
    document = {"a": [1, "é", None, True, {"b": {}}]}
    assert json.loads(write_json(document)) == document


def test_the_report_has_the_official_form() -> None:
    results = [Result("a.json", "one", None), Result("a.json", "two", "why"), Result("b.json", "three", None)]
    report = json.loads(write_report(results))
    assert report == {
        "a.json": {
            "tests": [
                {"name": "one", "result": {"passed": True}},
                {"name": "two", "result": {"passed": False, "error": "why"}},
            ]
        },
        "b.json": {"tests": [{"name": "three", "result": {"passed": True}}]},
    }
