"""The export as a whole: what is asked for, what the folder holds, what the next export starts from."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from lacustre import Lake
from lacustre.acquire.bulk import abandon_export, run_export
from lacustre.acquire.checkpoint import exclusive
from lacustre.errors import InputError, SettingsError, StorageError
from support.bulk_server import FOREVER, Fault, Reply, outcome, status
from support.bulk_site import Site, assert_whole, bulk_site, resources

LATER = "2027-01-01T00:00:00Z"


def asked(site: Site) -> list[tuple[str, dict[str, list[str]]]]:
    """Path and parameters of each kick-off."""
    found = [urlsplit(seen.target) for seen in site.server.seen if "$export" in seen.target]
    return [(place.path, parse_qs(place.query)) for place in found]


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({}, "/fhir/$export"),
        ({"level": "patient"}, "/fhir/Patient/$export"),
        ({"level": "group", "group": "g-1"}, "/fhir/Group/g-1/$export"),
    ],
)
def test_the_three_levels(site: Site, changes: dict[str, Any], path: str) -> None:
    assert_whole(site, site.run(**changes))
    assert asked(site) == [(path, {"_outputFormat": ["application/fhir+ndjson"]})]


def test_all_parameters_are_sent(site: Site) -> None:
    filters = ("Observation?category=laboratory", "Observation?category=vital-signs&status=final")
    site.run(types=("Patient", "Observation"), type_filters=filters, elements=("id", "Patient.birthDate"))
    site.run(since="2026-03-04T05:06:07+02:00")
    first, second = (parameters for _, parameters in asked(site))
    assert first["_type"] == ["Patient,Observation"] and first["_elements"] == ["id,Patient.birthDate"]
    assert first["_typeFilter"] == list(filters) and "_since" not in first
    assert second["_since"] == ["2026-03-04T05:06:07+02:00"]


def test_what_is_asked_again_has_the_filters_of_its_types(site: Site) -> None:
    site.server.faults = [Fault("files/1/Patient", status(404), FOREVER)]
    site.run(type_filters=("Observation?status=final", "Patient?active=true"))
    assert asked(site)[1][1]["_typeFilter"] == ["Patient?active=true"]


def test_the_next_export_has_what_changed_since(site: Site) -> None:
    first = site.run()
    site.server.resources["Patient"] += resources("Patient", 2, updated=LATER)
    second = site.run()
    assert (second.since, second.lines) == (first.transaction_time, {"Patient": 2})
    assert site.run(since="never").lines == {"Observation": 25, "Patient": 7}
    assert site.run(types=("Patient",)).since is None, "another request has a past of its own"


def test_the_folder_is_loaded_into_a_lake(site: Site, tmp_path: Path) -> None:
    result = site.run()
    lake = Lake.open(tmp_path / "lake")
    loaded = lake.load(result.folder)
    assert {name: counts.inserted for name, counts in loaded.counts.items()} == result.lines
    manifest = json.loads((result.folder / "manifest.json").read_text())
    assert manifest["transactionTime"] == result.transaction_time and manifest["request"].endswith("$export")
    assert [entry["url"] for entry in manifest["output"]] == [
        "Patient.0001.ndjson", "Observation.0001.ndjson", "Observation.0002.ndjson", "Observation.0003.ndjson",
    ]  # fmt: skip


@pytest.mark.parametrize("packed", ["encoding", "file"])
def test_packed_files_are_unpacked(tmp_path: Path, packed: str) -> None:
    with bulk_site(tmp_path, packed=packed) as site:
        assert_whole(site, site.run())


def test_a_server_without_authorisation(tmp_path: Path) -> None:
    with bulk_site(tmp_path, kind=None) as site:
        assert_whole(site, site.run())
        assert site.server.hosts_with_token() == set()


def test_no_more_downloads_at_once_than_allowed(tmp_path: Path) -> None:
    inside, most, lock = [0], [0], threading.Lock()
    everybody = threading.Barrier(3, timeout=5)

    with bulk_site(tmp_path, {"Patient": resources("Patient", 12)}, lines_per_file=1) as site:
        answer: Callable[..., Reply] = site.server.answer

        def watched(method: str, target: str, *rest: Any) -> Reply:
            if "/files/" not in target:
                return answer(method, target, *rest)
            with lock:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
            everybody.wait()
            with lock:
                inside[0] -= 1
            return answer(method, target, *rest)

        site.server.answer = watched  # type: ignore[method-assign]
        assert_whole(site, site.run(parallel=3))
    assert most == [3]


def test_many_small_files(tmp_path: Path) -> None:
    with bulk_site(tmp_path, {"Patient": resources("Patient", 300)}, lines_per_file=1) as site:
        site.server.faults = [Fault("GET /files", status(429, Retry_After="2"), 40, skip=100)]
        result = site.run(parallel=4)
        assert_whole(site, result)
        assert result.files == 300 and max(site.server.downloads().values()) == 1


def test_progress_goes_up_to_the_whole(site: Site) -> None:
    stages: list[tuple[str, float]] = []
    site.server.behaviour.pending = 1
    run_export(site.config(poll_seconds=0.01), lambda stage, share: stages.append((stage, share)))
    assert stages[:2] == [("kick-off", 0.0), ("waiting for the server", 0.5)]
    assert stages[-2:] == [("downloading", 1.0), ("done", 1.0)]


def test_a_request_that_the_server_does_not_take(site: Site) -> None:
    site.server.faults = [Fault("export", outcome(400, "not-supported"))]
    with pytest.raises(InputError, match=r"400 \(not-supported\)") as caught:
        site.run()
    assert "secret-patient" not in str(caught.value)


def test_two_exports_into_one_folder_do_not_meet(site: Site) -> None:
    with exclusive(site.folder), pytest.raises(StorageError, match="export_running"):
        site.run()
    assert_whole(site, site.run())


def test_an_interrupted_export_of_another_request_is_given_up(site: Site) -> None:
    site.server.faults = [Fault("files/1/Obs", status(403))]
    with pytest.raises(Exception, match="access_refused"):
        site.run()
    result = site.run(types=("Patient",))
    assert result.lines == {"Patient": 5} and result.resumed == 0
    assert site.server.count("DELETE /fhir/jobs/1") == 1


def test_an_export_can_be_abandoned(site: Site) -> None:
    site.server.faults = [Fault("files/1/Obs", status(403))]
    with pytest.raises(Exception, match="access_refused"):
        site.run()
    assert abandon_export(site.config()) and not abandon_export(site.config())
    assert site.server.count("DELETE /fhir/jobs/1") == 1 and not (site.folder / ".running").exists()


def test_a_state_that_cannot_be_read_is_no_reason_to_start_from_nothing(site: Site) -> None:
    site.run()
    (site.folder / "_state.json").write_text("{")
    with pytest.raises(SettingsError, match="bad_state"):
        site.run()


def test_an_instant_given_twice_has_two_folders(site: Site) -> None:
    first = site.run()
    site.server.time = datetime.fromisoformat(first.transaction_time)
    second = site.run()
    assert second.folder.name == f"{first.folder.name}-2" and first.folder.exists()


def test_a_load_of_the_folder_of_a_running_export_takes_nothing_of_it(site: Site, tmp_path: Path) -> None:
    site.server.faults = [Fault("files/1/Obs", status(403))]
    with pytest.raises(Exception, match="access_refused"):
        site.run(parallel=1)
    assert list((site.folder / ".running").glob("*.complete"))
    with pytest.raises(InputError):
        Lake.open(tmp_path / "lake").load(site.folder)
