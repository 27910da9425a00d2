"""The raw FHIR tables: one load of a tenant's export fills them all at once."""

# no postponed annotations here: Dagster reads those of a decorated function as they stand

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
from pydantic import Field

from lacustre.quality.thresholds import Thresholds
from lacustre.settings import DEFAULT_MAX_REJECTS
from lacustre.views.catalog import select_views
from pipelines.checks import published_check, published_spec
from pipelines.failures import RETRIES, as_failures
from pipelines.metadata import describe_tables, load_metadata
from pipelines.partitions import tenants
from pipelines.resources import LakeResource

BULK_EXPORT = dg.AssetKey(["exports", "bulk"])
_DEFAULTS = Thresholds()


class LoadConfig(dg.Config):
    """`source` takes the place of the tenant's folder of exports; `max_rejects` is a share of the lines.

    `again` reads files that were loaded before once more. The rest are the thresholds beyond which a load is held:
    those of `lacustre load`, with the same defaults.
    """

    source: str | None = None
    max_rejects: float = DEFAULT_MAX_REJECTS
    again: bool = False
    max_unresolved: dict[str, float] = Field(default=dict(_DEFAULTS.max_unresolved))
    max_miscounted: int = _DEFAULTS.max_miscounted
    max_export_errors: int = _DEFAULTS.max_export_errors
    max_deleted: float | None = _DEFAULTS.max_deleted
    max_incomplete: float | None = _DEFAULTS.max_incomplete

    def thresholds(self) -> Thresholds:
        return Thresholds(
            self.max_unresolved, self.max_miscounted, self.max_export_errors, self.max_deleted, self.max_incomplete
        )


class FhirTables(dg.Component, dg.Resolvable, dg.Model):
    """An asset per resource type that a view of the folder reads, or that is named in `resource_types`.

    A table that no load reached for `fresh_hours` is shown as overdue.
    """

    definitions: str
    resource_types: tuple[str, ...] = ()
    fresh_hours: int = 48

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        views = select_views(Path(context.project_root) / self.definitions, [])
        names = sorted({*self.resource_types, *(view.resource for view in views)})
        return dg.Definitions([load_asset(names, freshness(self.fresh_hours))])


def table_key(resource_type: str) -> dg.AssetKey:
    return dg.AssetKey(["fhir", resource_type])


def freshness(hours: int) -> dg.FreshnessPolicy:
    """Overdue after `hours`, and a warning at three quarters of them; of all tenants, the latest counts."""
    return dg.FreshnessPolicy.time_window(timedelta(hours=hours), timedelta(hours=hours * 3 / 4))


def load_asset(resource_types: list[str], policy: dg.FreshnessPolicy) -> dg.AssetsDefinition:
    """The load: it cannot be done for a part of the types, because any file may hold any of them.

    For the same reason one pool stands for all of its tables.
    """
    specs = [
        dg.AssetSpec(
            table_key(name),
            description=f"Delta table of the {name} resources: latest version, lossless.",
            group_name="fhir",
            kinds={"deltalake"},
            deps=[BULK_EXPORT],
            freshness_policy=policy,
        )
        for name in resource_types
    ]

    @dg.multi_asset(
        name="load",
        specs=specs,
        check_specs=[published_spec(spec.key) for spec in specs],
        partitions_def=tenants,
        can_subset=False,
        retry_policy=RETRIES,
        pool="fhir",
    )
    def load(
        context: dg.AssetExecutionContext, config: LoadConfig, lake: LakeResource
    ) -> Iterator[dg.MaterializeResult[None]]:
        """Load the tenant's export into its tables; loading it twice changes nothing."""
        tenant = context.partition_key
        with as_failures():
            opened = lake.open(tenant)
            sources = [config.source] if config.source else lake.sources_of(tenant)
            result = opened.load(
                *sources, max_rejects=config.max_rejects, again=config.again, thresholds=config.thresholds()
            )
            tables, record = describe_tables(opened), next(opened.history(), None)
        for name in resource_types:
            metadata = load_metadata(result, name, set(resource_types))
            yield dg.MaterializeResult(
                asset_key=table_key(name),
                metadata={"dagster/row_count": 0} | tables.get(name, {}) | metadata,
                check_results=[published_check(table_key(name), record, result.load)],
            )

    return load
