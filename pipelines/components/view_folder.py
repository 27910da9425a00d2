"""The views: one asset per ViewDefinition file of a folder."""

# no postponed annotations here: Dagster reads those of a decorated function as they stand

import re
from collections.abc import Collection
from pathlib import Path

import dagster as dg

from lacustre.quality.gx import validate_view
from lacustre.quality.suite import find_suites, read_suite
from lacustre.store.objects import ObjectStore
from lacustre.views.catalog import find_views
from lacustre.views.model import load_view
from pipelines.checks import EXPECTATIONS, expectations_check, with_partitions
from pipelines.components.fhir_tables import freshness, table_key
from pipelines.failures import RETRIES, as_failures
from pipelines.metadata import definition_metadata, view_metadata
from pipelines.partitions import tenants
from pipelines.resources import LakeResource


class ViewFolder(dg.Component, dg.Resolvable, dg.Model):
    """Reads a folder of ViewDefinitions when the code location loads: adding a file adds an asset.

    A view that has a suite in the folder `expectations` has a check too. `fresh_hours` is as of the tables.
    """

    definitions: str
    expectations: str
    fresh_hours: int = 48

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        root = Path(context.project_root)
        views = find_views(root / self.definitions)
        policy = freshness(self.fresh_hours)
        assets = [view_asset(root / self.definitions, path, policy) for path in views.values()]
        suites = find_suites(root / self.expectations)
        checks = [suite_check(path, views.keys()) for name, path in suites.items() if name in views]
        return dg.Definitions(assets, asset_checks=checks)


def view_key(name: str) -> dg.AssetKey:
    return dg.AssetKey(["views", name])


def suite_check(path: Path, views: Collection[str]) -> dg.AssetChecksDefinition:
    """What a suite of Great Expectations says of the newest build; only what is critical in it blocks."""
    suite = read_suite(path)
    with with_partitions():

        @dg.asset_check(
            asset=view_key(suite.view),
            name=EXPECTATIONS,
            blocking=True,
            additional_deps=[view_key(name) for name in suite.needs if name in views and name != suite.view],
            description=f"{len(suite.entries)} expectations of quality/expectations/{path.name}.",
            partitions_def=tenants,
        )
        def check(context: dg.AssetCheckExecutionContext, lake: LakeResource) -> dg.AssetCheckResult:
            with as_failures():
                docs = ObjectStore(lake.data_docs, lake.storage_options)
                return expectations_check(validate_view(lake.store_of(context.partition_key), path, docs))

    return check


def view_asset(folder: Path, path: Path, policy: dg.FreshnessPolicy) -> dg.AssetsDefinition:
    """A view as an asset that depends on the table of its resource type; its group is its subfolder."""
    view = load_view(path)
    group = "_".join(path.relative_to(folder).parts[:-1]) or "views"

    @dg.asset(
        key=view_key(view.name),
        deps=[table_key(view.resource)],
        partitions_def=tenants,
        group_name=re.sub(r"\W", "_", group),
        description="\n\n".join(text for text in (view.title, view.description) if text),
        kinds={"parquet"},
        metadata=definition_metadata(view),
        retry_policy=RETRIES,
        freshness_policy=policy,
        pool=f"views/{view.name}",
    )
    def build(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult[None]:
        with as_failures():
            (manifest,) = lake.open(context.partition_key).build_views(view.name, definitions=folder)
        return dg.MaterializeResult(metadata=view_metadata(manifest))

    return build
