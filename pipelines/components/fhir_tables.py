"""The raw FHIR tables: one load of a tenant's export fills them all at once."""

# no postponed annotations here: Dagster reads those of a decorated function as they stand

from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from lacustre.settings import DEFAULT_MAX_REJECTS
from lacustre.views.catalog import select_views
from pipelines.failures import RETRIES, as_failures
from pipelines.metadata import describe_tables, load_metadata
from pipelines.partitions import tenants
from pipelines.resources import LakeResource


class LoadConfig(dg.Config):
    """`source` takes the place of the tenant's folder of exports; `max_rejects` is a share of the lines."""

    source: str | None = None
    max_rejects: float = DEFAULT_MAX_REJECTS


class FhirTables(dg.Component, dg.Resolvable, dg.Model):
    """An asset per resource type that a view of the folder reads, or that is named in `resource_types`."""

    definitions: str
    resource_types: tuple[str, ...] = ()

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        views = select_views(Path(context.project_root) / self.definitions, [])
        return dg.Definitions([load_asset(sorted({*self.resource_types, *(view.resource for view in views)}))])


def table_key(resource_type: str) -> dg.AssetKey:
    return dg.AssetKey(["fhir", resource_type])


def load_asset(resource_types: list[str]) -> dg.AssetsDefinition:
    """The load: it cannot be done for a part of the types, because any file may hold any of them."""
    specs = [
        dg.AssetSpec(
            table_key(name),
            description=f"Delta table of the {name} resources: latest version, lossless.",
            group_name="fhir",
            kinds={"deltalake"},
        )
        for name in resource_types
    ]

    @dg.multi_asset(name="load", specs=specs, partitions_def=tenants, can_subset=False, retry_policy=RETRIES)
    def load(
        context: dg.AssetExecutionContext, config: LoadConfig, lake: LakeResource
    ) -> Iterator[dg.MaterializeResult[None]]:
        """Load the tenant's export into its tables; loading it twice changes nothing."""
        tenant = context.partition_key
        with as_failures():
            opened = lake.open(tenant)
            result = opened.load(config.source or lake.export_of(tenant), max_rejects=config.max_rejects)
            tables = describe_tables(opened)
        for name in resource_types:
            metadata = load_metadata(result, name, set(resource_types))
            yield dg.MaterializeResult(
                asset_key=table_key(name), metadata={"dagster/row_count": 0} | tables.get(name, {}) | metadata
            )

    return load
