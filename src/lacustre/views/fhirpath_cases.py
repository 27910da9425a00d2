"""The FHIRPath test suite of HL7 as kept in YAML: reading its cases, and judging what comes out of them.

What runs an expression is given by the caller. An expression that is refused by name (UnsupportedFunctionError) is
no wrong answer and no right one: it is counted apart, and so are the cases that the suite itself leaves out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias
from typing import Literal as OneOf

from lacustre.errors import InputError, LacustreError, UnsupportedFunctionError
from lacustre.views.conformance import Result

Verdict: TypeAlias = OneOf["passed", "unsupported", "wrong", "failed"]
Values: TypeAlias = tuple[str, Sequence[object]]
"""What an expression gives: the FHIR type of the values, and the values."""

Run: TypeAlias = Callable[[str, str], Values]
"""Runs an expression on an input, named by its file; raises LacustreError where view or data forbid it."""


@dataclass(frozen=True, slots=True)
class PathCase:
    """One expression; `expected` is None where an error is."""

    group: str
    title: str
    expression: str
    input: str
    expected: tuple[object, ...] | None
    disabled: bool


@dataclass(frozen=True, slots=True)
class PathResult:
    """The verdict on a case: `refusal` is the error that the run ended with, whether it was expected or not."""

    case: PathCase
    verdict: Verdict
    reason: str | None = None
    refusal: LacustreError | None = None

    @property
    def result(self) -> Result:
        """As a line of the report: what the suite leaves out is in groups of its own."""
        group = f"{self.case.group} (disabled)" if self.case.disabled else self.case.group
        return Result(group, self.case.title, self.reason, unsupported=self.verdict == "unsupported")


def case_file(folder: Path) -> Path | None:
    """The YAML file of cases in a folder, where there is one."""
    return next(iter(sorted(folder.glob("*.yaml"))), None)


def read_cases(path: Path) -> tuple[PathCase, ...]:
    """The cases of a file in its order; raises InputError where PyYAML is not installed."""
    try:
        import yaml  # noqa: PLC0415  nothing else needs it
    except ImportError:
        hint = "pip install 'lacustre[conformance]'"
        raise InputError("not_installed", "the cases are YAML, which needs PyYAML", hint) from None
    loader = type("_Loader", (yaml.SafeLoader,), {"yaml_implicit_resolvers": _without_dates(yaml.SafeLoader)})
    document = yaml.load(path.read_text(encoding="utf-8"), loader)
    return tuple(_cases(document["tests"], ""))


def _without_dates(loader: Any) -> dict[str, list[tuple[str, object]]]:
    """What a YAML loader takes plain scalars for, but for dates, which are texts here."""
    resolvers = loader.yaml_implicit_resolvers.items()
    return {start: [entry for entry in found if not entry[0].endswith(":timestamp")] for start, found in resolvers}


def _cases(entries: Sequence[Mapping[str, Any]], group: str) -> Iterator[PathCase]:
    for entry in entries:
        for name, inner in entry.items():
            if name.startswith("group"):
                yield from _cases(inner, name.partition(":")[2].strip())
        if "expression" in entry:
            yield _case(entry, group)


def _case(entry: Mapping[str, Any], group: str) -> PathCase:
    expected = None if entry.get("error") else tuple(entry.get("result") or ())
    title = str(entry.get("desc", "")).removeprefix("**").strip()
    return PathCase(group, title, entry["expression"], entry["inputfile"], expected, bool(entry.get("disable")))


def judge_case(case: PathCase, run: Run) -> PathResult:
    """Runs a case. Where an error is expected, every typed refusal passes."""
    try:
        type_, values = run(case.expression, case.input)
    except LacustreError as error:
        if case.expected is None:
            return PathResult(case, "passed", refusal=error)
        verdict: Verdict = "unsupported" if isinstance(error, UnsupportedFunctionError) else "failed"
        return PathResult(case, verdict, f"{error.code}: {error.message}", error)
    if case.expected is None:
        return PathResult(case, "wrong", f"an error was expected, there are {len(values)} values")
    if len(values) == len(case.expected) and all(map(_same, values, case.expected, [type_] * len(values))):
        return PathResult(case, "passed")
    return PathResult(case, "wrong", f"{_shown(values)} of type {type_}, not {_shown(case.expected)}")


def _same(found: object, expected: object, type_: str) -> bool:
    """Whether a value is the expected one: numbers by value, but no boolean is one; all others as they are."""
    if isinstance(found, bool) or isinstance(expected, bool):
        return found is expected
    if isinstance(expected, int | float):
        return _is_number(found, type_) and Decimal(str(found)) == Decimal(str(expected))
    return found == expected and not _is_number(found, type_)


def _is_number(found: object, type_: str) -> bool:
    """Whether a value is a number; a decimal is put out as text."""
    return isinstance(found, int | Decimal) or (isinstance(found, str) and type_ == "decimal")


def _shown(values: Sequence[object]) -> str:
    return json.dumps(list(values), ensure_ascii=False, default=str)
