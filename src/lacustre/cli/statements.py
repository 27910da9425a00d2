"""How the command prints what a load ended in: its statement, its state, its record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from lacustre.cli.output import out, table

if TYPE_CHECKING:
    from lacustre.store.ledger import Reason, Record

_SHOWN = 12


def print_record(record: Record) -> None:
    """All that the ledger says of an operation, for people."""
    out.print(f"version {record.number}: {record.kind} {record.id}", style="bold")
    out.print(f"from {record.started} to {record.finished}")
    if record.counts:
        fates = list(next(iter(record.counts.values())))
        rows = [[name, *(counts.get(fate, 0) for fate in fates)] for name, counts in record.counts.items()]
        out.print()
        table("", ("resource type", *fates), rows)
    if "references" in record.statement:
        print_statement(record.statement)
    else:
        for name, value in record.statement.items():
            out.print(f"{name}: {value}", markup=False, soft_wrap=True)
    print_state(record.number, record.state, record.reasons)


def print_state(number: int | None, state: str, reasons: Iterable[Reason]) -> None:
    """Whether views may be built of it, and if not, why."""
    if state == "published":
        out.print(f"\nversion {number} is published")
        return
    out.print(f"\nversion {number} is held: views are not built of it", style="bold yellow")
    for reason in reasons:
        out.print(f"  {reason.code}: {reason.detail} ({reason.operation})", markup=False, soft_wrap=True)
    out.print("  `lacustre loads publish --note …` releases it")


def print_statement(statement: Mapping[str, Any]) -> None:
    """The statement of a load in short; `lacustre loads show` with `--json` has all of it."""
    if not statement:
        return
    out.print()
    for line in (_files(statement), _deleted(statement), _errors(statement), _complete(statement), _fresh(statement)):
        if line:
            out.print(line, markup=False, soft_wrap=True)
    for one in statement["files"]["named"][:_SHOWN]:
        out.print(f"  {one['file']}: {one['announced']} announced, {one['read']} read", markup=False, soft_wrap=True)
    _print_references(statement)
    _print_contained(statement)


def _files(statement: Mapping[str, Any]) -> str:
    files = statement["files"]
    if not files["announced"]:
        return "files: no manifest announced how many lines they have"
    if not files["differing"]:
        return f"files: {files['announced']} of {files['announced']} have the announced lines"
    gaps = [f"{files[name]} lines {name}" for name in ("missing", "surplus") if files[name]]
    return f"files: {files['differing']} of {files['announced']} differ from what was announced, {', '.join(gaps)}"


def _deleted(statement: Mapping[str, Any]) -> str:
    gone = {name: counts["deleted"] for name, counts in statement["types"].items() if counts["deleted"]}
    return f"deleted: {_counted(gone)}" if gone else ""


def _errors(statement: Mapping[str, Any]) -> str:
    issues = _counted(statement["errors"])
    return f"the exporting server reports: {issues}" if issues else ""


def _complete(statement: Mapping[str, Any]) -> str:
    found = statement["completeness"]
    if not found["encounters"]:
        return ""
    waiting = ", ".join(f"{name} ({count})" for name, count in list(found["waiting"].items())[:_SHOWN])
    groups = [name for name, group in found["groups"].items() if group["complete"] < group["encounters"]]
    return (
        f"Encounters: {found['complete']} of {found['encounters']} complete"
        + (f", the others wait for {waiting}" if waiting else "")
        + (f"; Groups not complete: {', '.join(groups[:_SHOWN])}" if groups else "")
    )


def _fresh(statement: Mapping[str, Any]) -> str:
    fresh = statement["freshness"]
    newest = max(fresh["updated"].values(), default="")
    export = f", newest export of {fresh['export']}" if fresh["export"] else ""
    return f"newest update of {newest}{export}" if newest else f"no resource says when it was updated{export}"


def _print_references(statement: Mapping[str, Any]) -> None:
    rows = statement["references"]
    count = sum(row["count"] for row in rows)
    missing = [(row, row["count"] - row["resolved"]) for row in rows if row["count"] > row["resolved"]]
    others = ", ".join(f"{times} {kind}" for kind, times in statement["other_references"].items())
    unresolved = sum(gap for _, gap in missing)
    out.print(f"references: {count - unresolved} of {count} resolve" + (f"; besides {others}" if others else ""))
    for load, found in statement["rechecked_references"].items():
        out.print(f"  of the held load {load}, {found['resolved']} of {found['count']} resolve now", soft_wrap=True)
    if missing:
        missing.sort(key=lambda entry: -entry[1])
        shown = [(f"{row['source']}.{row['path']}", row["target"], row["count"], gap) for row, gap in missing[:_SHOWN]]
        table("", ("references", "to", "all", "not resolved"), shown)


def _print_contained(statement: Mapping[str, Any]) -> None:
    contained = statement.get("contained")
    if not contained:
        return
    rows = _counted(contained["resources"])
    out.print(f"contained resources, in the schema contained: {rows or 'none'}", markup=False, soft_wrap=True)
    if contained["malformed"]:
        what = "contained resources that are no rows, in their containers alone"
        out.print(f"{what}: {_counted(contained['malformed'])}", style="yellow", markup=False, soft_wrap=True)


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())
