"""What keeps each tenant's lake small and fast; it may run beside everything else."""

# no postponed annotations here: Dagster reads those of a decorated function as they stand

import dagster as dg

from lacustre.store.retention import KEEP_DAYS, KEEP_REJECTS_DAYS
from pipelines.failures import RETRIES, as_failures
from pipelines.partitions import tenants
from pipelines.resources import LakeResource


class RetentionConfig(dg.Config):
    """How many days replaced versions, and rejected lines, are kept."""

    keep_days: float = KEEP_DAYS
    keep_rejects_days: float = KEEP_REJECTS_DAYS


@dg.op(retry_policy=RETRIES, pool="maintain", out=dg.Out(dg.Nothing))
def maintain(context: dg.OpExecutionContext, config: RetentionConfig, lake: LakeResource) -> None:
    """Merge small files, give up old versions, remove what only they needed."""
    with as_failures():
        opened = lake.open(context.partition_key)
        done = opened.maintain(keep_days=config.keep_days, keep_rejects_days=config.keep_rejects_days)
    context.add_output_metadata(
        {
            "version of the lake": done.version or "nothing to do",
            "versions given up": done.given_up,
            "tables merged": len(done.compactions),
            "files removed": done.freed.files,
            "bytes removed": done.freed.bytes,
        }
    )


@dg.job(
    name="maintain_lake",
    partitions_def=tenants,
    description="Merge a tenant's small files and remove what its old versions needed.",
)
def maintain_lake() -> None:
    maintain()
