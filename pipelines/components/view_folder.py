"""The views: one asset per ViewDefinition file of a folder."""

# no postponed annotations here: Dagster reads those of a decorated function as they stand

import re
from pathlib import Path

import dagster as dg

from lacustre.views.catalog import find_views
from lacustre.views.model import load_view
from pipelines.components.fhir_tables import table_key
from pipelines.failures import RETRIES, as_failures
from pipelines.metadata import definition_metadata, view_metadata
from pipelines.partitions import tenants
from pipelines.resources import LakeResource


class ViewFolder(dg.Component, dg.Resolvable, dg.Model):
    """Reads a folder of ViewDefinitions when the code location loads: adding a file adds an asset."""

    definitions: str

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        folder = Path(context.project_root) / self.definitions
        return dg.Definitions([view_asset(folder, path) for path in find_views(folder).values()])


def view_asset(folder: Path, path: Path) -> dg.AssetsDefinition:
    """A view as an asset that depends on the table of its resource type; its group is its subfolder."""
    view = load_view(path)
    group = "_".join(path.relative_to(folder).parts[:-1]) or "views"

    @dg.asset(
        key=["views", view.name],
        deps=[table_key(view.resource)],
        partitions_def=tenants,
        group_name=re.sub(r"\W", "_", group),
        description="\n\n".join(text for text in (view.title, view.description) if text),
        kinds={"parquet"},
        metadata=definition_metadata(view),
        retry_policy=RETRIES,
    )
    def build(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult[None]:
        with as_failures():
            (manifest,) = lake.open(context.partition_key).build_views(view.name, definitions=folder)
        return dg.MaterializeResult(metadata=view_metadata(manifest))

    return build
