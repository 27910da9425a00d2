"""The FHIRPath test suite on the real path: what passes, what is refused by name, and that nothing is wrong."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from lacustre.cli.conformance import run_cases
from lacustre.errors import ViewDefinitionError
from lacustre.query.fhirpath_conformance import run_fhirpath_cases
from lacustre.views.fhirpath_cases import PathCase, PathResult, Values, judge_case
from support.shared import REPOSITORY, shared_dir

COUNTS = json.loads(Path(__file__).with_name("fhirpath_counts.json").read_text("utf-8"))
"""Of each group how many cases pass and how many are refused; what is refused, and how often."""

NAME = re.compile(r"\w+|\W{1,2}")


@pytest.fixture(scope="module")
def results() -> list[PathResult]:
    return list(run_fhirpath_cases(shared_dir("conformance", "fhirpath", "fhir-r4.yaml")))


def enabled(results: list[PathResult]) -> list[PathResult]:
    return [result for result in results if not result.case.disabled]


def test_no_answer_is_wrong(results: list[PathResult]) -> None:
    assert len(results) == 686
    others = [result for result in enabled(results) if result.verdict not in ("passed", "unsupported")]
    assert [(result.verdict, result.case.group, result.reason) for result in others] == []


def test_what_passes_and_what_is_refused_by_group(results: list[PathResult]) -> None:
    groups: dict[str, list[int]] = {}
    for result in enabled(results):
        counts = groups.setdefault(result.case.group, [0, 0])
        counts[result.verdict == "unsupported"] += 1
    assert groups == COUNTS["groups"]
    passed = sum(counts[0] for counts in groups.values())
    assert passed == COUNTS["passed"]
    assert passed >= 0.7 * len(enabled(results))


def test_a_refusal_names_function_or_operator_and_place(results: list[PathResult]) -> None:
    refused: Counter[str] = Counter()
    for result in enabled(results):
        if result.verdict == "unsupported":
            assert isinstance(result.refusal, ViewDefinitionError)
            refused.update({refused_name(result.refusal, result.case.expression)})
    assert dict(refused) == COUNTS["refused"]


def refused_name(error: ViewDefinitionError, expression: str) -> str:
    """The function or operator that the first fault of an error points at."""
    fault = error.diagnostics[0]
    assert fault.expression == expression
    place = expression[fault.start : fault.end]
    assert place
    return place if NAME.fullmatch(place) else fault.message.split("`")[1]


def test_cases_that_the_suite_leaves_out_are_apart(results: list[PathResult]) -> None:
    apart = [result for result in results if result.case.disabled]
    assert dict(Counter(result.verdict for result in apart)) == COUNTS["disabled"]
    assert all(result.result.suite.endswith("(disabled)") for result in apart)


def test_errors_that_are_expected_come_as_typed_errors(results: list[PathResult]) -> None:
    by_refusal = [result for result in enabled(results) if result.case.expected is None]
    assert all(result.verdict == "passed" and result.refusal is not None for result in by_refusal)
    assert len(by_refusal) == COUNTS["passed_by_an_expected_error"]


def test_the_page_has_the_counts() -> None:
    page = (REPOSITORY / "docs/reference/fhirpath.md").read_text("utf-8")
    for group, (passed, unsupported) in COUNTS["groups"].items():
        assert f"| {group} | {passed} | {unsupported or ''} |" in page
    assert f"{COUNTS['passed']} of {sum(map(sum, COUNTS['groups'].values()))} cases pass" in page


def case(expected: tuple[object, ...] | None) -> PathCase:
    return PathCase("group", "title", "path", "input.json", expected, disabled=False)


@pytest.mark.parametrize(
    ("expected", "found", "verdict"),
    [
        ((1,), ("integer", [1]), "passed"),
        ((1.5,), ("decimal", ["1.50"]), "passed"),
        ((True,), ("boolean", [True]), "passed"),
        (("a", "b"), ("string", ["a", "b"]), "passed"),
        ((), ("string", []), "passed"),
        ((1,), ("integer", [1, 1]), "wrong"),
        ((1,), ("boolean", [True]), "wrong"),
        ((True,), ("integer", [1]), "wrong"),
        ((True,), ("string", ["true"]), "wrong"),
        (("1",), ("integer", [1]), "wrong"),
        (("1.0",), ("decimal", ["1.0"]), "wrong"),
        ((1,), ("string", ["1"]), "wrong"),
        (("a", "b"), ("string", ["b", "a"]), "wrong"),
        ((), ("boolean", [False]), "wrong"),
        (None, ("boolean", []), "wrong"),
    ],
)
def test_the_judge(expected: tuple[object, ...] | None, found: Values, verdict: str) -> None:
    assert judge_case(case(expected), lambda expression, name: found).verdict == verdict


SUITE = """
tests:
  - 'group: of ours':
      - {desc: '** right', inputfile: one.json, expression: 'active', result: [true]}
      - {desc: '** refused', inputfile: one.json, expression: 'descendants().count()', result: [1]}
      - {desc: '** left out', inputfile: one.json, expression: 'active', result: [false], disable: true}
"""


def test_the_command_takes_the_folder(tmp_path: Path) -> None:
    (tmp_path / "resources").mkdir()
    (tmp_path / "resources" / "one.json").write_text('{"resourceType": "Patient", "id": "p", "active": true}')
    (tmp_path / "cases.yaml").write_text(SUITE)
    assert run_cases(tmp_path, tmp_path / "report.json", "4.0.1")
    report = json.loads((tmp_path / "report.json").read_text())
    right, refused = report["of ours"]["tests"]
    assert right == {"name": "right", "result": {"passed": True}}
    assert (refused["result"]["passed"], refused["result"]["reason"]) == (False, "unsupported")
    assert [test["result"]["passed"] for test in report["of ours (disabled)"]["tests"]] == [False]
    (tmp_path / "cases.yaml").write_text(SUITE.replace("result: [true]", "result: [false]"))
    assert not run_cases(tmp_path, None, "4.0.1")
