"""Tenants become partitions when a folder of exports, or a file about their server, appears with their name."""

# no postponed annotations here: Dagster reads those of a decorated function as they stand

import dagster as dg

from pipelines.failures import as_failures
from pipelines.partitions import TENANT, tenants
from pipelines.resources import LakeResource


@dg.sensor(
    name="tenants",
    description="Adds a partition for each tenant that has an export or is exported from a server; it starts no run.",
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def find_tenants(context: dg.SensorEvaluationContext, lake: LakeResource) -> dg.SensorResult | dg.SkipReason:
    with as_failures():
        found = sorted({*lake.tenants(), *lake.exporting()})
    known = context.instance.get_dynamic_partitions(TENANT)
    new = [name for name in found if name not in known]
    if not new:
        return dg.SkipReason("no new tenant")
    return dg.SensorResult(dynamic_partitions_requests=[tenants.build_add_request(new)])
