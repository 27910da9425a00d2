"""Dagster's own processes die with kill -9, singly and together: the run is started again, and the lake converges."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from lacustre import Lake
from lacustre.sample import generate_sample
from support.bulk_server import Behaviour, BulkServer, read_folder, serving
from support.dagster_site import TENANT, DagsterSite

pytestmark = pytest.mark.faults("Dagster")

PATIENTS = 12
FOREVER = 10**9


@pytest.fixture
def server(tmp_path: Path) -> Iterator[BulkServer]:
    """A FHIR server that has begun an export and does not end it, so that its run waits."""
    generate_sample(tmp_path / "sample", patients=PATIENTS)
    behaviour = Behaviour(pending=FOREVER, retry_after="1")
    with serving(read_folder(tmp_path / "sample"), behaviour=behaviour) as running:
        yield running


@pytest.fixture
def site(tmp_path: Path, server: BulkServer) -> Iterator[DagsterSite]:
    (tmp_path / "project").mkdir()
    with ExitStack() as stack:
        made = DagsterSite(tmp_path / "project", stack)
        made.export_from(server)
        yield made


def begin_export(site: DagsterSite, server: BulkServer) -> str:
    """A run that waits for the FHIR server, in a process that can be killed."""
    site.start()
    site.add_tenant()
    run = site.launch("export_and_build")
    site.wait("the export's first poll", lambda: server.count("GET /fhir/jobs/") > 0)
    assert site.runs()[run] == "STARTED"
    return run


def assert_converged(site: DagsterSite) -> None:
    lake = Lake.open(site.folder / "lake", tenant=TENANT)
    assert lake.sql("SELECT count(*), count(DISTINCT id) FROM patient").fetchall() == [(PATIENTS, PATIENTS)]
    folders = [path for path in (site.folder / "exports" / TENANT).iterdir() if path.is_dir()]
    assert [path.name for path in folders if path.name.startswith(".")] == []


def succeeded(site: DagsterSite, *but: str) -> list[str]:
    """The other runs, once all of them have ended well."""
    others = {run: status for run, status in site.runs().items() if run not in but}
    return sorted(others) if others and set(others.values()) == {"SUCCESS"} else []


def test_the_whole_machine_stops(site: DagsterSite, server: BulkServer) -> None:
    run = begin_export(site, server)
    config = {"ops": {"load": {"config": {"source": str(site.folder.parent / "sample")}}}}
    waiting = site.launch("build_lake", config)
    site.wait("a second run in the queue", lambda: site.runs()[waiting] == "QUEUED")
    site.kill()
    server.behaviour.pending = 0
    site.start()
    site.wait("the end of the lost run", lambda: site.runs()[run] == "FAILURE")
    assert any("process of this run is gone" in message for message in site.messages(run))
    retried = site.wait("its retry, and the run that waited", lambda: succeeded(site, run))
    assert waiting in retried
    assert len(retried) == 2
    assert server.started_jobs == 1  # the retry went on with the export that the lost run had begun
    assert_converged(site)


def test_the_worker_dies(site: DagsterSite, server: BulkServer) -> None:
    run = begin_export(site, server)
    os.kill(site.worker(run), signal.SIGKILL)
    server.behaviour.pending = 0
    site.wait("the end of the run", lambda: site.runs()[run] == "FAILURE")
    assert len(site.wait("its retry", lambda: succeeded(site, run))) == 1
    assert_converged(site)


def test_the_daemon_dies(site: DagsterSite, server: BulkServer) -> None:
    run = begin_export(site, server)
    site.kill("daemon")
    server.behaviour.pending = 0
    site.wait("the run's end without a daemon", lambda: site.runs() == {run: "SUCCESS"})
    site.start("daemon")
    after = site.launch("build_lake")
    site.wait("a run after it", lambda: site.runs()[after] == "SUCCESS")
    assert_converged(site)


def test_a_sensor_that_looks_twice_starts_one_run(site: DagsterSite, server: BulkServer) -> None:
    generate_sample(site.folder / "exports" / TENANT / "first", patients=PATIENTS)
    site.start()
    site.start_sensor("new_exports")
    site.wait("the run of the export", site.runs)
    site.kill("daemon")
    site.start("daemon")
    (run,) = site.wait("its end", lambda: succeeded(site))
    generate_sample(site.folder / "exports" / TENANT / "second", patients=PATIENTS)
    site.wait("the run of the next export", lambda: len(succeeded(site)) == 2)
    assert run in site.runs()
    assert_converged(site)
