"""`lacustre queries`: list, run, build, show."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lacustre.cli import output
from lacustre.cli.options import LakeOption, TenantOption
from lacustre.errors import InputError
from lacustre.lake import Lake

if TYPE_CHECKING:
    from lacustre.query.annotations import AnnotatedSql
    from lacustre.query.library import SqlLibrary

queries_app = typer.Typer(help="SQLQueries and SQLViews: list, run, build, show.", no_args_is_help=True)

QueryFormat = Literal["table", "csv", "json", "ndjson", "parquet"]
Form = Literal["sql", "json"]
FolderOption = Annotated[
    Path | None,
    typer.Option("--queries", help="Folder of SQL files and Libraries.  [default: ./queries, or the starter set]"),
]
OutputOption = Annotated[Path | None, typer.Option("--output", "-o", help="File to write.")]
NameArgument = Annotated[str, typer.Argument(help="The name of a query, or a .sql or .json file.")]


@queries_app.command("list")
def list_queries(queries: FolderOption = None) -> None:
    """List the queries and views of a folder, with their parameters; files at fault are named."""
    from lacustre.query.library_files import default_queries, read_query_folder

    found = read_query_folder(queries or default_queries())
    rows = [
        (
            library.name,
            library.kind,
            library.status,
            ", ".join(f"{parameter.name} {parameter.type}" for parameter in library.parameters),
            ", ".join(dependency.label for dependency in library.dependencies),
            library.title or "",
        )
        for library in found.libraries
    ]
    output.table("", ("name", "type", "status", "parameters", "tables", "title"), rows)
    for error in found.faulty.values():
        output.err.print(error.message, style="yellow", markup=False, soft_wrap=True)
    if found.faulty:
        raise typer.Exit(2)


@queries_app.command()
def run(
    name: NameArgument,
    lake: LakeOption = None,
    tenant: TenantOption = None,
    queries: FolderOption = None,
    param: Annotated[
        list[str] | None, typer.Option("--param", help="The value of a parameter: name=value; one for each.")
    ] = None,
    form: Annotated[QueryFormat | None, typer.Option("--format", "-f", help="[default: table, or the file's]")] = None,
    to: OutputOption = None,
    limit: Annotated[int, typer.Option(min=0, help="Rows that the table format shows.")] = 50,
) -> None:
    """Run a query on the lake; values of parameters are written as FHIR writes them."""
    from lacustre.cli.results import print_relation
    from lacustre.query.parameters import without_values

    values = _values(param or ())
    relation = Lake.open(lake, tenant=tenant).query(name, queries, **values)
    try:
        print_relation(relation, form, to, limit)
    except InputError as error:
        raise InputError(error.code, without_values(error.message, values), error.hint) from None


@queries_app.command()
def build(
    file: Annotated[Path, typer.Argument(help="An SQL file whose comments have annotations.")],
    to: OutputOption = None,
) -> None:
    """Make the Library resource of an annotated SQL file."""
    from lacustre.query.library import DIALECT
    from lacustre.query.library_files import read_sql_file
    from lacustre.query.library_json import library_json
    from lacustre.query.statement import read_statement

    if file.suffix != ".sql":
        raise InputError("not_an_sql_file", f"{file} is not an SQL file", "give a file whose name ends in .sql")
    made = read_sql_file(file)
    dialect = made.library.variants[0].dialect
    if dialect in (None, DIALECT):
        read_statement(made.library)
    else:
        _warn([f"the SQL is for {dialect}: only that for {DIALECT} and for every engine is checked"])
    _warn(made.warnings)
    _write(json.dumps(library_json(made.library), ensure_ascii=False, indent=2), to)


@queries_app.command()
def show(
    name: NameArgument,
    queries: FolderOption = None,
    form: Annotated[Form, typer.Option("--as", help="An annotated SQL file, or a Library resource.")] = "sql",
    to: OutputOption = None,
) -> None:
    """Show a query as an annotated SQL file or as a Library resource."""
    from lacustre.query.library_json import library_json
    from lacustre.query.library_session import find_library

    library, _ = find_library(name, queries)
    if form == "json":
        _write(json.dumps(library_json(library), ensure_ascii=False, indent=2), to)
        return
    written = _annotated(library)
    _warn(written.warnings)
    _write(written.library.variants[0].sql, to)


def _annotated(library: SqlLibrary) -> AnnotatedSql:
    from lacustre.query.annotations import write_annotated_sql

    return write_annotated_sql(library, library.variant())


def _values(given: Sequence[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for number, text in enumerate(given, 1):
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise InputError("parameter_form", f"--param number {number} has no name and value", "--param name=value")
        if name in values:
            raise InputError("parameter_twice", f"the parameter {name} is given twice", "give it once")
        values[name] = value
    return values


def _warn(warnings: Sequence[str]) -> None:
    for warning in warnings:
        output.err.print(warning, style="yellow", markup=False, soft_wrap=True)


def _write(text: str, to: Path | None) -> None:
    from lacustre.query.results import require_place

    if to is None:
        sys.stdout.write(f"{text}\n")
        return
    require_place(to)
    to.write_text(f"{text}\n", encoding="utf-8")
    output.err.print(f"written to {to}", markup=False, soft_wrap=True)
