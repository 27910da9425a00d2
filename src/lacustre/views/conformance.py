"""The official conformance cases of SQL on FHIR: reading them, running them, reporting (sql-on-fhir.js, tests).

What runs a view is given by the caller, so that the same judge serves the store, a test and any other runner.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TypeAlias

from lacustre.errors import LacustreError


@dataclass(frozen=True, slots=True)
class Suite:
    """One file of cases. `resources` are JSON texts whose numbers are spelled as in the file."""

    file: str
    title: str
    fhir_versions: tuple[str, ...]
    resources: tuple[str, ...]
    cases: tuple[Case, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """One case: `rows` or `count` are what is expected, or neither where an error is."""

    title: str
    tags: tuple[str, ...]
    view: Mapping[str, object]
    rows: tuple[Mapping[str, object], ...] | None
    count: int | None
    columns: tuple[str, ...] | None

    @property
    def expects_error(self) -> bool:
        return self.rows is None and self.count is None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a runner gives: columns as (name, FHIR type) in order, and rows of values in that order."""

    columns: tuple[tuple[str, str], ...]
    rows: Sequence[Sequence[object]]


@dataclass(frozen=True, slots=True)
class Result:
    """Whether a case passed; `reason` says why not, in terms of rows and columns.

    `unsupported` tells a function or operator that is refused by name from a fault.
    """

    suite: str
    title: str
    reason: str | None
    unsupported: bool = False

    @property
    def passed(self) -> bool:
        return self.reason is None


Run: TypeAlias = Callable[[Mapping[str, object], Sequence[str]], Outcome]
"""Runs a view over resources; raises LacustreError where the view or the data forbid it."""


def read_suites(folder: str | Path) -> tuple[Suite, ...]:
    """The suites in a folder of case files, by file name."""
    return tuple(read_suite(path) for path in sorted(Path(folder).glob("*.json")))


def read_suite(path: Path) -> Suite:
    document = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    return Suite(
        file=path.name,
        title=document["title"],
        fhir_versions=tuple(document.get("fhirVersion", ("4.0.1",))),
        resources=tuple(map(write_json, document["resources"])),
        cases=tuple(map(_read_case, document["tests"])),
    )


def run_suite(suite: Suite, run: Run) -> tuple[Result, ...]:
    """The results of a suite; a case that crashes the runner is not caught here."""
    return tuple(Result(suite.file, case.title, run_case(case, suite.resources, run)) for case in suite.cases)


def run_case(case: Case, resources: Sequence[str], run: Run) -> str | None:
    """Why a case fails, or None where it passes."""
    try:
        outcome = run(case.view, resources)
    except LacustreError as error:
        return None if case.expects_error else f"{error.code}: {error.message}"
    if case.expects_error:
        return f"an error was expected, there are {len(outcome.rows)} rows"
    return _compare_columns(case, outcome) or _compare_rows(case, outcome)


def write_report(results: Sequence[Result]) -> str:
    """The official report (test-report.schema.json): the results of every file by title."""
    report: dict[str, dict[str, list[object]]] = {}
    for result in results:
        verdict: dict[str, object] = {"passed": result.passed}
        if result.reason is not None:
            verdict["error"] = result.reason
        if result.unsupported:
            verdict["reason"] = "unsupported"
        tests = report.setdefault(result.suite, {"tests": []})["tests"]
        tests.append({"name": result.title, "result": verdict})
    return json.dumps(report, indent=2, ensure_ascii=False)


def write_json(value: object) -> str:
    """Compact JSON in which a Decimal keeps its digits: `1.0` stays `1.0`."""
    match value:
        case Decimal():
            return str(value)
        case Mapping():
            members = (f"{json.dumps(name)}:{write_json(member)}" for name, member in value.items())
            return "{" + ",".join(members) + "}"
        case list() | tuple():
            return "[" + ",".join(map(write_json, value)) + "]"
        case _:
            return json.dumps(value, ensure_ascii=False)


def _read_case(document: Mapping[str, object]) -> Case:
    rows, count, columns = (document.get(name) for name in ("expect", "expectCount", "expectColumns"))
    tags, view = document.get("tags", []), document["view"]
    assert isinstance(tags, list)
    assert isinstance(view, Mapping)
    return Case(
        title=str(document["title"]),
        tags=tuple(tags),
        view=view,
        rows=tuple(rows) if isinstance(rows, list) else None,
        count=count if isinstance(count, int) else None,
        columns=tuple(columns) if isinstance(columns, list) else None,
    )


def _compare_columns(case: Case, outcome: Outcome) -> str | None:
    found = tuple(name for name, _ in outcome.columns)
    if case.columns is not None and found != case.columns:
        return f"the columns are {list(found)}, not {list(case.columns)}"
    unlike = [row for row in case.rows or () if row.keys() != set(found)]
    return f"the columns are {sorted(found)}, not {sorted(unlike[0])}" if unlike else None


def _compare_rows(case: Case, outcome: Outcome) -> str | None:
    if case.rows is None:
        matches = len(outcome.rows) == case.count
        return None if matches else f"there are {len(outcome.rows)} rows, not {case.count}"
    types = dict(outcome.columns)
    names = tuple(types)
    found = Counter(
        tuple(_canonical(value, types[name]) for name, value in zip(names, row, strict=True)) for row in outcome.rows
    )
    expected = Counter(tuple(_canonical(row[name], types[name]) for name in names) for row in case.rows)
    if found == expected:
        return None
    missing, surplus = expected - found, found - expected
    return f"{missing.total()} rows are missing, {surplus.total()} are too many, of {expected.total()}"


def _canonical(value: object, type_: str) -> object:
    """A hashable form in which values are equal as they should be: numbers by value, but no boolean is one."""
    if isinstance(value, list | tuple):
        return ("list", *(_canonical(item, type_) for item in value))
    if value is None or isinstance(value, bool):
        return (type(value).__name__, value)
    if isinstance(value, int | float | Decimal) or type_ == "decimal":
        return ("number", Decimal(str(value)))
    if isinstance(value, str) and type_ == "instant":
        return datetime.fromisoformat(value)
    return value
