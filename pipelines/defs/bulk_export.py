"""Exports from the tenants' FHIR servers: the same code as `lacustre export-from`."""

# no postponed annotations here: Dagster reads those of a decorated function as they stand

import dagster as dg

from lacustre.acquire.bulk import ExportResult, Progress, run_export
from lacustre.errors import SettingsError
from pipelines.components.fhir_tables import BULK_EXPORT
from pipelines.failures import RETRIES, as_failures
from pipelines.partitions import tenants
from pipelines.resources import LakeResource


@dg.asset(
    key=BULK_EXPORT,
    partitions_def=tenants,
    group_name="exports",
    description="A $export of the tenant's FHIR server: what changed since the last one that was complete.",
    kinds={"fhir"},
    retry_policy=RETRIES,
    pool="exports/bulk",
)
def bulk_export(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult[None]:
    """Export into the folder that the tenant's file names; an interrupted export goes on where it stopped."""
    tenant = context.partition_key
    with as_failures():
        config = lake.bulk_export_of(tenant)
        if config is None:
            wanted = f"{lake.bulk_exports}/{tenant}.toml"
            raise SettingsError("no_config", f"{wanted} is not there", "it says which server to export from")
        result = run_export(config, progress=_progress(context))
    return dg.MaterializeResult(metadata=_metadata(result))


def _progress(context: dg.AssetExecutionContext) -> Progress:
    """One line in the run's log for each stage."""
    said: list[str] = []

    def say(stage: str, _share: float) -> None:
        if said[-1:] != [stage]:
            said.append(stage)
            context.log.info(stage)

    return say


def _metadata(result: ExportResult) -> dict[str, dg.MetadataValue | str | int]:
    return {
        "dagster/row_count": sum(result.lines.values()),
        "folder": dg.MetadataValue.path(result.folder),
        "transaction time": result.transaction_time,
        "since": result.since or "the beginning",
        "files": result.files,
        "bytes": result.bytes,
        "files of an interrupted run": result.resumed,
        "resources": dg.MetadataValue.json(result.lines),
        "deletions": result.deleted,
        "issues of the server": dg.MetadataValue.json(result.outcomes),
        "problems": dg.MetadataValue.json(list(result.problems)),
        "next export starts here": str(result.since_moved),
    }
