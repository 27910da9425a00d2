"""Twice a minute, from the start of the daemon on: fail the runs whose process is gone, so that the queue goes on."""

# no postponed annotations here: Dagster reads those of a decorated function as they stand

import dagster as dg
from dagster import DefaultRunLauncher

from pipelines.reaper import fail_lost_runs


@dg.sensor(
    name="reaper",
    description="Fails started runs whose process is gone; they are started again by the run retries.",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def reap(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    # other launchers put workers elsewhere, and look after them
    if not isinstance(context.instance.run_launcher, DefaultRunLauncher):
        return dg.SkipReason("the workers are not on this machine")
    origin = context.code_location_origin
    lost = fail_lost_runs(context.instance, origin.location_name if origin else None)
    return dg.SkipReason(f"{len(lost)} runs had no process {lost}" if lost else "every started run has its process")
