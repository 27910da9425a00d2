"""`lacustre views check` and `lacustre views new`: help with writing ViewDefinitions."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from lacustre.cli import output
from lacustre.cli.options import LakeOption, PartialDatesOption, TenantOption, TypesOption, typing_of
from lacustre.errors import InputError
from lacustre.lake import Lake

FAILED = 4
"""Exit status where the check found errors: that of what does not hold."""

ReportFormat = Literal["text", "json", "sarif"]


def check(
    files: Annotated[list[Path], typer.Argument(help="ViewDefinition files, or folders of them.")],
    lake: LakeOption = None,
    tenant: TenantOption = None,
    form: Annotated[ReportFormat, typer.Option("--format", "-f", help="How the findings are written.")] = "text",
    to: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write.  [default: standard output]")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Fail on warnings too.")] = False,
    types: TypesOption = "spec",
    partial_dates: PartialDatesOption = "null",
) -> None:
    """Check ViewDefinitions against the specification and against what the lake holds.

    Nothing is built. Ends with status 4 where there are errors, or with --strict also warnings.
    """
    from importlib.metadata import version

    from lacustre.query.results import require_place
    from lacustre.views.check.report import write_report

    if to is not None:
        require_place(to)
    held = Lake.open(lake, tenant=tenant)
    with output.progress("check"):
        report = held.check_views(files, typing=typing_of(types, partial_dates))
    if lake is not None and report.lake is None:
        raise InputError("no_lake", f"{lake} has no data of this tenant", "leave --lake out to check the files alone")
    _put(write_report(report, form, version("lacustre")), to)
    if report.has_failed(strict=strict):
        raise typer.Exit(FAILED)


def new(
    resource_type: Annotated[str, typer.Argument(help="A FHIR resource type that the lake has, such as Observation.")],
    lake: LakeOption = None,
    tenant: TenantOption = None,
    from_data: Annotated[bool, typer.Option("--from-data", help="Draft it from what the table really holds.")] = False,
    for_each: Annotated[
        str | None, typer.Option(help="Give each item of this repeating element a row, such as component.")
    ] = None,
    at_least: Annotated[float, typer.Option(help="Percent of the rows that have to have a value.")] = 5.0,
    rows: Annotated[int | None, typer.Option(min=1, help="Look at as many resources only.  [default: all]")] = None,
    to: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write.  [default: standard output]")
    ] = None,
) -> None:
    """Draft a ViewDefinition: keys, filled elements, codes, references, each with how far it is filled."""
    from lacustre.query.results import require_place
    from lacustre.views.draft import write_document

    if not from_data:
        raise InputError("no_source", "a view is drafted from data", "add --from-data")
    if to is not None:
        require_place(to)
    held = Lake.open(lake, tenant=tenant)
    with output.progress("draft"):
        drafted = held.draft_view(resource_type, for_each=for_each, at_least=at_least / 100, rows=rows)
    _put(write_document(drafted), to)


def _put(text: str, to: Path | None) -> None:
    if to is None:
        sys.stdout.write(text)
        return
    to.write_text(text, encoding="utf-8")
    output.err.print(f"written to {to}", markup=False, soft_wrap=True)
