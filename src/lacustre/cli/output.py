"""How the command prints: tables for people, progress on standard error, errors that say what to do."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from lacustre.errors import LacustreError

if TYPE_CHECKING:
    from lacustre.store.load import Progress as Report
    from lacustre.store.load_result import LoadResult

WIDTH_OF_PIPES = 160
out = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH_OF_PIPES)
err = Console(stderr=True, highlight=False)
_SHOWN_PATHS = 12


def print_error(error: LacustreError) -> None:
    err.print("error", style="bold red", end=" ")
    err.print(str(error), markup=False, soft_wrap=True)


@contextmanager
def progress(title: str) -> Iterator[Report]:
    """A progress bar on standard error, which takes a stage and the share that is done; until then it moves."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bars:
        task = bars.add_task(title, total=None)

        def report(stage: str, share: float) -> None:
            bars.update(task, description=f"{title}: {stage}", completed=share, total=1.0)

        yield report


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table whose numbers stand at the right, with thousands apart."""
    numeric = [bool(rows) and all(isinstance(row[i], int | float | None) for row in rows) for i in range(len(columns))]
    if title:
        out.print(title, style="bold")
    shown = Table(box=None, pad_edge=False)
    for name, right in zip(columns, numeric, strict=True):
        shown.add_column(name, justify="right" if right else "left", overflow="fold", header_style="dim")
    for row in rows:
        shown.add_row(*(Text(cell(value)) for value in row))
    out.print(shown)


def cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\u202f")
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


def size(count: int) -> str:
    """Bytes for people: `4.2 MB`."""
    amount, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if amount < 1000 or unit == "TB":
            break
        amount /= 1000
    return f"{amount:.0f} B" if unit == "B" else f"{amount:.1f} {unit}"


def _suppressed(counts: Mapping[str, Any]) -> str:
    """What a load left out of erased patients, and what of theirs it took since it is others' too."""
    said = (
        (sum(counts["dropped"].values()), "resources of erased patients were left out"),
        (sum(counts["shared"].values()), "resources are of erased patients and of others, and were taken"),
        (counts["deletions"], "deletions of erased patients were left out"),
        (counts["rejects"], "rejected lines name erased patients, and are kept without their bytes"),
    )
    return "; ".join(f"{count} {what}" for count, what in said if count) + " (`lacustre suppressed list`)"


def print_load(result: LoadResult) -> None:
    """Every line accounted for, then what did not fit typed columns, then why lines were rejected."""
    names = ["read", "inserted", "updated", "unchanged", "superseded", "rejected"]
    names += ["suppressed"] if result.total("suppressed") else []
    rows: list[list[object]] = [
        [name, *(getattr(counts, fate) for fate in names)] for name, counts in sorted(result.counts.items())
    ]
    if len(rows) > 1:
        rows.append(["total", *(result.total(fate) for fate in names)])
    table("", ("resource type", *names), rows)
    rest = sorted(
        ((count, name, path) for name, paths in result.rest.items() for path, count in paths.items()),
        key=lambda entry: (-entry[0], entry[1:]),
    )
    if rest:
        out.print()
        table(
            "Kept verbatim in lake_rest (not in typed columns)",
            ("resource type", "path", "times"),
            [(name, path, count) for count, name, path in rest[:_SHOWN_PATHS]],
        )
        if len(rest) > _SHOWN_PATHS:
            out.print(f"… and {len(rest) - _SHOWN_PATHS} more paths", style="dim")
    if result.reasons:
        out.print()
        table("Rejected lines, in the rejects table", ("reason", "lines"), list(result.reasons.most_common()))
    if result.ignored:
        out.print(f"\nnot in the manifest, not loaded: {', '.join(result.ignored)}", style="yellow")
    for said in result.suppressed.values():
        out.print(f"\n{_suppressed(said)}", style="yellow", soft_wrap=True)
    if result.skipped:
        before = f"{len(result.skipped)} of {result.files} files were loaded before; --again reads them once more"
        out.print(f"\n{before}", style="yellow")
    rate = result.bytes / 1e6 / max(result.seconds, 1e-9)
    files = f"{result.files} file" + ("s" if result.files != 1 else "")
    out.print(f"\n{files}, {size(result.bytes)} in {result.seconds:.1f} s ({rate:.0f} MB/s), load {result.load}")
