"""What servers say that would lose files, move `_since` too far, or end an export without a word of why."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lacustre.acquire.bulk import abandon_export, run_export
from lacustre.acquire.config import ExportConfig
from lacustre.errors import AccessError, StorageError
from support.bulk_server import FOREVER, Fault, Reply, cut_at, page, status, with_headers
from support.bulk_site import QuickClock, Site, assert_whole, bulk_site, resources

EARLIER = "2025-06-01T00:00:00Z"
LATER = "2027-01-01T00:00:00Z"
LINE = 1 << 20
OUTCOME = b'{"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "exception"}]}\n'


def kick_offs(site: Site) -> list[str]:
    return [seen.target for seen in site.server.seen if "$export" in seen.target]


def big(folder: Path, **behaviour: Any) -> Any:
    """A server with one file of three lines, of a bit more than a mebibyte each."""
    return bulk_site(folder, {"Observation": resources("Observation", 3, size=LINE)}, **behaviour)


def test_expired_deletions_are_asked_for_of_all_types(site: Site) -> None:
    site.run()
    site.server.resources["Patient"] += resources("Patient", 2, updated=LATER)
    site.server.deletions = [(datetime.now(UTC) + timedelta(hours=1), "Observation/observation-1")]
    site.server.faults = [Fault(f"files/2/{name}", status(410), FOREVER) for name in ("deleted", "Patient")]
    result = site.run()
    assert (result.lines, result.deleted > 0) == ({"Patient": 2}, True)
    first, *again = kick_offs(site)[1:]
    assert "_type" not in first and sorted("_type=Patient" in target for target in again) == [False, True]


def test_expired_files_without_a_type_are_all_asked_for_again(site: Site) -> None:
    def forget(manifest: dict[str, Any]) -> None:
        for output in manifest["output"]:
            output.pop("type")

    site.server.edits = [forget]
    site.server.faults = [Fault("files/1/Patient", status(410), FOREVER)]
    result = site.run(types=("Patient", "Observation"))
    assert (result.files, sum(result.lines.values())) == (4, 30)


def test_files_that_differ_in_a_short_parameter_are_all_downloaded(site: Site) -> None:
    answer = site.server.answer

    def by_parameter(method: str, target: str, *rest: Any) -> Reply:
        return answer(method, target.replace("/get?sp=", "/files/1/"), *rest)

    def rename(manifest: dict[str, Any]) -> None:
        for output in manifest["output"]:
            output["url"] = output["url"].replace("/files/1/", "/get?sp=")

    site.server.answer = by_parameter  # type: ignore[method-assign]
    site.server.edits = [rename]
    assert_whole(site, site.run())


def test_a_part_of_the_range_is_not_the_whole(tmp_path: Path) -> None:
    """The server ends with the second line where all that follows was asked for, and counts nothing."""

    def up_to_the_third(reply: Reply) -> Reply:
        start = int(reply.headers["Content-Range"].split()[1].split("-")[0])
        given = f"bytes {start}-{2 * length - 1}/{3 * length}"
        return Reply(206, reply.body[: 2 * length - start], {**reply.headers, "Content-Range": given})

    with big(tmp_path, counts=False) as site:
        length = len(site.server.resources["Observation"][0]) + 1
        site.server.faults = [Fault("GET /files", cut_at(length)), Fault("GET /files", up_to_the_third)]
        assert_whole(site, site.run())
        assert [seen.range for seen in site.server.seen if "/files/" in seen.target] == [
            None, f"bytes={LINE}-", f"bytes={2 * length}-",
        ]  # fmt: skip


def test_a_body_that_breaks_off_here_and_there_is_not_asked_for_for_ever(tmp_path: Path) -> None:
    """Without ranges each try begins anew: to get further than the last one is no progress."""
    with big(tmp_path, ranges=False) as site:
        cuts = [Fault("GET /files", cut_at(count * LINE)) for _ in range(20) for count in (1, 2)]
        site.server.faults = cuts
        with pytest.raises(StorageError, match="download_broken"):
            site.run()
        assert site.server.downloads().total() < 10
        site.server.faults = []
        assert_whole(site, site.run())


def test_an_etag_that_no_header_can_repeat_is_no_validator(tmp_path: Path) -> None:
    with big(tmp_path) as site:
        odd = with_headers(ETag='"\xe9"')
        site.server.faults = [Fault("GET /files", lambda reply: cut_at(LINE)(odd(reply)))]
        assert_whole(site, site.run())


def test_an_outcome_in_the_place_of_deletions_is_asked_again(site: Site) -> None:
    site.run()
    site.server.deletions = [(datetime.now(UTC) + timedelta(hours=1), "Patient/patient-1")]
    site.server.faults = [Fault("files/2/deleted", page(OUTCOME, "application/fhir+json"))]
    assert site.run().deleted == 1


def test_a_severity_of_the_servers_own_is_shown_as_unknown_and_holds_since_back(site: Site) -> None:
    site.server.errors = [OUTCOME.strip().replace(b'"error"', b'"failed for Jean Zebulon"')]
    result = site.run()
    assert result.outcomes == {"unknown": 1} and not result.since_moved


def test_a_packed_manifest_that_cannot_be_unpacked_is_asked_again(site: Site) -> None:
    site.server.faults = [Fault("GET /fhir/jobs", with_headers(Content_Encoding="gzip"))]
    assert_whole(site, site.run())
    assert site.server.started_jobs == 1


@pytest.mark.parametrize("host", ["xn--a.org", "a..b", "a" * 70 + ".org"])
def test_a_url_that_leads_nowhere_is_an_error_of_its_own(site: Site, host: str) -> None:
    site.server.edits = [lambda manifest: manifest["output"][0].update(url=f"https://{host}/x?secret")]
    with pytest.raises(StorageError, match="bad_url") as caught:
        site.run()
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("asked", ["0", "Thu, 01 Jan 2026 00:00:00 GMT"])
@pytest.mark.parametrize("code", [429, 503])
def test_no_time_to_wait_does_not_use_up_the_tries(site: Site, code: int, asked: str) -> None:
    site.server.faults = [Fault("GET /fhir/jobs", status(code, Retry_After=asked), 4)]
    assert_whole(site, site.run())
    assert [round(pause) for pause in site.clock.pauses] == [1, 2, 4, 8]


def test_an_instant_after_the_last_export_leaves_no_hole(site: Site) -> None:
    first = site.run()
    missed = datetime.fromisoformat(first.transaction_time) + timedelta(days=2)
    site.server.resources["Patient"] += resources("Patient", 2, updated=missed.isoformat())
    site.server.time = missed + timedelta(days=8)
    late = site.run(since=(missed + timedelta(days=1)).isoformat())
    assert not late.since_moved and "what changed between" in late.problems[0]
    assert site.run().lines == {"Patient": 2}
    assert site.run(since=EARLIER).since_moved


def killed_before_its_folder(site: Site, **changes: Any) -> None:
    """An export that a kill ends when everything is done but the last rename."""
    program = f"""
import os, sys
from lacustre.acquire.bulk import ExportConfig, run_export
def hook(event, args):
    if event == "os.rename" and str(args[0]).endswith(".running"): os.kill(os.getpid(), 9)
sys.addaudithook(hook)
run_export(ExportConfig.model_validate({site.config(**changes).model_dump(mode="json")!r}))
"""
    assert subprocess.run([sys.executable, "-c", program], timeout=60, check=False).returncode == -9
    assert (site.folder / "_state.json").exists()


def test_an_export_that_is_whole_is_not_abandoned(site: Site) -> None:
    killed_before_its_folder(site)
    assert not abandon_export(site.config())
    (folder,) = (path for path in site.folder.iterdir() if path.is_dir())
    assert_whole(site, folder)


def test_an_interrupted_end_is_not_the_answer_to_another_request(site: Site) -> None:
    killed_before_its_folder(site)
    assert site.run(types=("Patient",)).lines == {"Patient": 5}
    assert len([path for path in site.folder.iterdir() if path.is_dir()]) == 2


def test_a_status_that_only_fails_ends_with_the_time_limit(site: Site) -> None:
    site.server.faults = [Fault("GET /fhir/jobs/1", status(500, b"<html>"), FOREVER)]
    with pytest.raises(StorageError, match="server_failed"):
        site.run()
    clock = QuickClock()
    clock.sleep(25 * 3600)
    site.server.clock = clock.now
    with pytest.raises(StorageError, match="export_too_slow"):
        run_export(site.config(), clock=clock)
    assert_whole(site, site.run())


def expiring(answer: Callable[..., Reply], every: int, code: int) -> Callable[..., Reply]:
    """Signatures are good for so many downloads, then the store lets nobody in until the manifest is asked for."""
    left = [every]

    def limited(method: str, target: str, *rest: Any) -> Reply:
        if "/jobs/" in target:
            left[0] = every
        elif "/files/" in target:
            left[0] -= 1
            if left[0] < 0:
                return Reply(code)
        return answer(method, target, *rest)

    return limited


@pytest.mark.parametrize("code", [400, 403])
def test_urls_that_end_are_replaced_by_new_ones(tmp_path: Path, code: int) -> None:
    with bulk_site(tmp_path, lines_per_file=3, signed=True, requires_token=False) as site:
        site.server.behaviour.files_at = site.server.also_on("127.0.0.2")
        site.server.answer = expiring(site.server.answer, 2, code)  # type: ignore[method-assign]
        result = site.run(parallel=1)
        assert_whole(site, result)
        assert result.files == 11 and site.server.started_jobs == 1
        assert set(site.server.downloads().values()) == {1}


def test_a_file_that_takes_longer_than_its_signature_goes_on(tmp_path: Path) -> None:
    with big(tmp_path, signed=True, requires_token=False) as site:
        site.server.faults = [
            Fault("GET /files", cut_at(LINE)),
            Fault("GET /files", status(403)),
            Fault("GET /files", cut_at(LINE)),
            Fault("GET /files", status(403)),
        ]
        assert_whole(site, site.run())
        ranges = [seen.range for seen in site.server.seen if seen.status in (200, 206) and "/files/" in seen.target]
        assert ranges == [None, f"bytes={LINE}-", f"bytes={2 * LINE}-"]


def test_urls_that_never_let_anybody_in_are_an_error(tmp_path: Path) -> None:
    with bulk_site(tmp_path, lines_per_file=10, signed=True, requires_token=False) as site:
        site.server.faults = [Fault("GET /files/1/Obs", status(403), FOREVER)]
        with pytest.raises(AccessError, match="access_refused"):
            site.run()
        assert site.server.downloads() == {"/files/1/Patient.1.ndjson": 1}
        assert site.server.count("GET /files") < 10


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("[::1]", True),
        ("localhost", True),
        ("127.0.0.1.example.org", False),
        ("127.example.org", False),
        ("localhost.example.org", False),
    ],
)
def test_plain_http_is_for_this_machine(host: str, here: bool) -> None:
    config = ExportConfig(url="https://fhir.example.org", folder=Path("exports"))
    assert config.may_reach(f"http://{host}/x") is here
