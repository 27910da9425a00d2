"""`lacustre views`: build, list, explain."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lacustre.cli import output
from lacustre.cli.options import DefinitionsOption, LakeOption, TenantOption
from lacustre.lake import Lake

if TYPE_CHECKING:
    from lacustre.views.stale import ViewState

views_app = typer.Typer(help="SQL-on-FHIR views: build, list, explain.", no_args_is_help=True)

Stage = Literal["ir", "plan", "sql"]


@views_app.command()
def build(
    names: Annotated[list[str] | None, typer.Argument(help="Views to build.  [default: all]")] = None,
    lake: LakeOption = None,
    tenant: TenantOption = None,
    definitions: DefinitionsOption = None,
    whole: Annotated[bool, typer.Option("--whole", help="Make also the parts that did not change.")] = False,
) -> None:
    """Build views from the newest tables and swap them in.

    Of a view that was built before, only those parts of its table are made again that changed since.
    """
    held = Lake.open(lake, tenant=tenant)
    started = time.monotonic()
    with output.progress("views") as report:
        built = held.build_views(*(names or ()), definitions=definitions, whole=whole, progress=report)
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
    output.out.print(f"\n{len(rows)} views built in {time.monotonic() - started:.1f} s")


@views_app.command("list")
def list_views(lake: LakeOption = None, tenant: TenantOption = None) -> None:
    """List the views with their states: fresh, stale, building or failed.

    A stale view wants to be built again; a failed one shows its last build, if it has one.
    """
    states = Lake.open(lake, tenant=tenant).view_states()
    if not states:
        output.out.print("no view is built yet: `lacustre views build`")
        return
    names = ("view", "resource type", "state", "since", "table version", "newest version", "rows", "columns")
    output.table("", names, [_state_row(state) for state in states])
    for state in states:
        if state.state == "failed":
            output.err.print(f"{state.view}: {state.reason}", style="red", markup=False)
    if old := [state.view for state in states if state.state == "stale"]:
        output.err.print(f"older than their tables: {', '.join(old)}; `lacustre views build`", style="yellow")


def _state_row(state: ViewState) -> tuple[object, ...]:
    built = state.manifest
    if built is None:
        return (state.view, "", state.state, state.since, None, None, None, None)
    described = (built.source_version, state.newest, built.rows, len(built.columns))
    return (state.view, built.resource, state.state, state.since, *described)


@views_app.command()
def explain(
    name: Annotated[str, typer.Argument(help="A view.")],
    stage: Annotated[Stage, typer.Option(help="What to show: typed expressions, the plan, or SQL.")] = "sql",
    lake: LakeOption = None,
    tenant: TenantOption = None,
    definitions: DefinitionsOption = None,
) -> None:
    """Show what the compiler makes of a view."""
    output.out.print(
        Lake.open(lake, tenant=tenant).explain_view(name, stage, definitions), markup=False, soft_wrap=True
    )
