"""The commands that act on one lake."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from lacustre.cli import output
from lacustre.cli.acquire import export_from
from lacustre.cli.authoring import check, new
from lacustre.cli.loads import delete, loads_app, rejects_app
from lacustre.cli.operate import maintain, verify
from lacustre.cli.options import LakeOption, PartialDatesOption, TenantOption, TypesOption, typing_of
from lacustre.cli.privacy import erase, portability, suppressed_app
from lacustre.cli.queries import queries_app
from lacustre.cli.statements import print_state, print_statement
from lacustre.cli.views import views_app
from lacustre.lake import Lake
from lacustre.settings import DEFAULT_MAX_REJECTS

app = typer.Typer(
    name="lacustre",
    help="FHIR exports become Delta tables, SQL-on-FHIR views and DuckDB answers.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
views_app.command()(check)
views_app.command()(new)
app.add_typer(views_app, name="views")
app.add_typer(queries_app, name="queries")
app.command("export-from")(export_from)
app.add_typer(loads_app, name="loads")
app.add_typer(rejects_app, name="rejects")
app.command()(delete)
app.command()(maintain)
app.command()(verify)
app.command()(erase)
app.command()(portability)
app.add_typer(suppressed_app, name="suppressed")

SqlFormat = Literal["table", "csv", "json", "ndjson", "parquet"]


@app.command()
def load(
    sources: Annotated[
        list[str], typer.Argument(help="NDJSON files (.ndjson, .jsonl, also .gz), folders, globs, manifests, Bundles.")
    ],
    lake: LakeOption = None,
    tenant: TenantOption = None,
    fhir_version: Annotated[
        str | None, typer.Option(help="FHIR version of the tenant, fixed at its first load.  [default: 4.0.1]")
    ] = None,
    time_zone: Annotated[
        str | None, typer.Option(help="Time zone of the tenant, fixed at its first load.  [default: Europe/Paris]")
    ] = None,
    shards: Annotated[
        int | None, typer.Option(help="Patient shards, a power of two, fixed at the first load.  [default: 1]")
    ] = None,
    max_rejects: Annotated[
        float, typer.Option(help="Share of lines that may be rejected before the load fails and changes nothing.")
    ] = DEFAULT_MAX_REJECTS,
    processes: Annotated[int | None, typer.Option(help="Processes that encode.  [default: one per core]")] = None,
    again: Annotated[bool, typer.Option("--again", help="Read files that were loaded before once more.")] = False,
    max_unresolved: Annotated[
        list[str] | None,
        typer.Option(
            help="Hold it where a larger share of references leads nowhere: 0.1, or of those to a type: Patient=0."
        ),
    ] = None,
    max_miscounted: Annotated[
        int, typer.Option(help="Hold it where more lines are missing, or too many, than the manifest announced.")
    ] = 0,
    max_export_errors: Annotated[int, typer.Option(help="Hold it where the exporting server reports more errors.")] = 0,
    max_deleted: Annotated[float, typer.Option(help="Hold it where it deletes a larger share of a table.")] = 0.5,
    max_incomplete: Annotated[
        float | None, typer.Option(help="Hold it where a larger share of Encounters still lacks a type.")
    ] = None,
) -> None:
    """Load FHIR into the lake: lossless, latest version wins, every line accounted for."""
    from lacustre.quality.thresholds import Thresholds, read_shares

    shares = read_shares(max_unresolved or ())
    thresholds = Thresholds(shares, max_miscounted, max_export_errors, max_deleted, max_incomplete)
    held = Lake.open(lake, tenant=tenant)
    with output.progress("load") as report:
        result = held.load(
            *sources,
            fhir_version=fhir_version,
            time_zone=time_zone,
            shards=shards,
            max_rejects=max_rejects,
            processes=processes,
            again=again,
            thresholds=thresholds,
            progress=report,
        )
    output.print_load(result)
    print_statement(result.statement)
    if result.version is not None:
        print_state(result.version, result.state, result.holds)


@app.command()
def export(
    resource_type: Annotated[str, typer.Argument(help="A FHIR resource type, such as Patient.")],
    lake: LakeOption = None,
    tenant: TenantOption = None,
    to: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write.  [default: standard output]")
    ] = None,
) -> None:
    """Give a type's resources back as NDJSON, as they were loaded."""
    from lacustre.query.results import require_place

    if to is not None:
        require_place(to)
    lines = Lake.open(lake, tenant=tenant).export(resource_type)
    if to is None:
        for line in lines:
            sys.stdout.buffer.write(line + b"\n")
        return
    count = 0
    with to.open("wb") as target:
        for count, line in enumerate(lines, 1):  # noqa: B007
            target.write(line + b"\n")
    output.err.print(f"{count} resources written to {to}")


@app.command()
def tables(lake: LakeOption = None, tenant: TenantOption = None) -> None:
    """List the raw FHIR tables (schema fhir), those of contained resources (contained) and the views (main)."""
    held = Lake.open(lake, tenant=tenant)
    found = held.tables()
    if not found:
        output.out.print(f"{held.uri} has nothing for tenant {held.tenant} yet: load something with `lacustre load`")
        return
    rows = [(info.schema, info.name, info.rows, output.size(info.bytes), info.version) for info in found]
    output.table("", ("schema", "name", "rows", "size", "version"), rows)


@app.command(context_settings={"ignore_unknown_options": True})  # a query may begin with a comment: -- like this
def sql(
    query: Annotated[str, typer.Argument(help="SQL over views (patient) and raw tables (fhir.Patient); - reads it.")],
    lake: LakeOption = None,
    tenant: TenantOption = None,
    form: Annotated[SqlFormat | None, typer.Option("--format", "-f", help="[default: table, or the file's]")] = None,
    to: Annotated[Path | None, typer.Option("--output", "-o", help="File to write.")] = None,
    limit: Annotated[int, typer.Option(min=0, help="Rows that the table format shows.")] = 50,
) -> None:
    """Ask a question in SQL."""
    from lacustre.cli.results import print_relation

    text = sys.stdin.read() if query == "-" else query
    print_relation(Lake.open(lake, tenant=tenant).sql(text), form, to, limit)


@app.command()
def flatten(
    view: Annotated[Path, typer.Argument(help="A ViewDefinition file.")],
    data: Annotated[list[str], typer.Option("--data", help="FHIR files; may be given several times.")],
    to: Annotated[Path, typer.Option("--to", help="File to write: .parquet, .csv, .json or .ndjson.")],
    fhir_version: Annotated[str, typer.Option(help="FHIR version of the data.")] = "4.0.1",
    types: TypesOption = "spec",
    partial_dates: PartialDatesOption = "null",
) -> None:
    """Run a view on FHIR files, without a lake."""
    from lacustre.query.flatten import flatten_files

    with output.progress("flatten") as report:
        typing = typing_of(types, partial_dates)
        result = flatten_files(view, data, to, fhir_version=fhir_version, typing=typing, progress=report)
    if result.rejected:
        output.err.print(f"{result.rejected} lines could not be a resource", style="yellow")
    for sentence in result.misfits:
        output.err.print(sentence, style="yellow", markup=False, soft_wrap=True)
    output.out.print(f"{result.rows} rows of {result.view} written to {to}")


@app.command()
def conformance(
    folder: Annotated[Path, typer.Argument(help="Folder with the test files of SQL on FHIR, or of FHIRPath (YAML).")],
    report: Annotated[Path | None, typer.Option(help="File for the test report (JSON).")] = None,
    fhir_version: Annotated[str, typer.Option(help="FHIR version to read the cases' resources as.")] = "4.0.1",
) -> None:
    """Run the official cases of SQL on FHIR, or those of FHIRPath, through the real load and the real tables."""
    from lacustre.cli.conformance import run_cases

    if not run_cases(folder, report, fhir_version):
        raise typer.Exit(4)


@app.command()
def sample(
    folder: Annotated[Path, typer.Argument(help="Folder to write the export into.")],
    patients: Annotated[int, typer.Option(help="How many patients.")] = 1000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 20260101,
) -> None:
    """Write a small French hospital export, wholly made up, as a FHIR bulk export."""
    from lacustre.sample import generate_sample

    with output.progress("sample"):
        made = generate_sample(folder, patients=patients, seed=seed)
    rows = [(name, lines, made.resources[name]) for name, lines in sorted(made.lines.items())]
    output.table("", ("resource type", "lines", "resources"), rows)
    output.out.print(f"\n{sum(made.lines.values())} lines in {folder}; load them with `lacustre load {folder}`")


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(help="Folder for everything the demo makes.")] = Path("lacustre-demo"),
    patients: Annotated[int, typer.Option(help="How many patients.")] = 1000,
) -> None:
    """The whole path in under a minute: sample export, load, views, three questions, a training table."""
    from lacustre.cli.demo import run_demo

    run_demo(folder, patients)
