"""Deletes: from exports, Bundles, keys and the command; an older copy never comes back, a newer one does."""

from __future__ import annotations

import itertools
import json
import random
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from lacustre import Lake
from lacustre.cli.loads import delete as delete_command
from lacustre.errors import InputError
from support.loading import load_lines, versions, write_lines


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(tmp_path / "lake")


def patient(name: str, day: int | None, gender: str = "male") -> dict[str, Any]:
    meta = {} if day is None else {"meta": {"lastUpdated": f"2026-01-{day:02d}T00:00:00Z"}}
    return {"resourceType": "Patient", "id": name, "gender": gender, **meta}


def deletion(*keys: str, day: int | None = None, method: str = "DELETE") -> dict[str, Any]:
    entries = [{"request": {"method": method, "url": key}} for key in keys]
    stamp = {} if day is None else {"timestamp": f"2026-01-{day:02d}T00:00:00Z"}
    return {"resourceType": "Bundle", "type": "transaction", **stamp, "entry": entries}


def export(folder: Path, day: int, output: Sequence[Any] = (), deleted: Sequence[Any] = ()) -> Path:
    """An export of a day, with a manifest."""
    manifest: dict[str, Any] = {"transactionTime": f"2026-01-{day:02d}T00:00:00Z", "output": [], "deleted": []}
    for member, lines in (("output", output), ("deleted", deleted)):
        if lines:
            write_lines(folder / f"{member}.ndjson", lines)
            manifest[member].append({"type": "Patient", "url": f"{member}.ndjson", "count": len(lines)})
    folder.mkdir(exist_ok=True)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def genders(lake: Lake) -> dict[str, str]:
    if not lake.tables():
        return {}
    return dict(lake.sql("SELECT id, gender FROM fhir.Patient").fetchall())


def test_the_deleted_files_of_an_export(lake: Lake, tmp_path: Path) -> None:
    lake.load(export(tmp_path / "a", 5, [patient("a", 1), patient("b", 2), patient("c", 3)]))
    result = lake.load(export(tmp_path / "b", 8, [patient("c", 6, "female")], [deletion("Patient/a", "Patient/zz")]))
    assert (result.total("deleted"), result.total("updated"), result.deletions) == (1, 1, 2)
    assert genders(lake) == {"b": "male", "c": "female"}


def test_an_older_copy_does_not_come_back_and_a_newer_one_does(lake: Lake, tmp_path: Path) -> None:
    load_lines(lake, tmp_path, patient("a", 1))
    lake.load(export(tmp_path / "b", 8, deleted=[deletion("Patient/a")]))
    result = load_lines(lake, tmp_path, patient("a", 7, "other"))
    assert (result.total("superseded"), genders(lake)) == (1, {})
    load_lines(lake, tmp_path, patient("a", 8, "other"))
    assert genders(lake) == {}
    assert load_lines(lake, tmp_path, patient("a", 9, "female")).total("inserted") == 1
    assert genders(lake) == {"a": "female"}


def test_a_deletion_that_comes_before_its_resource(lake: Lake, tmp_path: Path) -> None:
    lake.load(export(tmp_path / "b", 8, deleted=[deletion("Patient/a")]))
    load_lines(lake, tmp_path, patient("a", 7), patient("b", 7))
    assert genders(lake) == {"b": "male"}


def test_delete_entries_of_a_transaction_bundle(lake: Lake, tmp_path: Path) -> None:
    load_lines(lake, tmp_path, patient("a", 1), patient("b", 1))
    bundle = deletion("Patient/a", day=3)
    bundle["entry"].append({"request": {"method": "PUT", "url": "Patient/c"}, "resource": patient("c", 2)})
    (tmp_path / "bundle.json").write_text(json.dumps(bundle, indent=1))
    result = lake.load(tmp_path / "bundle.json")
    assert (result.total("deleted"), result.total("inserted"), genders(lake)) == (1, 1, {"b": "male", "c": "male"})


def test_a_delete_entry_never_brings_the_resource_that_it_carries(lake: Lake, tmp_path: Path) -> None:
    load_lines(lake, tmp_path, patient("a", 1))
    entry = {"resource": patient("a", 2), "request": {"method": "DELETE", "url": "Patient/a"}}
    (tmp_path / "history.json").write_text(json.dumps({"resourceType": "Bundle", "type": "history", "entry": [entry]}))
    lake.load(tmp_path / "history.json")
    assert genders(lake) == {}


def test_when_an_entry_says_when(lake: Lake, tmp_path: Path) -> None:
    bundle = deletion("Patient/a", day=9)
    bundle["entry"][0]["response"] = {"lastModified": "2026-01-03T00:00:00Z"}
    lake.load(export(tmp_path / "b", 9, deleted=[bundle]))
    load_lines(lake, tmp_path, patient("a", 4))
    assert genders(lake) == {"a": "male"}


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("{", "not_json"),
        ({"resourceType": "Patient", "id": "a"}, "no_deletion"),
        (deletion("Patient/a", method="PUT"), "no_deletion"),
        (deletion("Patient?identifier=1"), "no_key"),
        (deletion("Patientt/a"), "unknown_resource_type"),
        ({"resourceType": "Bundle", "entry": {}}, "no_deletion"),
        ({"resourceType": "Bundle", "entry": [3]}, "no_deletion"),
        ("[]", "no_deletion"),
    ],
)
def test_what_cannot_be_deleted_is_rejected_and_counted(lake: Lake, tmp_path: Path, line: Any, code: str) -> None:
    load_lines(lake, tmp_path, patient("a", 1))
    result = lake.load(export(tmp_path / "b", 8, deleted=[line]), max_rejects=1.0)
    assert (dict(result.reasons), result.total("deleted")) == ({code: 1}, 0)
    assert genders(lake) == {"a": "male"}
    assert lake.sql("SELECT file, line, reason FROM lake.rejects").fetchall() == [("deleted.ndjson", 1, code)]


def test_the_command_deletes_keys_here_and_in_a_file(lake: Lake, tmp_path: Path) -> None:
    load_lines(lake, tmp_path, *(patient(name, 5) for name in "abcd"))
    keys = tmp_path / "keys.txt"
    keys.write_text("# what left\n\nPatient/b\nPatient/c 2026-01-02T00:00:00Z\n")
    result = lake.delete("Patient/a", key_file=keys)
    assert (result.total("deleted"), genders(lake)) == (2, {"c": "male", "d": "male"})
    before = versions(lake)
    assert lake.delete("Patient/a").total("deleted") == 0
    assert versions(lake) == before


@pytest.mark.parametrize("key", ["a", "Patient", "Patient/", "Patientt/a", "Patient/a b c", "Patient?x=1"])
def test_a_bad_key_deletes_nothing(lake: Lake, tmp_path: Path, key: str) -> None:
    load_lines(lake, tmp_path, patient("a", 1))
    with pytest.raises(InputError, match="bad_key"):
        lake.delete("Patient/a", key)
    assert genders(lake) == {"a": "male"}
    with pytest.raises(InputError, match="nothing_to_delete"):
        lake.delete()


@pytest.mark.parametrize("seed", range(6))
def test_any_order_split_and_replay_ends_the_same(tmp_path: Path, seed: int) -> None:
    """The lake equals a slow model, whatever order versions and deletions come in and however often."""
    choose = random.Random(seed)
    days = choose.sample(range(1, 28), 12)
    events = [(choose.choice("abc"), day, choose.random() < 0.4) for day in days]
    newest = {name: max((day, gone) for who, day, gone in events if who == name) for name in {e[0] for e in events}}
    expected = {name: f"g{day}" for name, (day, gone) in newest.items() if not gone}
    replayed = events + choose.sample(events, 5)
    choose.shuffle(replayed)
    lake, at = Lake.open(tmp_path / "lake"), 0
    while at < len(replayed):
        part = replayed[at : at + choose.randrange(1, 5)]
        output = [patient(who, day, f"g{day}") for who, day, gone in part if not gone]
        deleted = [deletion(f"Patient/{who}", day=day) for who, day, gone in part if gone]
        lake.load(export(tmp_path / f"e{at}", 28, output, deleted), shards=None if at else 2)
        at += len(part)
    assert genders(lake) == expected, f"seed {seed}"


def test_an_update_that_moves_a_resource_leaves_nothing_behind(lake: Lake, tmp_path: Path) -> None:
    def observation(subject: str, day: int) -> dict[str, Any]:
        meta = {"lastUpdated": f"2026-01-{day:02d}T00:00:00Z"}
        return {"resourceType": "Observation", "id": "o", "meta": meta, "subject": {"reference": f"Patient/{subject}"}}

    for day, subject in enumerate(map(str, range(8)), 1):
        load_lines(lake, tmp_path, observation(subject, day), shards=4 if day == 1 else None)
    assert lake.sql("SELECT lake_patient FROM fhir.Observation").fetchall() == [("7",)]
    snapshot = lake._tenant.fhir_table("Observation").snapshot()
    assert snapshot is not None
    assert [file.rows for file in snapshot.files] == [1]


def test_versions_are_compared_as_instants_and_numbers(lake: Lake, tmp_path: Path) -> None:
    stamps = ["2026-01-01T00:30:00+01:00", "2025-12-31T23:00:00Z", "2026-01-01T00:00:00.5+01:00"]
    for order in itertools.permutations(enumerate(stamps)):
        for number, stamp in order:
            load_lines(lake, tmp_path, patient("a", None, f"g{number}") | {"meta": {"lastUpdated": stamp}})
        assert genders(lake) == {"a": "g0"}


@pytest.mark.parametrize("spoilt", ['"x":NaN', '"x":"\\ud800"', '"x":'])
def test_a_bundle_that_cannot_be_read_as_a_whole(lake: Lake, tmp_path: Path, spoilt: str) -> None:
    load_lines(lake, tmp_path, patient("a", 1), patient("b", 1))
    entries = json.dumps(deletion("Patient/a")["entry"])[:-1]
    (tmp_path / "bundle.json").write_text(f'{{"resourceType":"Bundle","entry":{entries},{{{spoilt}}}]}}')
    result = lake.load(tmp_path / "bundle.json", max_rejects=1.0)
    assert (result.total("rejected"), genders(lake)) == (1, {"b": "male"})


def test_a_line_of_deletions_counts_as_a_whole(lake: Lake, tmp_path: Path) -> None:
    load_lines(lake, tmp_path, patient("a", 1))
    result = lake.load(export(tmp_path / "b", 8, deleted=[deletion("Patient/a", "nothing")]), max_rejects=1.0)
    assert (result.total("rejected"), genders(lake)) == (1, {"a": "male"})


def test_a_document_of_deletions_brings_no_resource(lake: Lake, tmp_path: Path) -> None:
    folder = export(tmp_path / "b", 8)
    bundle = deletion("Patient/a")
    bundle["entry"].append({"resource": patient("c", 2)})
    (folder / "deleted.json").write_text(json.dumps(bundle, indent=1))
    manifest = {"transactionTime": "2026-01-08T00:00:00Z", "output": [], "deleted": [{"url": "deleted.json"}]}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    result = lake.load(folder, max_rejects=1.0)
    assert (dict(result.reasons), result.deletions, genders(lake)) == ({"no_deletion": 1}, 1, {})


def test_a_time_without_a_zone_is_the_tenants(lake: Lake, tmp_path: Path) -> None:
    load_lines(lake, tmp_path, {**patient("a", None), "meta": {"lastUpdated": "2026-01-01T11:30:00Z"}})
    lake.delete("Patient/a", at=datetime(2026, 1, 1, 12, 0))  # eleven o'clock in UTC
    assert genders(lake) == {"a": "male"}
    lake.delete("Patient/a", at=datetime(2026, 1, 1, 13, 0))
    assert genders(lake) == {}


def test_the_command_takes_a_time_without_a_zone_as_the_tenants(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_lines(lake, tmp_path, {**patient("a", None), "meta": {"lastUpdated": "2026-01-01T11:30:00Z"}})
    app = typer.Typer()
    app.command()(delete_command)
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        for instant, left in (("2026-01-01T12:00", 1), ("2026-01-01T13:00", 0)):
            ended = CliRunner().invoke(app, ["Patient/a", "--at", instant, "--lake", lake.uri])
            assert ended.exit_code == 0
            assert len(genders(lake)) == left
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_file_of_keys_may_begin_with_a_byte_order_mark(lake: Lake, tmp_path: Path) -> None:
    load_lines(lake, tmp_path, patient("a", 1), patient("b", 1))
    keys = tmp_path / "keys.txt"
    keys.write_bytes("\ufeffPatient/a\r\n".encode())
    assert lake.delete(key_file=keys).total("deleted") == 1
    assert genders(lake) == {"b": "male"}
