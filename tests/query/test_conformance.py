"""The official cases on the real path: load, Delta tables, built views, SQL."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lacustre.errors import InputError
from lacustre.query.conformance import run_conformance
from lacustre.views.conformance import write_report
from support.shared import shared_dir


def test_every_official_case_passes() -> None:
    results = [result for suite in run_conformance(shared_dir("conformance", "sql-on-fhir")) for result in suite]
    assert [f"{result.suite}: {result.title}: {result.reason}" for result in results if not result.passed] == []
    assert len(results) == 148
    report = json.loads(write_report(results))
    assert len(report) == 22
    assert sum(test["result"]["passed"] for suite in report.values() for test in suite["tests"]) == 148


def test_a_case_that_does_not_hold_fails(tmp_path: Path) -> None:
    case = {
        "title": "wrong on purpose",
        "resources": [{"resourceType": "Patient", "id": "a"}],
        "tests": [
            {
                "title": "another id",
                "view": {"resource": "Patient", "select": [{"column": [{"name": "id", "path": "id", "type": "id"}]}]},
                "expect": [{"id": "b"}],
            },
            {
                "title": "an error that does not come",
                "view": {"resource": "Patient", "select": [{"column": [{"name": "id", "path": "id", "type": "id"}]}]},
                "expectError": True,
            },
        ],
    }
    (tmp_path / "wrong.json").write_text(json.dumps(case))
    (suite,) = run_conformance(tmp_path)
    assert [result.passed for result in suite] == [False, False]


def test_a_folder_without_cases(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no_cases"):
        list(run_conformance(tmp_path))
