"""A suite: what is expected of one view, as Great Expectations writes it in JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lacustre.errors import SettingsError

PARAMETER = "$PARAMETER"


@dataclass(frozen=True, slots=True)
class Entry:
    """One expectation: its type, its arguments, and what else the suite says of it."""

    type: str
    kwargs: Mapping[str, Any]
    severity: str
    meta: Mapping[str, Any]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it names, none where it is of the whole view."""
        one = [self.kwargs[name] for name in ("column", "column_A", "column_B") if name in self.kwargs]
        return (*one, *self.kwargs.get("column_list", ()))

    def with_parameters(self, values: Mapping[str, Any]) -> Entry | None:
        """The entry with its parameters replaced, or None where one has no value."""
        kwargs = {name: _value(given, values) for name, given in self.kwargs.items()}
        missing = any(given is None and self.kwargs[name] is not None for name, given in kwargs.items())
        return None if missing else Entry(self.type, kwargs, self.severity, self.meta)


@dataclass(frozen=True, slots=True)
class Suite:
    """The expectations of a view; `needs` are other views that its queries read."""

    view: str
    needs: tuple[str, ...]
    entries: tuple[Entry, ...]

    @property
    def columns(self) -> set[str]:
        return {name for entry in self.entries for name in entry.columns}


def read_suite(path: Path) -> Suite:
    """The suite of a file; raises SettingsError where it is none."""
    try:
        document = json.loads(path.read_text("utf-8"))
        needs = tuple(document.get("meta", {}).get("needs", ()))
        return Suite(document["name"], needs, tuple(_entry(one) for one in document["expectations"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        found = f"{path.name} is no suite: {type(error).__name__}: {error}"
        raise SettingsError("bad_suite", found, "it has a name and expectations with type and kwargs") from None


def find_suites(folder: Path) -> dict[str, Path]:
    """The suite files of a folder, by the view that they are of: its name is the file's."""
    return {path.stem: path for path in sorted(folder.glob("*.json"))}


def _entry(document: Mapping[str, Any]) -> Entry:
    return Entry(
        document["type"], dict(document["kwargs"]), document.get("severity", "critical"), document.get("meta") or {}
    )


def _value(given: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(given, dict) and PARAMETER in given:
        return values.get(given[PARAMETER])
    return given
