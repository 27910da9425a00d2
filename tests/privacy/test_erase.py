"""Erasure and portability: what they say, what they refuse, how they end where somebody interrupts them."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lacustre import Lake
from lacustre.errors import InputError
from lacustre.privacy import erase as erase_module
from lacustre.privacy.proof import prove
from lacustre.privacy.receipt import receipts
from lacustre.privacy.subject import find_subject
from lacustre.store.ledger import intents
from lacustre.store.scan import connect
from lacustre.views.catalog import starter_views
from support.lake_content import exported
from support.loading import load_lines
from support.lossless import by_key, parse_exactly, read_lines
from support.two_patients import (
    GONE,
    OTHER,
    files_below,
    gone_lines,
    group,
    observation,
    other_lines,
    other_patient,
    reject,
    traces,
    without,
)

REASON = "RGPD, article 17"


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    monkeypatch.setenv("LACUSTRE_CACHE", str(tmp_path / "cache"))
    lake = Lake.open(tmp_path / "lake")
    load_lines(lake, tmp_path, *gone_lines(), *other_lines(), group("grp-gone-1", OTHER, GONE), reject(GONE))
    return lake


def left(lake: Lake) -> list[str]:
    return traces(files_below(Path(lake.uri)))


def test_the_receipt_counts_and_names_nobody(lake: Lake) -> None:
    receipt = lake.erase(f"Patient/{GONE}", reason=REASON, request_id="D-2026-17")
    assert receipt.erased["fhir/Observation"] == {"own": 5}
    assert receipt.erased["fhir/Group"] == {"shared": 1}
    assert receipt.erased["fhir/List"] == {"mentions": 1}
    assert receipt.erased["rejects"] == {"own": 1}
    assert receipt.proof is not None
    assert receipt.proof["tokens"] > 10
    assert receipt.proof["files"] > 10
    (kept,) = receipts(lake._tenant)
    assert kept == receipt
    assert (kept.reason, kept.request_id, kept.complete, kept.resumed) == (REASON, "D-2026-17", True, False)
    record = lake.record()
    assert (record.kind, record.covers, record.kept_from) == ("erase", (), record.number - 1)
    assert [one.kind for one in lake.history()] == ["erase", "forget"]
    assert record.statement == {"receipt": f"receipts/{receipt.id}.json", "complete": True}
    assert not intents(lake._tenant)


def test_a_load_after_it_works(lake: Lake, tmp_path: Path) -> None:
    lake.erase(f"Patient/{GONE}", reason=REASON)
    load_lines(lake, tmp_path, other_patient(0, 9), observation("obs-new", OTHER))
    assert left(lake) == []
    assert ("Observation", "obs-new") in exported(lake)


def test_mentions_may_stay_and_then_nothing_is_claimed(lake: Lake) -> None:
    receipt = lake.erase(f"Patient/{GONE}", reason=REASON, keep_mentions=True)
    assert not receipt.complete
    assert "fhir/List" not in receipt.erased
    assert ("List", "lst-gone-1") in exported(lake)
    assert receipt.proof is not None
    assert [name.split("/")[1] for name in receipt.proof["hits"]] == ["List"]


def test_a_reference_in_text_in_unknown_members_and_of_a_version_is_a_mention(lake: Lake, tmp_path: Path) -> None:
    base = {"resourceType": "Basic", "code": {"text": "x"}}
    load_lines(
        lake,
        tmp_path,
        {**base, "id": "gone-a", "text": {"status": "additional", "div": f"<div>see Patient/{GONE}.</div>"}},
        {**base, "id": "gone-b", "unknown": {"deep": [f"https://ehr.example/fhir/Patient/{GONE}"]}},
        {**base, "id": "gone-c", "author": {"reference": "https://ehr.example/Observation/obs-gone-1/_history/2"}},
        {**base, "id": "gone-d", "author": {"identifier": {"value": "8001234567"}}},
        {**base, "id": "kept-a", "text": {"status": "additional", "div": f"<div>see Patient/{GONE}0</div>"}},
        {**base, "id": "kept-b", "author": {"reference": "Observation/obs-gone-10"}},
    )
    receipt = lake.erase(f"Patient/{GONE}", reason=REASON)
    assert receipt.erased["fhir/Basic"] == {"mentions": 4}
    assert {one for kind, one in exported(lake) if kind == "Basic"} == {"kept-a", "kept-b"}
    assert receipt.complete


@pytest.mark.parametrize(
    ("key", "reason", "code"),
    [
        ("Patient/nobody", REASON, "no_such_patient"),
        ("Observation/obs-1", REASON, "bad_patient"),
        (GONE, REASON, "bad_patient"),
        (f"Patient/{GONE}", " ", "no_reason"),
        (f"Patient/{GONE}", f"asked for by {GONE}", "identifying_reason"),
        (f"Patient/{GONE}", "asked for by ZUBERBUHLER Jean", "identifying_reason"),
    ],
)
def test_what_is_refused_changes_nothing(lake: Lake, key: str, reason: str, code: str) -> None:
    before = sorted(files_below(Path(lake.uri)))
    with pytest.raises(InputError) as caught:
        lake.erase(key, reason=reason)
    assert caught.value.code == code
    assert GONE not in str(caught.value)
    assert sorted(files_below(Path(lake.uri))) == before


class Stop(BaseException):
    """What a kill is to the code that it meets."""


@pytest.mark.parametrize("step", ["_take_out", "_erase_raw", "_remove_old", "_remove_staged", "_prove"])
def test_what_was_interrupted_is_completed_by_the_same_call(
    lake: Lake, step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.build_views("patient", "observation", definitions=starter_views())
    before = exported(lake)

    def stop(*_arguments: object) -> None:
        raise Stop

    with monkeypatch.context() as patched:
        patched.setattr(erase_module._Erasure, step, stop)
        with pytest.raises(Stop):
            lake.erase(f"Patient/{GONE}", reason=REASON)
    (intent,) = intents(lake._tenant)
    assert GONE not in repr(intent)
    receipt = lake.erase(f"Patient/{GONE}", reason=REASON)
    assert (receipt.id, receipt.resumed, receipt.complete) == (intent.id, True, True)
    assert left(lake) == []
    assert exported(lake) == without(before)
    assert (lake.record().state, intents(lake._tenant)) == ("published", [])


def test_an_unfinished_load_has_to_be_accepted(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_arguments: object) -> None:
        raise Stop

    with monkeypatch.context() as patched:
        patched.setattr("lacustre.store.table_changes.TableChanges.commit", stop)
        with pytest.raises(Stop):
            load_lines(lake, tmp_path, observation("obs-gone-x", GONE))
    with pytest.raises(InputError) as caught:
        lake.erase(f"Patient/{GONE}", reason=REASON)
    assert caught.value.code == "unfinished_operations"
    assert lake.erase(f"Patient/{GONE}", reason=REASON, unfinished=True).complete
    assert left(lake) == []


@pytest.mark.parametrize(
    "place",
    ["fhir/Observation/lake_shard=0/canary.parquet", "views/v/b/canary.parquet", "ledger/canary.json", "x/c.ndjson.gz"],
)
def test_the_proof_finds_a_planted_canary(lake: Lake, place: str) -> None:
    with connect(lake._tenant.store) as connection:
        subject = find_subject(lake._tenant, connection, GONE)
    lake.erase(f"Patient/{GONE}", reason=REASON)
    assert prove(lake._tenant, subject).holds
    target = Path(lake.uri) / "tenants/default" / place
    target.parent.mkdir(parents=True, exist_ok=True)
    if place.endswith(".parquet"):
        nested = [{"a": [{"b": f"see https://x.example/Patient/{GONE}"}]}]
        pq.write_table(pa.table({"c": pa.array([None, *nested])}), target, write_statistics=False)
    else:
        text = b'{"subject": {"reference": "Patient\\/%s"}}' % GONE.encode()
        target.write_bytes(gzip.compress(text) if place.endswith(".gz") else text)
    assert list(prove(lake._tenant, subject).hits) == [place]


@pytest.mark.parametrize("value", [pa.array([0]), pa.array(["ZUBERBUHLER Jean"]), pa.array([b"tel +33612345699"])])
def test_the_proof_finds_the_key_the_name_and_the_telephone(lake: Lake, value: pa.Array) -> None:
    with connect(lake._tenant.store) as connection:
        subject = find_subject(lake._tenant, connection, GONE)
    lake.erase(f"Patient/{GONE}", reason=REASON)
    if value.type == pa.int64():
        value = pa.array([subject.tokens.patient_key])
    pq.write_table(pa.table({"v": value}), Path(lake.uri) / "tenants/default/canary.parquet")
    assert list(prove(lake._tenant, subject).hits) == ["canary.parquet"]


def test_what_others_have_too_is_left_out_and_found_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LACUSTRE_CACHE", str(tmp_path / "cache"))
    lake = Lake.open(tmp_path / "lake")
    one = other_patient(1) | {"id": "1"}
    load_lines(lake, tmp_path, one, other_patient(1), observation("o-1", "1"), observation("o-2", "10"))
    receipt = lake.erase("Patient/1", reason=REASON)
    assert receipt.complete
    assert receipt.proof is not None
    assert receipt.proof["left_out"] == 8
    assert {one for _, one in exported(lake)} == {"pat-other-0001", "o-2"}


def test_portability_gives_the_compartment_as_it_was_loaded(lake: Lake, tmp_path: Path) -> None:
    wanted = {key: resource for key, resource in exported(lake).items() if "gone" in key[1] or key[1] == GONE}
    del wanted["List", "lst-gone-1"]
    found = lake.portability(f"Patient/{GONE}", tmp_path / "folder")
    lines = [line for path in (tmp_path / "folder").iterdir() for line in read_lines(path)]
    assert by_key(lines) == wanted
    assert found.counts == {"Encounter": 1, "Group": 1, "Observation": 5, "Patient": 1}
    lake.portability(f"Patient/{GONE}", tmp_path / "all.json")
    bundle = parse_exactly((tmp_path / "all.json").read_bytes())
    resources = [entry["resource"] for entry in bundle["entry"]]
    assert bundle["type"] == "collection"
    assert {(one["resourceType"], one["id"]): one for one in resources} == wanted


def test_portability_refuses_a_taken_place_and_nobody(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "taken.json").write_text("{}")
    for key, place, code in [
        (f"Patient/{GONE}", "taken.json", "place_taken"),
        ("Patient/no", "new", "no_such_patient"),
    ]:
        with pytest.raises(InputError) as caught:
            lake.portability(key, tmp_path / place)
        assert caught.value.code == code
    assert (tmp_path / "taken.json").read_text() == "{}"
