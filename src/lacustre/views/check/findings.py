"""The records of a check: findings, and how far the columns of a view are filled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from lacustre.errors import Diagnostic
from lacustre.views.json_text import JsonPlaces
from lacustre.views.view_source import ViewSource, place, range_of

Level: TypeAlias = Literal["error", "warning", "note"]
LEVELS: tuple[Level, ...] = ("error", "warning", "note")


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. `diagnostic` says what, and from where in the file; `end_line` and `end_column` say to where.

    Lines and columns count from 1, a column is a Unicode code point, the end is exclusive; all are 0 where the file
    could not be read as JSON at all.
    """

    level: Level
    diagnostic: Diagnostic
    end_line: int = 0
    end_column: int = 0

    @property
    def code(self) -> str:
        return self.diagnostic.code


@dataclass(frozen=True, slots=True)
class CheckedColumn:
    """A column, and in how many rows it has a value; None where the rows were not counted."""

    name: str
    type: str
    filled: int | None = None


@dataclass(frozen=True, slots=True)
class CheckedView:
    """What was found of one file. `rows` is None where the rows were not counted.

    `name` and `resource` are empty where the file does not say them.
    """

    path: str
    name: str
    resource: str
    findings: tuple[Finding, ...]
    columns: tuple[CheckedColumn, ...] = ()
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What was found of several files; `lake` is the lake they were held against, or None."""

    views: tuple[CheckedView, ...]
    lake: str | None

    def count(self, level: Level) -> int:
        return sum(finding.level == level for _, finding in self.findings())

    def findings(self) -> Iterator[tuple[CheckedView, Finding]]:
        for view in self.views:
            for finding in view.findings:
                yield view, finding

    def has_failed(self, *, strict: bool = False) -> bool:
        """Whether there is an error or, with `strict`, a warning."""
        return self.count("error") > 0 or (strict and self.count("warning") > 0)


class Findings:
    """Collects what is found of one file, each finding with its place."""

    def __init__(self, source: ViewSource) -> None:
        self._places = JsonPlaces(source.text)
        self._found: list[Finding] = []

    def add(self, level: Level, *diagnostics: Diagnostic) -> None:
        for diagnostic in diagnostics:
            end = self._places.line_and_column(range_of(diagnostic, self._places).end)
            self._found.append(Finding(level, place(diagnostic, self._places), *end))

    def found(self) -> tuple[Finding, ...]:
        return in_order(self._found)


def in_order(findings: tuple[Finding, ...] | list[Finding]) -> tuple[Finding, ...]:
    """In the order of the file; at one place errors come first."""

    def key(finding: Finding) -> tuple[int, int, int, str]:
        where = finding.diagnostic
        return where.line, where.column, LEVELS.index(finding.level), where.code

    return tuple(sorted(dict.fromkeys(findings), key=key))
