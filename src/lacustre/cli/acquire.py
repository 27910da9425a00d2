"""`lacustre export-from`: a bulk export of a FHIR server, into a folder that a load takes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lacustre.cli import output

if TYPE_CHECKING:
    from lacustre.acquire.bulk import ExportConfig, ExportResult


def export_from(
    config: Annotated[Path, typer.Argument(help="TOML file that says which server, what, and where to.")],
    jwks: Annotated[
        bool, typer.Option("--jwks", help="Print the public key to register with the server, and do nothing else.")
    ] = False,
    abandon: Annotated[
        bool, typer.Option("--abandon", help="Give an interrupted export up, here and on the server.")
    ] = False,
) -> None:
    """Export from a FHIR server (Bulk Data); an interrupted export goes on where it stopped."""
    from lacustre.acquire.bulk import abandon_export, read_config, run_export

    chosen = read_config(config)
    if jwks:
        _print_key_set(chosen)
    elif abandon:
        output.out.print("the interrupted export is given up" if abandon_export(chosen) else "no export to give up")
    else:
        with output.progress("export") as report:
            result = run_export(chosen, report)
        _print_export(result)


def _print_key_set(config: ExportConfig) -> None:
    import json

    from lacustre.acquire.smart import public_key_set
    from lacustre.errors import SettingsError

    if config.auth is None:
        raise SettingsError("no_auth", "the configuration has no [auth]", "add client_id and private_key_file")
    typer.echo(json.dumps(public_key_set(config.auth), indent=2))


def _print_export(result: ExportResult) -> None:
    output.table("", ("resource type", "lines"), list(result.lines.items()))
    severities = ", ".join(f"{count} of severity {name}" for name, count in result.outcomes.items())
    said = [
        f"{result.deleted} deletions" if result.deleted else "",
        f"the server's own report: {severities}" if severities else "",
        f"{result.resumed} files were here from an interrupted run" if result.resumed else "",
    ]
    for line in filter(None, said):
        output.out.print(line, markup=False)
    for problem in result.problems:
        output.err.print(f"not complete: {problem}", style="yellow", markup=False, soft_wrap=True)
    if not result.since_moved:
        output.err.print("the next export starts where this one did; accept_incomplete = true moves on", style="yellow")
    files = f"{result.files} file" + ("s" if result.files != 1 else "")
    output.out.print(
        f"\n{files}, {output.size(result.bytes)}, as of {result.transaction_time}; load them with\n"
        f"lacustre load {result.folder}",
        markup=False,
        soft_wrap=True,
    )
