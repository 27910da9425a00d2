"""`lacustre views`: build, list, drop, explain, schema; check and new are in `authoring.py`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lacustre.cli import output
from lacustre.cli.options import (
    DefinitionsOption,
    LakeOption,
    PartialDatesOption,
    TenantOption,
    TypesOption,
    typing_of,
)
from lacustre.lake import Lake

if TYPE_CHECKING:
    from lacustre.views.builds.manifest import ViewManifest
    from lacustre.views.builds.stale import ViewState

views_app = typer.Typer(help="SQL-on-FHIR views: build, list, drop, explain, schema, check, new.", no_args_is_help=True)

Stage = Literal["ir", "plan", "sql"]
SchemaForm = Literal["sql", "arrow", "json"]


@views_app.command()
def build(
    names: Annotated[list[str] | None, typer.Argument(help="Views to build.  [default: all]")] = None,
    lake: LakeOption = None,
    tenant: TenantOption = None,
    definitions: DefinitionsOption = None,
    types: TypesOption = "spec",
    partial_dates: PartialDatesOption = "null",
    whole: Annotated[bool, typer.Option("--whole", help="Make also the parts that did not change.")] = False,
    contained: Annotated[bool, typer.Option("--contained", help="Take contained resources too.")] = False,
) -> None:
    """Build views from the newest tables and swap them in.

    Of a view that was built before, only those parts of its table are made again that changed since.
    """
    held = Lake.open(lake, tenant=tenant)
    started = time.monotonic()
    with output.progress("views") as report:
        built = held.build_views(
            *(names or ()),
            definitions=definitions,
            typing=typing_of(types, partial_dates),
            whole=whole,
            contained=contained,
            progress=report,
        )
    rows = [
        (
            view.view,
            view.resource,
            view.source_version,
            view.rows,
            f"{view.made} of {view.parts}",
            view.whole,
            round(view.seconds, 2),
        )
        for view in built
    ]
    columns = ("view", "resource type", "table version", "rows", "parts made", "all because of", "seconds")
    output.table("", columns, rows)
    output.out.print(f"\n{len(rows)} view{'' if len(rows) == 1 else 's'} built in {time.monotonic() - started:.1f} s")
    for view in built:
        _print_misfits(view)
    if any(note.endswith(":partial") for view in built for note in view.misfits):
        output.err.print("--partial-dates start takes the first moment of a partial date", style="yellow")


def _print_misfits(view: ViewManifest) -> None:
    """What did not fit its column, and how to see where it comes from."""
    from lacustre.views.builds.misfits import describe_misfits, rows_of_misfit

    types = {column.name: column.sql_type for column in view.columns}
    for note, sentence in describe_misfits(view.misfits, types):
        line = f"{view.view}: {sentence}; see {rows_of_misfit(view.view, note)}"
        output.err.print(line, style="yellow", markup=False, soft_wrap=True)


@views_app.command("list")
def list_views(lake: LakeOption = None, tenant: TenantOption = None) -> None:
    """List the views with their states: fresh, stale, building or failed.

    A stale view wants to be built again; a failed one shows its last build, if it has one.
    """
    states = Lake.open(lake, tenant=tenant).view_states()
    if not states:
        output.out.print("no view is built yet: `lacustre views build`")
        return
    names = ("view", "resource type", "state", "since (UTC)", "version", "newest", "rows", "columns")
    output.table("", names, [_state_row(state) for state in states])
    for state in states:
        if state.state == "failed":
            output.err.print(f"{state.view}: {state.reason}", style="red", markup=False)
    if old := [state.view for state in states if state.state == "stale"]:
        cure = "`lacustre views build`, or `lacustre views drop` where there is no definition any more"
        output.err.print(f"older than their tables: {', '.join(old)}; {cure}", style="yellow")


@views_app.command()
def drop(
    names: Annotated[list[str], typer.Argument(help="Built views.")],
    lake: LakeOption = None,
    tenant: TenantOption = None,
) -> None:
    """Remove built views from the lake, whose definitions are gone or that nobody needs; tables stay as they are.

    Who reads one fails from now on. Where there is a definition, `lacustre views build` makes the view again.
    """
    Lake.open(lake, tenant=tenant).drop_views(*names)
    output.out.print(f"dropped: {', '.join(names)}", markup=False, highlight=False)


def _state_row(state: ViewState) -> tuple[object, ...]:
    built = state.manifest
    since = state.since[: len("2000-01-01T00:00:00")].replace("T", " ")
    if built is None:
        return (state.view, "", state.state, since, None, None, None, None)
    described = (built.source_version, state.newest, built.rows, len(built.columns))
    return (state.view, built.resource, state.state, since, *described)


@views_app.command()
def explain(
    name: Annotated[str, typer.Argument(help="A view.")],
    stage: Annotated[Stage, typer.Option(help="What to show: typed expressions, the plan, or SQL.")] = "sql",
    lake: LakeOption = None,
    tenant: TenantOption = None,
    definitions: DefinitionsOption = None,
    types: TypesOption = "spec",
    partial_dates: PartialDatesOption = "null",
) -> None:
    """Show what the compiler makes of a view."""
    held, typing = Lake.open(lake, tenant=tenant), typing_of(types, partial_dates)
    output.out.print(held.explain_view(name, stage, definitions, typing=typing), markup=False, soft_wrap=True)


@views_app.command()
def schema(
    name: Annotated[str, typer.Argument(help="A view.")],
    form: Annotated[SchemaForm, typer.Option("--as", help="CREATE TABLE, Arrow schema, or a list of columns.")] = "sql",
    lake: LakeOption = None,
    tenant: TenantOption = None,
    definitions: DefinitionsOption = None,
    types: TypesOption = "spec",
    partial_dates: PartialDatesOption = "null",
) -> None:
    """Show the columns of a view, from its definition alone."""
    held, typing = Lake.open(lake, tenant=tenant), typing_of(types, partial_dates)
    found = held.view_schema(name, definitions, typing=typing)
    output.out.print(found.show(form), markup=False, highlight=False, soft_wrap=True)
