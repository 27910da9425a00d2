"""Runs whose process is gone: when a whole machine stops, nobody is left to say that a run ended.

Dagster 1.13 notices a dead worker while the code server that started it lives. After a crash of both, the run stays
"started" for ever and holds its place in the queue. The worker's process id is in the run's events; a process that
has the id now, but began after the event, is another one, unless it is a worker too: a clock that was set forward, as
after a virtual machine's snapshot, lets a worker look younger than its own events.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import dagster as dg
import psutil
from dagster import DagsterEventType, DagsterRun, DagsterRunStatus, RunsFilter

GONE = "The process of this run is gone: its machine or its container stopped."
_PID = re.compile(r"\(pid: (\d+)\)")
_SLACK_SECONDS = 2.0
_WORKER_TAG = ".dagster/grpc_info"
_CODE_SERVER = {"dagster", "api", "grpc"}


@dataclass(frozen=True, slots=True)
class Worker:
    """The process of a run: its id, and when the run said so, in seconds since 1970."""

    pid: int
    seen: float

    @property
    def alive(self) -> bool:
        try:
            process = psutil.Process(self.pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            return process.create_time() <= self.seen + _SLACK_SECONDS or _is_worker(process)
        except psutil.NoSuchProcess:
            return False
        except psutil.AccessDenied:
            return True


def _is_worker(process: psutil.Process) -> bool:
    """Whether a code server started it for a run."""
    parent = process.parent()
    return "--multiprocessing-fork" in process.cmdline() and parent is not None and {*parent.cmdline()} >= _CODE_SERVER


def fail_lost_runs(instance: dg.DagsterInstance, location: str | None) -> list[str]:
    """Fail the started runs of a code location whose worker is gone, and give their ids.

    To be called where that location's workers run, in the same space of process ids. Runs that nobody launched
    through a code server (`dagster job execute`) may be on another machine, and are left alone.
    """
    runs = instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.STARTED]))
    here = [run for run in runs if _is_of(run, location)]
    gone = find_lost({run.run_id: find_worker(instance, run.run_id) for run in here})
    # a run may have ended between the two looks
    lost = [run for run in here if run.run_id in gone and _is_started(instance, run.run_id)]
    for run in lost:
        instance.report_run_failed(run, GONE)
    return [run.run_id for run in lost]


def _is_of(run: DagsterRun, location: str | None) -> bool:
    origin = run.remote_job_origin
    return (
        origin is not None
        and _WORKER_TAG in run.tags
        and location in (None, origin.repository_origin.code_location_origin.location_name)
    )


def find_lost(workers: Mapping[str, Worker | None]) -> set[str]:
    """The runs whose worker is gone; of two with one process id, it is the later one's."""
    known = {run: worker for run, worker in workers.items() if worker is not None}
    last = {worker.pid: worker.seen for worker in sorted(known.values(), key=lambda worker: worker.seen)}
    return {run for run, worker in known.items() if worker.seen < last[worker.pid] or not worker.alive}


def _is_started(instance: dg.DagsterInstance, run_id: str) -> bool:
    now = instance.get_run_by_id(run_id)
    return now is not None and now.status == DagsterRunStatus.STARTED


def find_worker(instance: dg.DagsterInstance, run_id: str) -> Worker | None:
    """The newest process that a run says to be its worker; None before it said so."""
    found = None
    for record in instance.all_logs(run_id, of_type=DagsterEventType.ENGINE_EVENT):
        match = _PID.search(record.message or "")
        if match and "Started process for run" in (record.message or ""):
            found = Worker(int(match[1]), record.timestamp)
    return found
