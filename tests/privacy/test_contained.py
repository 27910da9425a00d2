"""What an erased patient's resources contained is erased with them, and proven to be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lacustre import Lake
from lacustre.errors import StorageError
from lacustre.privacy import erase as erase_module
from lacustre.privacy.proof import prove
from lacustre.privacy.subject import find_subject
from lacustre.store.scan import connect
from support.contained_rows import require_in_step, stored
from support.loading import Resource, load_lines, write_lines
from support.old_lakes import forget_contained
from support.two_patients import GONE, OTHER, files_below, gone_lines, group, other_lines, traces

REASON = "RGPD, article 17"
COMMENT = "note-gone-1234567"


def order(name: str, of: str, text: str = "") -> Resource:
    """An order with a drug and a prescriber in it, who is told of the patient."""
    drug = {"resourceType": "Medication", "id": "m1", "code": {"text": text or name}}
    who = {"resourceType": "Practitioner", "id": "p1", "extension": [{"url": "u", "valueString": f"Patient/{of}"}]}
    return {
        "resourceType": "MedicationRequest",
        "id": name,
        "meta": {"lastUpdated": "2026-01-01T00:00:00Z"},
        "contained": [drug, who],
        "subject": {"reference": f"Patient/{of}"},
        "medicationReference": {"reference": "#m1"},
    }


def members(name: str, *of: str) -> Resource:
    return {**group(name, *of), "contained": [{"resourceType": "Organization", "id": "o1", "name": COMMENT}]}


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    monkeypatch.setenv("LACUSTRE_CACHE", str(tmp_path / "cache"))
    lake = Lake.open(tmp_path / "lake")
    orders = [order(f"ord-gone-{number}", GONE, COMMENT) for number in range(3)]
    load_lines(lake, tmp_path, *gone_lines(), *other_lines(), *orders, order("ord-1", OTHER), shards=2)
    load_lines(lake, tmp_path, members("grp-gone-1", OTHER, GONE), members("grp-1", OTHER), order("ord-2", OTHER))
    return lake


def left(lake: Lake) -> list[str]:
    return traces(files_below(Path(lake.uri)), [GONE, "ord-gone", "grp-gone"])


def test_contained_resources_go_with_their_containers(lake: Lake) -> None:
    receipt = lake.erase(f"Patient/{GONE}", reason=REASON)
    assert (receipt.complete, left(lake)) == (True, [])
    erased = {name: counts for name, counts in receipt.erased.items() if name.startswith("contained/")}
    assert erased == {
        "contained/Medication": {"contained": 3},
        "contained/Organization": {"contained": 1},
        "contained/Practitioner": {"contained": 3},
    }
    assert {key for _, key in stored(lake)} == {
        *(f"MedicationRequest/ord-{number}#{local}" for number in (1, 2) for local in ("m1", "p1")),
        "Group/grp-1#o1",
    }
    assert require_in_step(lake) == 5
    assert lake.verify().sound
    assert lake.record().contained["fhir/MedicationRequest"] == lake.record().tables["fhir/MedicationRequest"]


@pytest.mark.parametrize("resource", ["Medication", "MedicationRequest"])
def test_the_manifest_of_a_view_with_contained_resources_counts_the_rows_that_stay(
    lake: Lake, tmp_path: Path, resource: str
) -> None:
    load_lines(lake, tmp_path, {"resourceType": "Medication", "id": "own"})
    view = {"resource": resource, "name": "drug", "select": [{"column": [{"name": "id", "path": "id"}]}]}
    folder = write_lines(tmp_path / "views/drug.json", [view]).parent
    lake.build_views(definitions=folder, contained=True)
    assert lake.erase(f"Patient/{GONE}", reason=REASON).complete
    (erased,), (built,) = lake.views(), lake.build_views(definitions=folder, contained=True, whole=True)
    wanted = (built.source_version, built.contained_version, built.source_rows, built.rows)
    assert (erased.source_version, erased.contained_version, erased.source_rows, erased.rows) == wanted


def test_the_proof_reads_contained_tables(lake: Lake) -> None:
    tenant = lake._tenant
    with connect(tenant.store) as connection:
        subject = find_subject(tenant, connection, GONE)
    hits = prove(tenant, subject).hits
    assert {name.split("/")[1] for name in hits if name.startswith("contained/")} == {
        "Medication",
        "Organization",
        "Practitioner",
    }


def test_an_erasure_that_stops_before_the_contained_tables_is_completed(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise StorageError("gone", "the disk is gone")

    with monkeypatch.context() as broken:
        broken.setattr(erase_module, "extract_contained", stop)
        with pytest.raises(StorageError):
            lake.erase(f"Patient/{GONE}", reason=REASON)
    assert left(lake) != []
    receipt = lake.erase(f"Patient/{GONE}", reason=REASON)
    assert (receipt.complete, receipt.resumed, left(lake)) == (True, True, [])
    assert require_in_step(lake) == 5
    assert lake.verify().sound


def test_an_erasure_in_a_lake_of_an_older_version(lake: Lake) -> None:
    forget_contained(lake)
    receipt = lake.erase(f"Patient/{GONE}", reason=REASON)
    assert (receipt.complete, left(lake)) == (True, [])
    assert require_in_step(lake) == 5


def test_the_erased_patient_stays_away(lake: Lake, tmp_path: Path) -> None:
    lake.erase(f"Patient/{GONE}", reason=REASON)
    result = load_lines(lake, tmp_path, order("ord-gone-9", GONE), order("ord-9", OTHER))
    assert result.contained.resources == {"Medication": 1, "Practitioner": 1}
    assert left(lake) == []
    assert require_in_step(lake) == 7


def test_a_patient_takes_nothing_along_twice(lake: Lake, tmp_path: Path) -> None:
    taken = lake.portability(f"Patient/{GONE}", tmp_path / "taken")
    assert taken.counts["MedicationRequest"] == 3
    assert not {"Medication", "Practitioner", "Organization"} & set(taken.counts)
    lines = (tmp_path / "taken/MedicationRequest.ndjson").read_text().splitlines()
    assert sorted(len(json.loads(line)["contained"]) for line in lines) == [2, 2, 2]
