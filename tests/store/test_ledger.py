"""The ledger: one record a finished operation, what is unfinished is known, readers can pin a version."""

from __future__ import annotations

import json
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from lacustre import Lake
from lacustre.errors import InputError, QualityError, StorageError
from lacustre.store import load as load_module
from lacustre.store.ledger import Reason, Record, append_record, intents, published
from lacustre.store.load import LoadOptions, load_source
from lacustre.store.reading import StoredFile
from lacustre.store.sealed import seal, unseal
from lacustre.store.table_write import TableWrite
from support.loading import load_lines, versions, write_lines


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(tmp_path / "lake")


def patient(name: str, gender: str = "male") -> dict[str, Any]:
    return {"resourceType": "Patient", "id": name, "gender": gender}


def ledger_folder(tmp_path: Path) -> Path:
    return tmp_path / "lake/tenants/default/ledger"


def test_a_record_for_each_operation_that_did_something(lake: Lake, tmp_path: Path) -> None:
    source = write_lines(tmp_path / "a.ndjson", [patient("a"), patient("b"), "bad"])
    first = lake.load(source, max_rejects=1.0)
    again = lake.load(source, max_rejects=1.0)
    lake.delete("Patient/a")
    newest, oldest = lake.history()
    assert (oldest.number, oldest.kind, oldest.id, oldest.state) == (1, "load", first.load, "published")
    assert oldest.counts["Patient"]["inserted"] == 2
    assert (newest.number, newest.kind, newest.counts["Patient"]["deleted"]) == (2, "delete", 1)
    assert (first.version, again.version) == (1, None)
    record = ledger_folder(tmp_path) / "0000000001.json"
    assert newest.previous == sha256(record.read_bytes()).hexdigest()
    assert not list((ledger_folder(tmp_path) / "open").iterdir())


def test_the_same_file_has_its_effect_once(lake: Lake, tmp_path: Path) -> None:
    one, two = (write_lines(tmp_path / f"{g}.ndjson", [patient("a", g), "bad"]) for g in ("male", "female"))
    lake.load(one, max_rejects=1.0)
    lake.load(two, max_rejects=1.0)
    before = versions(lake)
    result = lake.load(one, max_rejects=1.0)
    counts = [result.total(name) for name in ("read", "unchanged", "rejected", "updated")]
    assert (counts, len(result.skipped), versions(lake)) == ([2, 1, 1, 0], 1, before)
    assert lake.load(one, max_rejects=1.0, again=True).total("updated") == 1


def test_the_same_bytes_in_a_later_export_are_loaded(lake: Lake, tmp_path: Path) -> None:
    for day, gender in ((1, "male"), (2, "female"), (3, "male")):
        write_lines(tmp_path / f"{day}/p.ndjson", [patient("a", gender)])
        manifest = {"transactionTime": f"2026-01-0{day}T00:00:00Z", "output": [{"type": "Patient", "url": "p.ndjson"}]}
        (tmp_path / f"{day}/manifest.json").write_text(json.dumps(manifest))
        lake.load(tmp_path / str(day))
    assert lake.sql("SELECT gender FROM fhir.Patient").fetchall() == [("male",)]


def test_a_clock_that_is_late_does_not_disturb_the_order(lake: Lake, tmp_path: Path) -> None:
    load_lines(lake, tmp_path, patient("a"))
    first = next(iter(lake.history()))
    late = Record("late", "load", "2020-01-01T00:00:00.000+00:00", "2020-01-01T00:00:01.000+00:00")
    append_record(lake._tenant, late)
    newest, oldest = lake.history()
    assert (newest.number, newest.finished, oldest) == (2, first.finished, first)


def test_publishing_while_a_load_runs_does_not_publish_what_it_does_next(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    between: list[Record] = []
    commit = TableWrite.commit

    def publish_after_the_first(write: TableWrite) -> list[StoredFile]:
        done = commit(write)
        if not between:
            between.append(lake.publish("somebody could not wait", unfinished=True))
        else:
            assert [intent.kind for intent in intents(lake._tenant)] == ["load"]
        return done

    monkeypatch.setattr(TableWrite, "commit", publish_after_the_first)
    load_lines(lake, tmp_path, patient("a"), {"resourceType": "Encounter", "id": "e", "status": "finished"})
    (half,) = between
    assert (half.state, sorted(half.tables)) == ("published", ["fhir/Encounter"])
    assert next(iter(lake.history())).state == "published"
    assert intents(lake._tenant) == []


def test_a_lake_of_the_past(lake: Lake, tmp_path: Path) -> None:
    load_lines(lake, tmp_path, patient("a"))
    load_lines(lake, tmp_path, patient("b"), {"resourceType": "Encounter", "id": "e", "status": "finished"})
    lake.delete("Patient/a")
    counts = [lake.at(n).sql("SELECT string_agg(id ORDER BY id) FROM fhir.Patient").fetchall() for n in (1, 2, 3)]
    assert counts == [[("a",)], [("a,b",)], [("b",)]]
    assert [table.name for table in lake.at(1).tables()] == ["Patient"]
    second = next(record for record in lake.history() if record.number == 2)
    assert lake.at(datetime.fromisoformat(second.finished)).tables() == lake.at(2).tables()
    with pytest.raises(InputError, match="no_such_version"):
        lake.at(9)
    with pytest.raises(InputError, match="no_such_version"):
        lake.at(datetime.fromisoformat("2020-01-01T00:00:00+00:00"))


def crash(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_what_is_unfinished_is_known_and_holds_later_loads(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_lines(lake, tmp_path, patient("a"))
    source = write_lines(tmp_path / "half.ndjson", [patient("b")])
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(load_module, "add_loaded", crash)
        lake.load(source)
    (intent,) = intents(lake._tenant)
    held = load_lines(lake, tmp_path, patient("c"))
    assert (held.state, [reason.code for reason in held.holds]) == ("held", ["unfinished"])
    assert [reason.operation for reason in held.holds] == [intent.id]
    good = published(lake._tenant)
    assert good is not None
    assert good.number == 1
    again = lake.load(source)
    assert (again.state, again.total("unchanged"), intents(lake._tenant)) == ("published", 1, [])


def test_a_hold_lasts_until_it_is_released(lake: Lake, tmp_path: Path) -> None:
    def judge(*_: object) -> tuple[dict[str, int], list[Reason]]:
        return {"references": 7}, [Reason("too_few", "x", "2 of 3")]

    source = write_lines(tmp_path / "a.ndjson", [patient("a")])
    first = load_source(lake._tenant, [str(source)], LoadOptions(judge=judge))
    assert (first.state, first.statement) == ("held", {"references": 7})
    assert load_lines(lake, tmp_path, patient("b")).state == "held"
    assert published(lake._tenant) is None


@pytest.mark.parametrize("position", range(0, 400, 7))
def test_a_flipped_bit_of_a_record_is_found(lake: Lake, tmp_path: Path, position: int) -> None:
    data = bytearray(seal({"number": 1, "text": "é" * 90, "list": [1.5, None, {"a": "b"}], "more": "x" * 200}))
    assert seal(unseal(bytes(data), "p")) == data
    data[position % len(data)] ^= 1 << (position % 8)
    with pytest.raises(StorageError, match=r"damaged_file: p is damaged"):
        unseal(bytes(data), "p")


def test_a_part_of_an_interrupted_load_that_is_loaded_alone_does_not_hide_it(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = (write_lines(tmp_path / f"{name}.ndjson", [patient(name)]) for name in "ab")
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(load_module, "add_loaded", crash)
        lake.load(one, two)
    assert lake.load(one).state == "held"
    assert lake.load(two).state == "held"
    finished = lake.load(one, two)
    assert (finished.state, finished.total("unchanged"), intents(lake._tenant)) == ("published", 2, [])


def test_no_view_is_built_of_half_a_first_load(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(load_module, "add_loaded", crash)
        load_lines(lake, tmp_path, patient("a"))
    with pytest.raises(QualityError, match="nothing_published"):
        lake.build_views("patient")


def test_the_past_cannot_be_changed(lake: Lake, tmp_path: Path) -> None:
    load_lines(lake, tmp_path, patient("a"))
    with pytest.raises(InputError, match="read_only"):
        lake.at(1).delete("Patient/a")
    with pytest.raises(InputError, match="read_only"):
        load_lines(lake.at(1), tmp_path, patient("b"))
    assert not intents(lake._tenant)


def test_a_repeated_load_says_that_the_lake_is_held(lake: Lake, tmp_path: Path) -> None:
    source = write_lines(tmp_path / "a.ndjson", [patient("a")])
    options = LoadOptions(judge=lambda *_: ({}, [Reason("too_few", "x", "2 of 3")]))
    for _ in range(2):
        assert load_source(lake._tenant, [str(source)], options).state == "held"
