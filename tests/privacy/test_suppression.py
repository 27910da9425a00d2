"""Erased patients stay away, whatever way a later copy takes, until somebody lifts it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lacustre import Lake
from lacustre.errors import InputError, StorageError
from lacustre.privacy import erase as erase_module
from lacustre.store import suppressed as suppressed_module
from lacustre.store.ledger import Intent, open_intent
from lacustre.store.load_result import LoadResult
from lacustre.store.suppressed import Suppression, suppress
from lacustre.store.table_changes import TableChanges
from support.lake_content import exported
from support.loading import load_lines, write_lines
from support.two_patients import (
    GONE,
    OTHER,
    files_below,
    gone_lines,
    gone_patient,
    group,
    observation,
    other_lines,
    other_patient,
    reject,
    traces,
)

REASON = "RGPD, article 17"


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """A lake whose patient was erased."""
    monkeypatch.setenv("LACUSTRE_CACHE", str(tmp_path / "cache"))
    lake = Lake.open(tmp_path / "lake")
    load_lines(lake, tmp_path, *gone_lines(), *other_lines(), shards=2)
    lake.erase(f"Patient/{GONE}", reason=REASON, request_id="D-17")
    return lake


def compartment() -> list[Any]:
    """What is the patient's alone: eight lines of `gone_lines` but for the list that names one of them."""
    return [line for line in gone_lines() if '"List"' not in json.dumps(line)]


def left(lake: Lake) -> list[str]:
    return traces(files_below(Path(lake.uri)))


def ndjson(lake: Lake, folder: Path) -> LoadResult:
    return load_lines(lake, folder, *compartment(), observation("obs-new", OTHER))


def bundle(lake: Lake, folder: Path) -> LoadResult:
    lines = [*compartment(), observation("obs-new", OTHER)]
    entries = [{"resource": json.loads(line) if isinstance(line, str) else line} for line in lines]
    (folder / "bundle.json").write_text(json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}))
    return lake.load(folder / "bundle.json")


def retry(lake: Lake, folder: Path) -> LoadResult:
    load_lines(lake, folder, reject(OTHER, "obs-bad"))
    (key,) = [one.key for one in lake.rejects() if b"obs-bad" in one.raw]
    (folder / "corrected").mkdir()
    corrected = folder / "corrected" / "lines.ndjson"
    line = observation("obs-gone-1", GONE)
    corrected.write_text(f"# reject {key}\n{line if isinstance(line, str) else json.dumps(line)}\n")
    return lake.retry_rejects(corrected)[0]


@pytest.mark.parametrize(("way", "dropped"), [(ndjson, 7), (bundle, 7), (retry, 1)])
def test_what_is_the_patients_alone_is_left_out_and_counted(
    lake: Lake, tmp_path: Path, way: Callable[[Lake, Path], LoadResult], dropped: int
) -> None:
    result = way(lake, tmp_path)
    assert result.total("suppressed") == dropped
    read = [counts.read - counts.inserted - counts.suppressed for counts in result.counts.values()]
    assert read == [0] * len(result.counts)
    assert result.statement["suppressed"] == result.suppressed["suppressed"]
    assert sum(result.statement["suppressed"]["dropped"].values()) == dropped
    assert sum(counts.get("suppressed", 0) for counts in lake.record(result.version).counts.values()) == dropped
    assert not [key for key in exported(lake) if "gone" in key[1] or key[1] == GONE]
    assert left(lake) == []
    assert lake.verify().sound


def test_what_is_others_too_stays_and_is_told(lake: Lake, tmp_path: Path) -> None:
    result = load_lines(
        lake, tmp_path, group("grp-a", OTHER, GONE), group("grp-b", GONE), group("grp-c", GONE, OTHER), group("grp-d", OTHER)
    )  # fmt: skip
    assert result.suppressed == {
        "suppressed": {"dropped": {"Group": 1}, "shared": {"Group": 2}, "deletions": 0, "rejects": 0}
    }
    assert {one for kind, one in exported(lake) if kind == "Group"} == {"grp-a", "grp-c", "grp-d"}


def test_a_group_of_erased_patients_only_is_left_out(lake: Lake, tmp_path: Path) -> None:
    lake.erase("Patient/pat-other-0001", reason=REASON)
    load_lines(lake, tmp_path, group("grp-a", GONE, "pat-other-0001"), group("grp-b", "pat-other-0001", OTHER, GONE))
    assert {one for kind, one in exported(lake) if kind == "Group"} == {"grp-b"}


def test_deletions_and_rejected_lines_do_not_name_the_patient_again(lake: Lake, tmp_path: Path) -> None:
    entries = [{"request": {"method": "DELETE", "url": f"Patient/{one}"}} for one in (GONE, "pat-other-0002")]
    deleted = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    write_lines(tmp_path / "export" / "deleted.ndjson", [deleted])
    write_lines(tmp_path / "export" / "Patient.ndjson", [other_patient(3, 8), reject(GONE)])
    manifest = {"transactionTime": "2026-06-01T00:00:00Z", "output": [{"type": "Patient", "url": "Patient.ndjson"}]}
    manifest["deleted"] = [{"type": "Bundle", "url": "deleted.ndjson"}]
    (tmp_path / "export" / "manifest.json").write_text(json.dumps(manifest))
    result = lake.load(tmp_path / "export", max_rejects=1.0)
    assert result.suppressed["suppressed"] == {"dropped": {}, "shared": {}, "deletions": 1, "rejects": 1}
    assert ("Patient", "pat-other-0002") not in exported(lake)
    assert [one.raw for one in lake.rejects()] == [b""]
    assert lake.delete(f"Patient/{GONE}").deletions == 1
    assert left(lake) == []


def test_a_lifted_patient_comes_back_with_the_same_files(lake: Lake, tmp_path: Path) -> None:
    path = write_lines(tmp_path / "again.ndjson", compartment())
    assert lake.load(path).total("suppressed") == 7
    (entry,) = lake.suppressed()
    assert (entry.request_id, entry.since, GONE in repr(entry)) == ("D-17", entry.since, False)
    record = lake.lift(f"Patient/{GONE}", reason="the wrong person")
    assert (record.kind, record.statement["reason"]) == ("lift", "the wrong person")
    assert lake.suppressed() == []
    assert lake.load(path).total("inserted") == 0
    assert lake.load(path, again=True).total("inserted") == 7
    assert lake.verify().sound
    assert lake.erase(f"Patient/{GONE}", reason=REASON).complete
    assert len(lake.suppressed()) == 1
    assert left(lake) == []


@pytest.mark.parametrize(
    ("key", "reason", "code"),
    [
        (f"Patient/{OTHER}", "x", "not_suppressed"),
        ("Observation/1", "x", "bad_patient"),
        (f"Patient/{GONE}", " ", "no_reason"),
        (f"Patient/{GONE}", f"{GONE} is back", "identifying_reason"),
    ],
)
def test_what_is_not_lifted(lake: Lake, key: str, reason: str, code: str) -> None:
    with pytest.raises(InputError) as caught:
        lake.lift(key, reason=reason)
    assert (caught.value.code, GONE in str(caught.value), len(lake.suppressed())) == (code, False, 1)


def test_the_key_is_the_tenants_own(lake: Lake, tmp_path: Path) -> None:
    other = Lake.open(lake.uri, tenant="other")
    load_lines(other, tmp_path, *gone_lines())
    other.erase(f"Patient/{GONE}", reason=REASON)
    (one,), (two,) = lake.suppressed(), other.suppressed()
    assert one.digest != two.digest


def test_verify_misses_the_list_and_a_load_its_key(lake: Lake, tmp_path: Path) -> None:
    folder = Path(lake.uri) / "tenants/default/suppressed"
    names = sorted(f"tenants/default/suppressed/{path.name}" for path in folder.iterdir())
    assert len(names) == 2
    (folder / "key.json").unlink()
    with pytest.raises(StorageError) as caught:
        load_lines(lake, tmp_path, gone_patient())
    assert caught.value.code == "missing_file"
    for path in folder.iterdir():
        path.unlink()
    assert lake.verify().missing == names


def test_without_a_list_nothing_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> None:
        raise AssertionError

    monkeypatch.setattr(Suppression, "_kept", refuse)
    monkeypatch.setattr(suppressed_module, "_key", refuse)
    lake = Lake.open(tmp_path / "lake")
    result = load_lines(lake, tmp_path, *gone_lines(), reject(GONE))
    assert (result.suppressed, "suppressed" in result.statement) == ({}, False)


def test_an_erasure_between_plan_and_commit_of_a_load_counts(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, listed = TableChanges.commit, []

    def list_first(changes: TableChanges, *covers: Any) -> None:
        if not listed:  # as an erasure does before it changes anything
            listed.append(suppress(lake._tenant, "pat-other-0002", "20270101T000000Z-0000", "2027-01-01", ""))
        commit(changes, *covers)

    monkeypatch.setattr(TableChanges, "commit", list_first)
    condition = {"resourceType": "Condition", "id": "c", "subject": {"reference": "Patient/pat-other-0002"}}
    result = load_lines(lake, tmp_path, condition, observation("obs-late", OTHER))
    assert result.counts["Condition"].suppressed == 1
    assert ("Condition", "c") not in exported(lake)
    assert ("Observation", "obs-late") in exported(lake)


def test_a_load_that_begins_beside_an_erasure_stops_it(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = lake._tenant
    begun = Intent("20270101T000000Z-0001", "load", "2027-01-01T00:00:00+00:00", ("x",))

    def suppress_late(*arguments: Any) -> dict[str, str]:
        open_intent(tenant, begun)
        return suppress(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(erase_module, "suppress", suppress_late)
        with pytest.raises(InputError) as caught:
            lake.erase("Patient/pat-other-0002", reason=REASON)
    assert caught.value.code == "unfinished_operations"
    assert ("Patient", "pat-other-0002") in exported(lake)
    tenant.store.remove(f"{tenant.ledger_path}/open/{begun.id}.json")
    receipt = lake.erase("Patient/pat-other-0002", reason=REASON)
    assert (receipt.resumed, receipt.complete, len(lake.suppressed())) == (True, True, 2)
