"""`lacustre erase` and `lacustre portability`: what a patient may ask for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lacustre.cli import output
from lacustre.cli.options import LakeOption, TenantOption
from lacustre.lake import Lake

if TYPE_CHECKING:
    from lacustre.privacy.receipt import Receipt

suppressed_app = typer.Typer(help="Erased patients, whom loads leave out: list, lift.", no_args_is_help=True)

INCOMPLETE_BY_REQUEST = 6
"""The exit status of an erasure that was told to leave something, or not to search what is left."""

PatientArgument = Annotated[str, typer.Argument(help="The patient: Patient/123.")]


def erase(
    patient: PatientArgument,
    reason: Annotated[str, typer.Option(help="The ground of the request; the receipt keeps it, so name nobody in it.")],
    lake: LakeOption = None,
    tenant: TenantOption = None,
    request_id: Annotated[str, typer.Option(help="The number of the request, for the receipt.")] = "",
    raw: Annotated[
        list[Path] | None, typer.Option(help="Folder of kept raw exports, NDJSON; may be given several times.")
    ] = None,
    keep_mentions: Annotated[
        bool, typer.Option("--keep-mentions", help="Leave resources of others that refer to the patient.")
    ] = False,
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="Also where operations or builds are unfinished: none runs any more.")
    ] = False,
    prove: Annotated[bool, typer.Option("--prove/--no-prove", help="Search everything that is left.")] = True,
) -> None:
    """Erase a patient from tables, their history, rejects, views and kept files, and prove it.

    Let no load run meanwhile; builds of views give way. Older versions of the lake cannot be read any more, and loads
    leave the patient out from now on. Ends with status 0 where it is proven that nothing is left, 4 where something is,
    6 where --keep-mentions or --no-prove leave that open.
    """
    held = Lake.open(lake, tenant=tenant)
    with output.progress("erase") as report:
        receipt = held.erase(
            patient,
            reason=reason,
            request_id=request_id,
            raw=raw or (),
            keep_mentions=keep_mentions,
            unfinished=unfinished,
            prove=prove,
            progress=report,
        )
    _print_receipt(receipt)
    if not receipt.complete:
        raise typer.Exit(INCOMPLETE_BY_REQUEST if keep_mentions or not prove else 4)


def _print_receipt(receipt: Receipt) -> None:
    kinds = ("own", "shared", "mentions", "others_mentions", "unlinked")
    rows = [[table, *(counts.get(kind, 0) for kind in kinds)] for table, counts in receipt.erased.items()]
    if rows:
        output.table("", ("table", "own", "shared", "mentions", "mentions of others", "unlinked"), rows)
    said = f"{receipt.views} rows of views, {receipt.raw['lines']} lines of raw files, {receipt.raw['cut']} cut"
    files = f"{receipt.files_rewritten} files written anew, {receipt.files_removed} removed"
    output.out.print(f"\n{said}; {files}")
    if receipt.proof is not None:
        _print_proof(receipt.proof)
    output.out.print(f"receipt: receipts/{receipt.id}.json")


def _print_proof(proof: Mapping[str, Any]) -> None:
    searched = f"{proof['tokens']} identifiers searched for in {proof['files']} files ({output.size(proof['bytes'])})"
    left_out = f", {proof['left_out']} left out as too short or not the patient's alone" if proof["left_out"] else ""
    if not proof["hits"]:
        output.out.print(f"{searched}: none found{left_out}")
        return
    output.out.print(f"{searched}: found in {len(proof['hits'])} files{left_out}", style="red")
    output.table("", ("file", "times"), sorted(proof["hits"].items()))


def portability(
    patient: PatientArgument,
    to: Annotated[Path, typer.Option("--output", "-o", help="New folder for NDJSON, or .json file for one Bundle.")],
    lake: LakeOption = None,
    tenant: TenantOption = None,
) -> None:
    """Give a patient's resources for taking along: NDJSON by type, or one Bundle."""
    found = Lake.open(lake, tenant=tenant).portability(patient, to)
    rows = sorted(found.counts.items())
    output.table("", ("resource type", "resources"), rows)
    output.out.print(f"\n{sum(found.counts.values())} resources written to {found.place}")


@suppressed_app.command("list")
def list_suppressed(lake: LakeOption = None, tenant: TenantOption = None) -> None:
    """List who was erased and stays away, by the beginning of a keyed digest."""
    found = Lake.open(lake, tenant=tenant).suppressed()
    if not found:
        output.out.print("loads leave nobody out")
        return
    rows = [(one.name, one.since[:19] + "Z", one.request_id, one.operation) for one in found]
    output.table("", ("digest", "since", "request", "erasure"), rows)


@suppressed_app.command("lift")
def lift(
    patient: PatientArgument,
    reason: Annotated[str, typer.Option(help="Why; the ledger keeps it, so name nobody in it.")],
    lake: LakeOption = None,
    tenant: TenantOption = None,
) -> None:
    """Let loads take an erased patient again: a wrong erasure, or a patient who came back."""
    record = Lake.open(lake, tenant=tenant).lift(patient, reason=reason)
    output.out.print(f"loads take the patient again; version {record.number}")
    output.out.print("files that were loaded before are taken with `lacustre load --again`")
