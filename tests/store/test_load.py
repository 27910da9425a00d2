"""A load that fails leaves the tables as they were; one that is repeated leaves them too."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from lacustre import Lake
from lacustre.errors import QualityError, StorageError
from lacustre.fhir.references import patient_key
from lacustre.store import chunk_reader, load
from support.loading import load_lines, versions, write_lines


def patient(identifier: str, gender: str = "male") -> dict[str, Any]:
    return {"resourceType": "Patient", "id": identifier, "gender": gender}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(tmp_path / "lake")


def data_files(lake: Lake) -> set[Path]:
    return {path for path in Path(lake.uri).rglob("*.parquet") if "_delta_log" not in path.parts}


def test_a_failure_at_the_last_table_leaves_the_first_as_it_was(lake: Lake, tmp_path: Path) -> None:
    in_shard = {patient_key("default", name) & 1: name for name in map(str, range(20))}
    load_lines(lake, tmp_path, patient(in_shard[0]), {"resourceType": "Encounter", "id": "e"}, shards=2)
    before = versions(lake), data_files(lake)
    obstacle = tmp_path / "lake/tenants/default/fhir/Patient/lake_shard=1"
    obstacle.write_text("a file where a folder is needed")
    lines = [patient(in_shard[1]), patient(in_shard[0], "female"), {"resourceType": "Encounter", "id": "f"}, "bad"]
    with pytest.raises(StorageError, match="storage_failed"):
        load_lines(lake, tmp_path, *lines)
    assert (versions(lake), data_files(lake)) == before
    obstacle.unlink()
    result = load_lines(lake, tmp_path, *lines)
    assert [result.total(name) for name in ("inserted", "updated", "rejected")] == [2, 1, 1]


def test_files_of_one_name_in_several_folders(lake: Lake, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in "abc"]
    for folder in folders:
        write_lines(folder / "Patient.ndjson", [patient("x", folder.name)])
    lake.load(*folders, processes=1)
    before = versions(lake)
    for order in (folders, folders[::-1], [folders[1], folders[2], folders[0]]):
        result = lake.load(*order, processes=1, again=True)
        assert [result.total(name) for name in ("unchanged", "superseded")] == [1, 2]
    assert versions(lake) == before
    ((gender, file),) = lake.sql("SELECT gender, lake_source.file FROM fhir.Patient").fetchall()
    assert (gender, file) == ("c", str(folders[2] / "Patient.ndjson"))


def test_what_is_not_fhir_at_all_is_refused_before_its_end(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunk_reader, "CHUNK_BYTES", 1000)
    monkeypatch.setattr(chunk_reader, "BLOCK_BYTES", 1000)
    path = write_lines(tmp_path / "a.ndjson", ["2026;not;fhir"] * 5000)
    with pytest.raises(QualityError, match=r"of the first \d+ lines .*a.ndjson line 1,") as caught:
        lake.load(path, processes=1)
    refused = int(caught.value.message.split()[0])
    assert 0 < refused < 500
    compressed = tmp_path / "a.ndjson.gz"
    compressed.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(QualityError, match="5000 of 5000 lines"):
        lake.load(compressed, processes=1)


def test_refusing_early_never_refuses_what_may_be_loaded(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worst case: all rejects come first, and all that follows is as short as a resource can be."""
    monkeypatch.setattr(chunk_reader, "CHUNK_BYTES", 100)
    monkeypatch.setattr(chunk_reader, "BLOCK_BYTES", 100)
    shortest = [f'{{"resourceType":"List","id":"{name}"}}' for name in "abcdefghijklmnopqr"]
    assert len(shortest[0]) == load.SHORTEST_RESOURCE_BYTES
    result = lake.load(write_lines(tmp_path / "a.ndjson", ["x", "x", *shortest]), processes=1, max_rejects=0.1)
    assert (result.total("inserted"), result.total("rejected")) == (18, 2)


def test_a_folder_that_is_no_table_is_left_alone(lake: Lake, tmp_path: Path) -> None:
    load_lines(lake, tmp_path, patient("a"))
    (tmp_path / "lake/tenants/default/fhir/.ipynb_checkpoints").mkdir()
    assert versions(lake) == {"Patient": 1}
    assert load_lines(lake, tmp_path, patient("a")).total("unchanged") == 1


def test_tenants_do_not_see_each_other(tmp_path: Path) -> None:
    first, second = (Lake.open(tmp_path / "lake", tenant=name) for name in ("a", "b"))
    load_lines(first, tmp_path, patient("x", "male"))
    assert load_lines(second, tmp_path, patient("x", "female")).total("inserted") == 1
    assert [list(lake.export("Patient")) for lake in (first, second)] == [
        [b'{"resourceType":"Patient","id":"x","gender":"%s"}' % gender] for gender in (b"male", b"female")
    ]


@pytest.mark.parametrize("name", ["with space", "é", "a'b", 'a"b', "hash#", "100% x", "a&b=c", "star*", "what?", "[a]"])
def test_any_name_of_folders_and_files(name: str, tmp_path: Path) -> None:
    is_pattern = not {"*", "?", "["}.isdisjoint(name)  # a lake in such a folder is refused, exports may lie there
    lake = Lake.open(tmp_path / ("lake" if is_pattern else f"{name}/lake"))
    path = write_lines(tmp_path / name / f"{name}.ndjson", [patient("a"), patient("b")])
    assert lake.load(path, processes=1).total("inserted") == 2
    assert load_lines(lake, tmp_path, patient("a", "female")).total("updated") == 1
    assert len(list(lake.export("Patient"))) == 2
    assert lake.sql("SELECT lake_source.file FROM fhir.Patient WHERE id = 'b'").fetchall() == [(f"{name}.ndjson",)]
