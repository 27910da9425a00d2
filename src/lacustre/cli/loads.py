"""`lacustre loads`, `lacustre rejects` and `lacustre delete`: what was done to a lake, and what came of it."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lacustre.cli import output
from lacustre.cli.options import LakeOption, TenantOption
from lacustre.cli.statements import print_record, print_state, print_statement
from lacustre.lake import Lake

if TYPE_CHECKING:
    from lacustre.store.ledger import Record

loads_app = typer.Typer(help="What was done to the lake, and whether views may be built of it.", no_args_is_help=True)
rejects_app = typer.Typer(help="Lines that could not be resources: list, correct, load again.", no_args_is_help=True)

LoadFilter = Annotated[str | None, typer.Option("--load", help="Only those of a load.")]
FileFilter = Annotated[str | None, typer.Option("--file", help="Only those of a file.")]
ReasonFilter = Annotated[str | None, typer.Option("--reason", help="Only those of a reason.")]


@loads_app.command("list")
def list_loads(
    lake: LakeOption = None,
    tenant: TenantOption = None,
    limit: Annotated[int, typer.Option(min=1, help="How many to show, the newest first.")] = 30,
) -> None:
    """List what was done to the lake: loads, deletions, releases, maintenance."""
    from itertools import islice

    held = Lake.open(lake, tenant=tenant)
    rows = [_summary(record) for record in islice(held.history(), limit)]
    if not rows:
        output.out.print(f"nothing was done to {held.uri} for tenant {held.tenant} yet")
        return
    output.table("", ("version", "finished", "kind", "state", "held for", "rows changed", "operation"), rows)


def _summary(record: Record) -> tuple[object, ...]:
    fates = ("inserted", "updated", "deleted")
    changed = sum(counts.get(fate, 0) for counts in record.counts.values() for fate in fates)
    why = ", ".join(sorted({reason.code for reason in record.reasons}))
    return record.number, record.finished[:19] + "Z", record.kind, record.state, why, changed, record.id


@loads_app.command("show")
def show_load(
    version: Annotated[int | None, typer.Argument(help="A version of the lake.  [default: the newest]")] = None,
    lake: LakeOption = None,
    tenant: TenantOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="The whole record as JSON.")] = False,
) -> None:
    """Show what an operation did: its statement, and why it is held, if it is."""
    import json
    from dataclasses import asdict

    record = Lake.open(lake, tenant=tenant).record(version)
    if as_json:
        typer.echo(json.dumps(asdict(record), indent=2))
    else:
        print_record(record)


@loads_app.command()
def publish(
    note: Annotated[str, typer.Option("--note", help="Why it is good as it is; the ledger keeps it.")],
    lake: LakeOption = None,
    tenant: TenantOption = None,
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="Also accept operations that were interrupted, as far as they came.")
    ] = False,
) -> None:
    """Release what holds the newest version, so that views are built of it."""
    record = Lake.open(lake, tenant=tenant).publish(note, unfinished=unfinished)
    for reason in record.statement["released"]:
        output.out.print(f"released: {reason['code']}: {reason['detail']}", markup=False, soft_wrap=True)
    print_state(record.number, record.state, record.reasons)


@rejects_app.command("list")
def list_rejects(
    lake: LakeOption = None,
    tenant: TenantOption = None,
    load: LoadFilter = None,
    file: FileFilter = None,
    reason: ReasonFilter = None,
    lines: Annotated[
        bool, typer.Option("--lines", help="Each line with its key, and where in it the fault is.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many to show.")] = 50,
) -> None:
    """List the rejected lines that are not settled yet; their content is not shown."""
    held = Lake.open(lake, tenant=tenant)
    groups = held.reject_groups(load=load, file=file, reason=reason)
    count = sum(group.lines for group in groups)
    if lines:
        from itertools import islice

        chosen = islice(held.rejects(load=load, file=file, reason=reason), limit)
        rows = [(one.key, f"{one.file}:{one.line}", one.reason, one.detail, one.load) for one in chosen]
        output.table("", ("key", "place", "reason", "detail", "load"), rows)
    else:
        shown = [(one.load, one.file, one.reason, one.lines, one.first) for one in groups[:limit]]
        output.table("", ("load", "file", "reason", "lines", "first line"), shown)
    output.out.print(f"\n{count} rejected lines are open")


@rejects_app.command("show")
def show_reject(
    name: Annotated[str, typer.Argument(help="A key, or FILE:LINE.")],
    lake: LakeOption = None,
    tenant: TenantOption = None,
) -> None:
    """Print a rejected line as it came: patient data."""
    found = Lake.open(lake, tenant=tenant).reject(name)
    place = f"{found.file}:{found.line}, {found.reason}" + (f", {found.detail}" if found.detail else "")
    output.err.print(f"{found.key} {place}, load {found.load}", markup=False, soft_wrap=True)
    sys.stdout.buffer.write(found.raw + b"\n")


@rejects_app.command("export")
def export_rejects(
    to: Annotated[Path, typer.Option("--output", "-o", help="File to write, which must not be there yet.")],
    lake: LakeOption = None,
    tenant: TenantOption = None,
    load: LoadFilter = None,
    file: FileFilter = None,
    reason: ReasonFilter = None,
) -> None:
    """Write rejected lines, patient data, to a file in which they can be corrected for `rejects retry`."""
    from lacustre.store.reload import write_rejects

    count = write_rejects(Lake.open(lake, tenant=tenant).rejects(load=load, file=file, reason=reason), to)
    output.err.print(f"{count} rejected lines written to {to}: correct the line below each `# reject`", soft_wrap=True)


@rejects_app.command()
def retry(
    corrected: Annotated[Path, typer.Argument(help="A file of `rejects export`, its lines corrected.")],
    lake: LakeOption = None,
    tenant: TenantOption = None,
) -> None:
    """Load corrected lines; the rejects that they replace are settled."""
    with output.progress("retry") as report:
        result, settled = Lake.open(lake, tenant=tenant).retry_rejects(corrected, progress=report)
    output.print_load(result)
    print_statement(result.statement)
    output.out.print(f"{settled} rejects settled")


def delete(
    keys: Annotated[list[str] | None, typer.Argument(help="Resources, each named Type/id.")] = None,
    key_file: Annotated[
        Path | None, typer.Option("--keys", help="A file with a Type/id on each line, and, if known, the instant.")
    ] = None,
    at: Annotated[
        str | None, typer.Option(help="When they were deleted (ISO 8601); later versions come back.  [default: now]")
    ] = None,
    lake: LakeOption = None,
    tenant: TenantOption = None,
) -> None:
    """Delete resources: they stay deleted when an older copy is loaded."""
    result = Lake.open(lake, tenant=tenant).delete(*(keys or ()), key_file=key_file, at=_instant(at))
    rows = [(name, counts.deleted) for name, counts in sorted(result.counts.items())]
    output.table("", ("resource type", "deleted"), rows)
    gone = result.total("deleted")
    output.out.print(f"\n{result.deletions} named, {gone} of them were here; version {result.version}")


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    from lacustre.errors import InputError

    try:
        return datetime.fromisoformat(text)  # without a zone it is the tenant's, as everywhere
    except ValueError:
        raise InputError("bad_instant", f"{text} is not an instant", "write 2026-01-31T12:00:00+01:00") from None
