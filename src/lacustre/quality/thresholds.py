"""How much may be amiss with a load before it is held back, and what that means for a statement."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lacustre.errors import SettingsError, near
from lacustre.quality.outcomes import GRAVE
from lacustre.store.ledger import Reason

FEW_ROWS = 100
"""Deletions of fewer rows of a table are never too many."""
UNRESOLVED = "unresolved_references"
ALL = "all"
"""The key of `max_unresolved` for references to all types together."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What a load may have and still be published; None and absent keys mean that any number is taken.

    `max_unresolved` has shares of the references to a type (`Patient`), or of all of them (`all`), that may lead
    nowhere. `max_miscounted` is by how many lines all files together may differ from what their manifest announced,
    `max_export_errors` how many issues the exporting server may call fatal or an error, `max_deleted` the share of a
    table's rows that one load may delete, `max_incomplete` the share of Encounters that may lack a type.
    """

    max_unresolved: Mapping[str, float] = field(default_factory=dict)
    max_miscounted: int = 0
    max_export_errors: int = 0
    max_deleted: float | None = 0.5
    max_incomplete: float | None = None

    def __post_init__(self) -> None:
        shares = (*self.max_unresolved.values(), self.max_deleted, self.max_incomplete)
        if not all(share is None or 0 <= share <= 1 for share in shares):
            raise SettingsError("bad_threshold", "a share is from 0 to 1", "0.01 is 1 in 100")
        if self.max_miscounted < 0 or self.max_export_errors < 0:
            raise SettingsError("bad_threshold", "a number of lines or issues cannot be negative")

    def require_types(self, resource_types: Collection[str]) -> None:
        """Raises SettingsError where a share is of the references to a type that there is not."""
        for target in self.max_unresolved:
            if target != ALL and target not in resource_types:
                hint = near(target, resource_types)
                raise SettingsError("unknown_resource_type", f"{target} is no type of resource", hint)


def read_shares(texts: Iterable[str]) -> dict[str, float]:
    """Shares of references by target type, each written `Patient=0.01`, or `0.1` for all of them.

    Raises SettingsError.
    """
    shares = {}
    for text in texts:
        target, _, share = text.rpartition("=")
        try:
            shares[target or ALL] = float(share)
        except ValueError:
            raise SettingsError("bad_threshold", f"{text} is no share", "write 0.1, or Patient=0.01") from None
    return shares


def reasons_to_hold(statement: Mapping[str, Any], thresholds: Thresholds, load: str) -> list[Reason]:
    """Why a load with this statement is held; nothing where it may be published."""
    checks = (_miscounted, _export_errors, _unresolved, _deleted, _incomplete)
    return [Reason(code, load, detail) for check in checks for code, detail in check(statement, thresholds)]


def _miscounted(statement: Mapping[str, Any], thresholds: Thresholds) -> Iterator[tuple[str, str]]:
    files = statement["files"]
    if files["missing"] + files["surplus"] <= thresholds.max_miscounted:
        return
    differing = f"in {files['differing']} of {files['announced']} files"
    if files["missing"]:
        yield "lines_missing", f"{files['missing']} lines that the manifest announced are not there, {differing}"
    if files["surplus"]:
        yield "lines_surplus", f"{files['surplus']} lines more than the manifest announced, {differing}"


def _export_errors(statement: Mapping[str, Any], thresholds: Thresholds) -> Iterator[tuple[str, str]]:
    grave = {severity: statement["errors"][severity] for severity in GRAVE if severity in statement["errors"]}
    if sum(grave.values()) > thresholds.max_export_errors:
        shown = ", ".join(f"{severity} {count}" for severity, count in grave.items())
        yield "export_errors", f"the exporting server reports errors: {shown}"


def _unresolved(statement: Mapping[str, Any], thresholds: Thresholds) -> Iterator[tuple[str, str]]:
    for target, share in sorted(thresholds.max_unresolved.items()):
        rows = [row for row in statement["references"] if target in (ALL, row["target"])]
        count = sum(row["count"] for row in rows)
        unresolved = count - sum(row["resolved"] for row in rows)
        if unresolved > share * count:
            where = "" if target == ALL else f" to {target}"
            yield UNRESOLVED, f"{unresolved} of {count} references{where} lead to nothing in the lake"


def _deleted(statement: Mapping[str, Any], thresholds: Thresholds) -> Iterator[tuple[str, str]]:
    if thresholds.max_deleted is None:
        return
    for name, counts in statement["types"].items():
        before = counts["rows"] + counts["deleted"] - counts["inserted"]
        if counts["deleted"] >= FEW_ROWS and counts["deleted"] > thresholds.max_deleted * before:
            yield "many_deletions", f"{counts['deleted']} of {before} rows of {name} were deleted"


def _incomplete(statement: Mapping[str, Any], thresholds: Thresholds) -> Iterator[tuple[str, str]]:
    found = statement["completeness"]
    if thresholds.max_incomplete is not None and found["encounters"]:
        waiting = found["encounters"] - found["complete"]
        if waiting > thresholds.max_incomplete * found["encounters"]:
            types = ", ".join(found["waiting"])
            yield "incomplete_encounters", f"{waiting} of {found['encounters']} Encounters wait for {types}"
