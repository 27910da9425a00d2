"""`lacustre views`: build, list, explain."""

from __future__ import annotations

import time
from typing import Annotated, Literal

import typer

from lacustre.cli import output
from lacustre.cli.options import DefinitionsOption, LakeOption, TenantOption
from lacustre.lake import Lake

views_app = typer.Typer(help="SQL-on-FHIR views: build, list, explain.", no_args_is_help=True)

Stage = Literal["ir", "plan", "sql"]


@views_app.command()
def build(
    names: Annotated[list[str] | None, typer.Argument(help="Views to build.  [default: all]")] = None,
    lake: LakeOption = None,
    tenant: TenantOption = None,
    definitions: DefinitionsOption = None,
) -> None:
    """Build views from the newest tables and swap them in."""
    held = Lake.open(lake, tenant=tenant)
    started = time.monotonic()
    with output.progress("views") as report:
        built = held.build_views(*(names or ()), definitions=definitions, progress=report)
    rows = [(view.view, view.resource, view.source_version, view.rows, round(view.seconds, 2)) for view in built]
    output.table("", ("view", "resource type", "table version", "rows", "seconds"), rows)
    output.out.print(f"\n{len(rows)} views built in {time.monotonic() - started:.1f} s")


@views_app.command("list")
def list_views(lake: LakeOption = None, tenant: TenantOption = None) -> None:
    """List the built views.

    Those that are older than their tables are named: they want to be built again.
    """
    held = Lake.open(lake, tenant=tenant)
    built = held.views()
    if not built:
        output.out.print("no view is built yet: `lacustre views build`")
        return
    newest = {table.name: table.version for table in held.tables() if table.schema == "fhir"}
    rows = [
        (
            view.view,
            view.resource,
            view.source_version,
            newest.get(view.resource),
            view.rows,
            len(view.columns),
            view.built,
        )
        for view in built
    ]
    names = ("view", "resource type", "table version", "newest version", "rows", "columns", "built")
    output.table("", names, rows)
    if old := held.stale_views():
        output.err.print(f"older than their tables: {', '.join(old)}; `lacustre views build`", style="yellow")


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
