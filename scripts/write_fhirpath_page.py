"""Writes docs/reference/fhirpath.md: what of FHIRPath is compiled, from the registry of functions.

    python scripts/write_fhirpath_page.py

The counts of the FHIRPath test suite are those that tests/query/test_fhirpath_conformance.py holds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from lacustre.views.support import OPERATORS, refused_functions, supported_functions

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE = REPOSITORY / "docs" / "reference" / "fhirpath.md"
COUNTS = REPOSITORY / "tests" / "query" / "fhirpath_counts.json"

_INTRODUCTION = """\
# FHIRPath

What of FHIRPath (2.0.0, with functions of 3.0.0-ballot) views can use. All of it becomes SQL; nothing is evaluated
row by row. What is not here is refused by name and place when the view is compiled (`UnsupportedFunctionError`),
before any row is read. How the specification is read where it is open:
[spec-clarifications](../spec-clarifications.md).

This page is generated: `just docs`."""


def page() -> str:
    counts = json.loads(COUNTS.read_text("utf-8"))
    parts = [_INTRODUCTION, "## Functions", *_functions(), "## Operators and variables", _operators()]
    parts += ["## Refused", _refused(), "## The FHIRPath test suite", *_suite(counts)]
    return "\n\n".join(parts) + "\n"


def _functions() -> Iterator[str]:
    for title, rows in supported_functions():
        yield f"### {title}"
        yield _table(("function", "arguments", ""), ((f"`{row.name}()`", _bare(row.arity), row.note) for row in rows))


def _operators() -> str:
    rows = ((_quoted(found.symbol), f"`{found.example}`".replace("|", "\\|"), found.note) for found in OPERATORS)
    return _table(("", "for example", ""), ((cell.replace("`|`", "`\\|`") for cell in row) for row in rows))


def _quoted(symbols: str) -> str:
    return ", ".join(f"`{symbol}`" for symbol in symbols.split(", "))


def _refused() -> str:
    names = ", ".join(f"`{row.name}()`" for row in refused_functions())
    return f"{names}. Collections of items of different types, and columns of a complex type, are refused too."


def _suite(counts: dict[str, Any]) -> Iterator[str]:
    groups = counts["groups"]
    total, disabled = sum(map(sum, groups.values())), counts["disabled"]
    refused = ", ".join(f"`{name}` {count}" for name, count in sorted(counts["refused"].items()))
    noted, others, apart = (disabled.get(name, 0) for name in ("passed", "wrong", "unsupported"))
    passed, errors = counts["passed"], counts["passed_by_an_expected_error"]
    yield (
        f"{passed} of {total} cases pass on a real lake (`lacustre conformance`), {total - passed} are refused by "
        f"name, none is wrong; {errors} of those that pass ask for an error and get one. "
        f"Refused for: {refused}. "
        f"The suite leaves {sum(disabled.values())} further cases out, which we run apart: {noted} give the result "
        f"that is noted there, {apart} are refused, {others} give another."
    )
    rows = ((name, passed, refused or "") for name, (passed, refused) in groups.items())
    yield _table(("group", "pass", "refused"), rows)


def _bare(arity: str) -> str:
    return arity.partition(" argument")[0]


def _table(heads: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    heads = tuple(heads)
    lines = [_line(heads), "|" + "---|" * len(heads), *map(_line, rows)]
    return "\n".join(lines)


def _line(cells: Iterable[object]) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
