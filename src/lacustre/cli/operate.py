"""`lacustre maintain` and `lacustre verify`: what keeps a lake small and fast, and says that it is whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lacustre.cli import output
from lacustre.cli.options import LakeOption, TenantOption
from lacustre.lake import Lake
from lacustre.store.retention import KEEP_DAYS, KEEP_REJECTS_DAYS

if TYPE_CHECKING:
    from lacustre.store.maintain import MaintainResult
    from lacustre.store.verify import VerifyReport


def maintain(
    lake: LakeOption = None,
    tenant: TenantOption = None,
    keep_days: Annotated[
        float, typer.Option(help="Days for which older versions of the lake can be read.")
    ] = KEEP_DAYS,
    keep_rejects_days: Annotated[
        float, typer.Option(help="Days for which rejected lines are kept.")
    ] = KEEP_REJECTS_DAYS,
) -> None:
    """Merge small files, give up old versions, remove what nobody needs; others may read and load meanwhile."""
    held = Lake.open(lake, tenant=tenant)
    with output.progress("maintain") as report:
        result = held.maintain(keep_days=keep_days, keep_rejects_days=keep_rejects_days, progress=report)
    _print_maintenance(result)


def verify(lake: LakeOption = None, tenant: TenantOption = None) -> None:
    """Compare every byte of the lake with what was written; a file that is not as it was ends it with status 4."""
    with output.progress("verify") as report:
        found = Lake.open(lake, tenant=tenant).verify(progress=report)
    _print_verification(found)
    if not found.sound:
        raise typer.Exit(4)


def _print_verification(found: VerifyReport) -> None:
    for what, paths in (("damaged", found.damaged), ("missing", found.missing), ("unexpected", found.unexpected)):
        for path in paths:
            output.out.print(f"{what}: {path}", markup=False, soft_wrap=True)
    output.out.print(f"{found.files} files are as they were written, {output.size(found.bytes)}")
    if found.unproven:
        output.out.print(f"{len(found.unproven)} files have no digest to compare with")
    if found.unneeded:
        size = output.size(found.unneeded_bytes)
        output.out.print(f"{found.unneeded} files are not needed any more, {size}: `lacustre maintain` removes them")


def _print_maintenance(result: MaintainResult) -> None:
    names = ("table", "files before", "files after", "size before", "size after")
    rows = [
        (done.table, done.files_before, done.files_after, output.size(done.bytes_before), output.size(done.bytes_after))
        for done in result.compactions
    ]
    if rows:
        output.table("Merged", names, rows)
        output.out.print()
    expired = sum(done.rows_expired for done in result.compactions)
    said = [
        f"{result.given_up} versions given up; their files go when that is a day ago" if result.given_up else "",
        f"{expired} rejected lines were too old and are gone" if expired else "",
        f"{result.freed.files} data files removed, {output.size(result.freed.bytes)}" if result.freed.files else "",
    ]
    for line in filter(None, said):
        output.out.print(line)
    if not rows and not any(said):
        output.out.print("there was nothing to do")
    if result.kept_from is not None:
        output.out.print(f"versions from {result.kept_from} on are kept, since {result.kept_since}")
