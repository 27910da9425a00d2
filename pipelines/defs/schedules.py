"""What happens each night, once somebody switches it on."""

# no postponed annotations here: Dagster reads those of a decorated function as they stand

from collections.abc import Iterator

import dagster as dg

from pipelines.failures import as_failures
from pipelines.partitions import TENANT
from pipelines.resources import LakeResource

_NIGHT = "15 2 * * *"
_TIME_ZONE = "Europe/Paris"


@dg.schedule(
    name="nightly_build",
    job_name="build_lake",
    cron_schedule=_NIGHT,
    execution_timezone=_TIME_ZONE,
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Loads what lies in each tenant's folder of exports, builds the views and checks them.",
)
def nightly_build(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
    for tenant in context.instance.get_dynamic_partitions(TENANT):
        yield _request(context, tenant)


@dg.schedule(
    name="nightly_export",
    job_name="export_and_build",
    cron_schedule=_NIGHT,
    execution_timezone=_TIME_ZONE,
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="The same for the tenants that are exported from a server, after their export.",
)
def nightly_export(context: dg.ScheduleEvaluationContext, lake: LakeResource) -> Iterator[dg.RunRequest]:
    with as_failures():
        exporting = lake.exporting()
    for tenant in set(exporting) & set(context.instance.get_dynamic_partitions(TENANT)):
        yield _request(context, tenant)


@dg.schedule(
    name="nightly_maintenance",
    job_name="maintain_lake",
    cron_schedule="15 5 * * *",
    execution_timezone=_TIME_ZONE,
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Merges each tenant's small files and removes what its old versions needed.",
)
def nightly_maintenance(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
    for tenant in context.instance.get_dynamic_partitions(TENANT):
        yield _request(context, tenant)


def _request(context: dg.ScheduleEvaluationContext, tenant: str) -> dg.RunRequest:
    return dg.RunRequest(run_key=f"{tenant}:{context.scheduled_execution_time:%Y-%m-%dT%H:%M}", partition_key=tenant)
