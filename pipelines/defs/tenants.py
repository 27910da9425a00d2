"""Tenants become partitions when a folder of exports with their name appears."""

# no postponed annotations here: Dagster reads those of a decorated function as they stand

import dagster as dg

from pipelines.failures import as_failures
from pipelines.partitions import TENANT, tenants
from pipelines.resources import LakeResource


@dg.sensor(
    name="tenants",
    description="Adds a partition for each tenant that has an export; it starts no run.",
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def find_tenants(context: dg.SensorEvaluationContext, lake: LakeResource) -> dg.SensorResult | dg.SkipReason:
    with as_failures():
        found = lake.tenants()
    known = context.instance.get_dynamic_partitions(TENANT)
    new = [name for name in found if name not in known]
    if not new:
        return dg.SkipReason("no new tenant")
    return dg.SensorResult(dynamic_partitions_requests=[tenants.build_add_request(new)])
