"""What servers of bulk exports do wrong, and what comes of it: everything once, nothing twice, no hole.

Each test is a fault. `assert_whole` says that the folder has each line of the server exactly once.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from lacustre.errors import DataError, ManifestError, StorageError
from support.bulk_server import FOREVER, Fault, cut_at, lost, outcome, page, slow, status, with_body, with_headers
from support.bulk_site import Site, assert_whole, bulk_site, lines_of, resources

pytestmark = [pytest.mark.faults("manifest faults")]
BIG = 3 << 20


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """25 Observations in three files and 5 Patients in one."""
    with bulk_site(tmp_path, lines_per_file=10) as made:
        yield made


@pytest.fixture
def big(tmp_path: Path) -> Iterator[Site]:
    """One file of 3 MiB, which is worth going on with."""
    with bulk_site(tmp_path, {"Observation": resources("Observation", 3, size=BIG // 3)}) as made:
        yield made


def test_a_missing_file_is_asked_for_by_its_type(site: Site) -> None:
    site.server.faults = [Fault("files/1/Observation.2", status(404), FOREVER)]
    assert_whole(site, site.run())
    assert site.server.count(r"export.*_type=Observation(&|$)") == 1
    assert site.server.downloads()["/files/1/Patient.1.ndjson"] == 1
    assert site.server.count("GET /files/2/Patient") == 0
    assert site.server.count("DELETE /fhir/jobs/") == 2


def test_an_expired_file_after_a_crash_is_asked_for_by_its_type(site: Site) -> None:
    site.server.faults = [Fault("files/1/Patient", status(403))]
    with pytest.raises(Exception, match="access_refused"):
        site.run(parallel=1)
    site.server.faults = [Fault("files/1/Patient", status(410), FOREVER)]
    result = site.run()
    assert_whole(site, result)
    assert result.transaction_time == json.loads((site.folder / "_state.json").read_text())["transactionTime"]
    assert site.server.count(r"export.*_type=Patient(&|$)") == 1


def test_expired_deletions_are_asked_for_alone(site: Site) -> None:
    site.run()
    site.server.deletions = [(datetime.now(UTC) + timedelta(hours=1), "Patient/patient-1")]
    site.server.faults = [Fault("files/2/deleted", status(410), FOREVER)]
    result = site.run()
    assert result.deleted == 1
    assert site.server.count("export.*_since") == 2


def test_files_that_are_never_there_are_an_error_and_not_a_success(site: Site) -> None:
    site.server.faults = [Fault("files/./Patient", status(404), FOREVER)]
    with pytest.raises(StorageError, match="files_gone"):
        site.run()
    assert not (site.folder / "_state.json").exists()
    site.server.faults = []
    result = site.run()
    assert_whole(site, result)
    assert max(site.server.downloads().values()) == 1 and result.resumed == 3


def test_a_type_that_was_not_asked_for_is_kept(site: Site) -> None:
    site.server.edits = [
        lambda manifest: manifest["output"].append({"type": "Basic", "url": "/files/1/Patient.1.ndjson?x"})
    ]
    result = site.run(types=("Patient",))
    assert result.lines == {"Basic": 5, "Patient": 5}


def test_a_token_refused_midway_is_renewed(site: Site) -> None:
    site.server.faults = [Fault("files/1/Observation.2", status(401))]
    assert_whole(site, site.run())
    assert site.server.count("POST /token") == 2


def test_too_many_requests_wait_for_the_seconds_asked(site: Site) -> None:
    site.server.faults = [Fault("GET /files", status(429, Retry_After="17"), 3)]
    assert_whole(site, site.run(parallel=1))
    assert [round(pause) for pause in site.clock.pauses] == [17, 17, 17]


def test_an_overloaded_server_waits_until_the_date_asked(site: Site) -> None:
    started = time.monotonic()
    when = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    site.server.faults = [Fault("GET /fhir/jobs", status(503, Retry_After=when))]
    assert_whole(site, site.run())
    assert 88 - (time.monotonic() - started) < site.clock.pauses[0] < 91


def test_an_export_that_is_never_done_ends_and_can_begin_anew(site: Site) -> None:
    site.server.behaviour.pending = 10**9
    with pytest.raises(StorageError, match="export_too_slow"):
        site.run(time_limit_hours=1)
    assert site.server.count("DELETE /fhir/jobs/1") == 1
    site.server.behaviour.pending = 0
    assert_whole(site, site.run())
    assert site.server.started_jobs == 2


def test_errors_of_the_server_in_a_poll_are_waited_for(site: Site) -> None:
    site.server.faults = [Fault("GET /fhir/jobs", status(502), 4)]
    assert_whole(site, site.run())
    assert site.clock.pauses == [1, 2, 4, 8] and site.server.started_jobs == 1


def test_an_export_that_the_server_gives_up_is_not_polled_again(site: Site) -> None:
    site.server.faults = [Fault("GET /fhir/jobs", outcome(500, "exception"), 6)]
    with pytest.raises(StorageError, match=r"export_failed.*\(exception\)") as caught:
        site.run()
    assert "secret-patient" not in str(caught.value)
    assert_whole(site, site.run())
    assert site.server.started_jobs == 2


def test_a_job_that_the_server_forgets_is_started_again(site: Site) -> None:
    site.server.behaviour.pending = 1
    site.server.faults = [Fault("GET /fhir/jobs/1", status(404), FOREVER, skip=1)]
    assert_whole(site, site.run())
    assert site.server.started_jobs == 2


def test_an_error_in_the_place_of_a_file_is_asked_again(site: Site) -> None:
    error = b'{"resourceType": "OperationOutcome", "issue": []}\n'
    site.server.faults = [Fault("files/1/Patient", page(error, "application/fhir+json"))]
    assert_whole(site, site.run())


def test_a_page_of_html_in_the_place_of_a_file_is_an_error_that_keeps_the_others(site: Site) -> None:
    site.server.faults = [Fault("files/1/Patient", page(), FOREVER)]
    with pytest.raises(DataError, match="not_ndjson"):
        site.run()
    site.server.faults = []
    result = site.run()
    assert_whole(site, result)
    assert result.resumed == 3 and site.server.started_jobs == 1


def test_reported_errors_are_listed_and_hold_since_back(site: Site) -> None:
    issue = {"severity": "error", "code": "exception"}
    site.server.errors = [json.dumps({"resourceType": "OperationOutcome", "issue": [issue, issue]}).encode()]
    result = site.run()
    assert result.outcomes == {"error": 2} and not result.since_moved and lines_of(result.folder)["error"].total() == 1
    site.server.errors = []
    assert site.run().since is None
    assert site.run().since is not None


def test_deletions_are_downloaded_and_listed(site: Site) -> None:
    site.run()
    site.server.deletions = [(datetime.now(UTC) + timedelta(hours=1), f"Patient/patient-{n}") for n in (1, 2)]
    result = site.run()
    assert result.deleted == 2 and [path.name for path in (result.folder / "deleted").iterdir()] == [
        "Bundle.0001.ndjson"
    ]


def test_a_url_that_is_listed_twice_is_downloaded_once(site: Site) -> None:
    site.server.edits = [lambda manifest: manifest["output"].extend(manifest["output"])]
    assert_whole(site, site.run())
    assert set(site.server.downloads().values()) == {1}


def test_no_token_follows_a_redirect_to_another_host(site: Site) -> None:
    other = site.server.also_on("127.0.0.2")
    site.server.behaviour.requires_token = False
    site.server.edits = [lambda manifest: manifest.update(requiresAccessToken=True)]
    site.server.faults = [
        Fault(r"GET /files/1/\S+ndjson$", status(307, Location=f"{other}/files/1/Patient.1.ndjson?at=2"))
    ]
    assert_whole(site, site.run(parallel=1))
    assert [seen.host for seen in site.server.seen if seen.target.endswith("at=2")] == ["127.0.0.2"]
    assert site.server.hosts_with_token() == {"127.0.0.1"}


def test_no_token_goes_to_another_host_of_the_manifest(site: Site) -> None:
    site.server.behaviour.files_at = site.server.also_on("127.0.0.2")
    with pytest.raises(Exception, match="access_refused") as caught:
        site.run()
    assert "token_origins" in str(caught.value) and site.server.hosts_with_token() == {"127.0.0.1"}
    assert_whole(site, site.run(token_origins=(site.server.behaviour.files_at,)))


def test_no_token_goes_where_none_is_required(site: Site) -> None:
    site.server.behaviour.requires_token = False
    assert_whole(site, site.run())
    assert not [seen.target for seen in site.server.seen if seen.token and "/files/" in seen.target]


def test_counts_that_do_not_agree_hold_since_back(site: Site) -> None:
    site.server.edits = [lambda manifest: manifest["output"][0].update(count=6)]
    result = site.run()
    assert_whole(site, result)
    assert result.problems == ("Patient: the server counts 6, the file has 5",) and not result.since_moved
    assert json.loads((result.folder / "manifest.json").read_text())["output"][0]["count"] == 6
    assert site.run(accept_incomplete=True).since_moved


def test_a_file_that_lost_lines_on_its_way_is_downloaded_again(site: Site) -> None:
    site.server.faults = [Fault("files/1/Patient", with_body(lambda body: body[: body.index(b"\n") + 1]))]
    assert_whole(site, site.run())
    assert site.server.downloads()["/files/1/Patient.1.ndjson"] == 2


def test_a_cut_body_goes_on_from_where_it_broke(big: Site) -> None:
    big.server.faults = [Fault("GET /files", cut_at(1 << 20)), Fault("GET /files", cut_at(1 << 20))]
    assert_whole(big, big.run())
    sent = [(seen.status, seen.range) for seen in big.server.seen if "/files/" in seen.target]
    assert sent == [(200, None), (206, "bytes=1048576-"), (206, "bytes=2097152-")]


def test_a_cut_body_without_ranges_is_downloaded_again(big: Site) -> None:
    big.server.behaviour.ranges = False
    big.server.faults = [Fault("GET /files", cut_at(1 << 20))]
    assert_whole(big, big.run())


def test_a_file_that_changed_since_it_broke_is_downloaded_again(big: Site) -> None:
    another = with_body(lambda body: body.replace(b"x", b"y"))
    changed = Fault("GET /files", lambda reply: with_headers(ETag='"another"')(another(reply)))
    big.server.faults = [Fault("GET /files", cut_at(1 << 20)), changed]
    assert_whole(big, big.run())
    assert [seen.status for seen in big.server.seen if "/files/" in seen.target] == [200, 206, 200]


@pytest.mark.parametrize("packed", ["encoding", "file"])
def test_a_packed_file_that_is_not_whole_is_downloaded_again(tmp_path: Path, packed: str) -> None:
    with bulk_site(tmp_path, packed=packed) as site:
        site.server.faults = [Fault("files/1/Patient", with_body(lambda body: body[:-6]))]
        result = site.run()
        assert_whole(site, result)
        assert site.server.downloads().total() == 3


def test_an_export_of_nothing_is_complete(site: Site) -> None:
    site.run()
    site.server.edits = [lambda manifest: manifest.pop("error") and None]
    result = site.run()
    assert (
        result.files == 0
        and result.since_moved
        and json.loads((result.folder / "manifest.json").read_text())["output"] == []
    )


def test_a_file_without_a_line_is_a_file(site: Site) -> None:
    site.server.edits = [lambda manifest: manifest["output"][0].update(count=0)]
    site.server.faults = [Fault("files/1/Patient", with_body(lambda body: b""))]
    result = site.run()
    assert result.files == 4 and result.lines["Patient"] == 0 and not result.problems


@pytest.mark.parametrize("text", [None, "yesterday", "2026", 3])
def test_a_manifest_without_its_instant_is_refused(site: Site, text: object) -> None:
    site.server.edits = [lambda manifest: manifest.update(transactionTime=text)]
    with pytest.raises(ManifestError, match="transactionTime"):
        site.run()
    assert site.server.downloads().total() == 0
    site.server.edits = []
    assert_whole(site, site.run())


def test_a_transaction_time_that_goes_back_is_refused(site: Site) -> None:
    first = site.run()
    site.server.time = datetime(2025, 1, 1, tzinfo=UTC)
    with pytest.raises(ManifestError, match="regressing_transaction_time"):
        site.run()
    assert site.server.count("GET /files/2/") == 0
    site.server.time = None
    assert site.run().since == first.transaction_time


def test_a_manifest_of_many_pages_is_followed(site: Site) -> None:
    site.server.behaviour.page_size = 1
    assert_whole(site, site.run())
    assert site.server.count("GET /fhir/jobs/1/") == 3


def test_pages_that_never_end_are_refused(site: Site) -> None:
    link = [{"relation": "next", "url": f"{site.server.url}/jobs/1"}]
    site.server.edits = [lambda manifest: manifest.update(link=link)]
    with pytest.raises(ManifestError, match="never end"):
        site.run()


def test_a_page_of_html_in_the_place_of_the_manifest_is_asked_again(site: Site) -> None:
    site.server.faults = [Fault("GET /fhir/jobs", page(), 2)]
    assert_whole(site, site.run())
    assert site.server.started_jobs == 1


def test_lost_replies_are_asked_again(site: Site) -> None:
    site.server.faults = [
        Fault(what, lost()) for what in ("smart-conf", "token", "export", "GET /fhir/jobs", "GET /files")
    ]
    assert_whole(site, site.run())
    assert len(set(site.server.assertions)) == len(site.server.assertions) == 2


def _client(site: Site, **changes: Any) -> str:
    """The expression that exports as the site does, in another process."""
    given = site.config(**changes).model_dump(mode="json")
    return f"run_export(ExportConfig.model_validate({given!r}))"


START = "import httpx, joserfc.jwk, joserfc.jwt\nfrom lacustre.acquire.bulk import ExportConfig, run_export\n"
EACH_STEP = """
import os, sys
def die_at(n):
    left = [n]
    def hook(event, _):
        if event == "os.rename":
            left[0] -= 1
            if not left[0]: os.kill(os.getpid(), 9)
    sys.addaudithook(hook)
for line in sys.stdin:
    n, call = line.split(" ", 1)
    if (child := os.fork()) == 0:
        die_at(int(n))
        eval(call)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""Reads lines of a number n and a call; does each in a process that is killed at its n-th rename."""


def test_kill_9_in_the_middle_of_the_downloads(tmp_path: Path) -> None:
    served = {"Patient": resources("Patient", 5), "Observation": resources("Observation", 3, size=BIG // 3)}
    with bulk_site(tmp_path, served, signed=True) as site:
        site.server.faults = [Fault("files/1/Observation", slow(0.1))]
        child = subprocess.Popen([sys.executable, "-c", START + _client(site, parallel=1)])
        running, until = site.folder / ".running", time.monotonic() + 120
        while not any(path.stat().st_size > 1 << 20 for path in running.glob("*.part")):
            assert time.monotonic() < until and child.poll() is None
            time.sleep(0.01)
        child.kill()
        child.wait()
        kept = max(path.stat().st_size for path in running.glob("*.part"))
        result = site.run()
        assert_whole(site, result)
        assert result.resumed == 1 and site.server.started_jobs == 1
        assert site.server.downloads()["/files/1/Patient.1.ndjson"] == 1
        assert [seen.range for seen in site.server.seen if "Obs" in seen.target] == [None, f"bytes={kept}-"]


def test_kill_9_at_each_step(tmp_path: Path) -> None:
    """At the n-th rename of the process, for every n: no hole, and no second kick-off once a job is known."""
    served = {"Patient": resources("Patient", 2), "Observation": resources("Observation", 2)}
    with (
        bulk_site(tmp_path, served) as site,
        subprocess.Popen(
            [sys.executable, "-c", START + EACH_STEP], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as runner,
    ):
        assert runner.stdin is not None and runner.stdout is not None
        codes = []
        while 0 not in codes:
            n = len(codes) + 1
            site.folder = tmp_path / f"exports-{n}"
            before = site.server.started_jobs
            print(n, _client(site), file=runner.stdin, flush=True)
            codes.append(int(runner.stdout.readline()))
            assert_whole(site, site.run() if codes[-1] else _only_export(site))
            # the first rename is the one that notes the job: a reply that nobody noted is lost
            assert site.server.started_jobs - before == (2 if n == 1 else 1)
            _only_export(site)
        assert codes == [-signal.SIGKILL] * (len(codes) - 1) + [0] and len(codes) > 8


def _only_export(site: Site) -> Path:
    folders = [path for path in site.folder.iterdir() if path.is_dir()]
    assert len(folders) == 1
    return folders[0]
