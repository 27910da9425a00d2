"""A place where exports arrive: a sensor looks for new ones and starts their loads."""

# no postponed annotations here: Dagster reads those of a decorated function as they stand

import json
from dataclasses import astuple, dataclass

import dagster as dg

from pipelines.arrivals import Arrival, find_arrivals
from pipelines.failures import as_failures
from pipelines.partitions import TENANT, tenants
from pipelines.resources import LakeResource, require_tenants


class ExportSource(dg.Component, dg.Resolvable, dg.Model):
    """A sensor over one place of exports.

    `exports` is a folder or s3:// URI with `{tenant}` in it; left out, it is the lake's own (`LACUSTRE_EXPORTS`).
    """

    name: str
    job: str = "build_lake"
    exports: str | None = None
    interval_seconds: int = 60

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002
        return dg.Definitions(sensors=[arrival_sensor(self.name, self.job, self.exports, self.interval_seconds)])


@dataclass(frozen=True, slots=True)
class Seen:
    """What the cursor has of an export: how it looked, the key that was asked for, how it looked with that key."""

    listing: str = ""
    requested: str = ""
    settled: str = ""


def arrival_sensor(name: str, job: str, exports: str | None, interval_seconds: int) -> dg.SensorDefinition:
    """An export is loaded once its folder looks the same on two looks, and its manifest's files are all there.

    The cursor holds how each folder looked, and the run key the export's content and attempt: an export starts one
    run, however often it is looked at, and another one when its manifest, the size of a file or its attempt changes.
    """
    if exports is not None:
        require_tenants(exports)

    @dg.sensor(
        name=name,
        job_name=job,
        description="Loads exports that arrived and are complete, and builds the views.",
        minimum_interval_seconds=interval_seconds,
        default_status=dg.DefaultSensorStatus.STOPPED,
    )
    def look(context: dg.SensorEvaluationContext, lake: LakeResource) -> dg.SensorResult:
        before = {name: Seen(*entry) for name, entry in json.loads(context.cursor or "{}").items()}
        known = {seen.settled: seen.requested for seen in before.values() if seen.settled}
        with as_failures():
            place = lake if exports is None else lake.model_copy(update={"exports": exports})
            found = [
                arrival
                for tenant in place.tenants()
                for arrival in find_arrivals(place.export_of(tenant), tenant, lake.storage_options, known)
            ]
        due = [arrival for arrival in found if _is_due(arrival, before)]
        after = {_name(arrival): astuple(_seen(arrival, arrival in due, before)) for arrival in found}
        new = sorted({arrival.tenant for arrival in due} - set(context.instance.get_dynamic_partitions(TENANT)))
        return dg.SensorResult(
            run_requests=[_request(arrival) for arrival in due],
            dynamic_partitions_requests=[tenants.build_add_request(new)] if new else [],
            skip_reason=None if due else dg.SkipReason(_waiting(found, before)),
            cursor=json.dumps(after, sort_keys=True),
        )

    return look


def _name(arrival: Arrival) -> str:
    return f"{arrival.tenant}/{arrival.name}"


def _is_due(arrival: Arrival, before: dict[str, Seen]) -> bool:
    last = before.get(_name(arrival), Seen())
    return arrival.missing is None and arrival.listing == last.listing and arrival.key != last.requested


def _seen(arrival: Arrival, due: bool, before: dict[str, Seen]) -> Seen:
    requested = arrival.key if due else before.get(_name(arrival), Seen()).requested
    settled = arrival.missing is None and arrival.key == requested
    return Seen(arrival.listing, requested, arrival.listing if settled else "")


def _request(arrival: Arrival) -> dg.RunRequest:
    config = {"ops": {"load": {"config": {"source": arrival.place, "again": arrival.attempt > 1}}}}
    return dg.RunRequest(run_key=arrival.key, partition_key=arrival.tenant, run_config=config)


def _waiting(found: list[Arrival], before: dict[str, Seen]) -> str:
    """Counts and codes: a folder's name is somebody else's text."""
    missing = [arrival.missing for arrival in found if arrival.missing is not None]
    fresh = sum(before.get(_name(arrival), Seen()).listing != arrival.listing for arrival in found)
    return f"{len(found)} exports, {fresh} changed since the last look, {len(missing)} not complete {sorted(missing)}"
