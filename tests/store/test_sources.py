"""Which files a place names, and what they are called."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from lacustre import Lake
from lacustre.errors import InputError, ManifestError
from lacustre.store.sources import find_source

LINE = '{"resourceType":"Patient","id":"x"}\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (
        "a/x.ndjson",
        "a/deep/y.jsonl",
        "a/z.ndjson.gz",
        "a/b.json",
        "a/notes.txt",
        "a/.hidden.ndjson",
        "a/_x.json",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(LINE)
    return tmp_path


def names(*places: Path | str) -> list[str]:
    return [file.name for file in find_source([str(place) for place in places]).files]


def test_a_folder_is_searched_below_and_its_files_are_named_from_it(folder: Path) -> None:
    assert names(folder / "a") == ["b.json", "deep/y.jsonl", "x.ndjson", "z.ndjson.gz"]


def test_files_are_taken_once(folder: Path) -> None:
    assert names(folder / "a/x.ndjson", folder / "a/*.ndjson", folder / "a/deep/../x.ndjson") != []
    assert names(folder / "a/x.ndjson", folder / "a/*.ndjson") == ["x.ndjson"]


def test_equal_names_become_uris(folder: Path) -> None:
    (folder / "b").mkdir()
    (folder / "b/x.ndjson").write_text(LINE)
    (folder / "b/other.ndjson").write_text(LINE)
    assert names(folder / "a/x.ndjson", folder / "b") == [
        str(folder / "a/x.ndjson"),
        "other.ndjson",
        str(folder / "b/x.ndjson"),
    ]


@pytest.mark.parametrize("name", ["data[1].ndjson", "what?.ndjson", "star*.ndjson"])
def test_a_file_whose_name_looks_like_a_pattern(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(LINE)
    (tmp_path / "data1.ndjson").write_text(LINE)
    assert names(tmp_path / name) == [name]


@pytest.mark.parametrize("place", ["none*.ndjson", "empty"])
def test_every_place_must_hold_something(place: str, folder: Path) -> None:
    (folder / "empty").mkdir()
    with pytest.raises(InputError, match=f"nothing_to_load.*{place[:4]}"):
        names(folder / "a/x.ndjson", folder / place)


def test_a_missing_place(folder: Path) -> None:
    with pytest.raises(InputError, match="no_such_source"):
        names(folder / "a/none.ndjson")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_name_in_another_encoding(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/Pati\xe9nt.ndjson")).write_text(LINE)
    assert names(tmp_path) == ["Pati?nt.ndjson"]


def manifest(folder: Path, *urls: object) -> Path:
    path = folder / "manifest.json"
    outputs = [{"type": "Patient", "url": url} for url in urls]
    path.write_text(json.dumps({"transactionTime": "2026-01-02T03:04:05+01:00", "output": outputs}))
    return path


def test_a_manifest_is_followed_and_names_what_it_leaves_out(folder: Path) -> None:
    (folder / "a/p q.ndjson").write_text(LINE)
    manifest(folder / "a", "https://host/fhir/p%20q.ndjson?signature=1", "deep/y.jsonl")
    source = find_source([str(folder / "a")])
    assert [file.name for file in source.files] == ["p q.ndjson", "deep/y.jsonl"]
    assert source.ignored == ["b.json", "x.ndjson", "z.ndjson.gz"]
    assert {(file.received and file.received.isoformat(), file.export) for file in source.files} == {
        ("2026-01-02T02:04:05+00:00", "2026-01-02T03:04:05+01:00")
    }


@pytest.mark.parametrize(
    "url", ["none.ndjson", "../outside.ndjson", "%2e%2e/outside.ndjson", "https://host/..", ".", 5]
)
def test_a_manifest_that_cannot_be_followed(url: object, folder: Path) -> None:
    (folder / "outside.ndjson").write_text(LINE)
    with pytest.raises(ManifestError):
        names(manifest(folder / "a", url))


def test_an_export_without_changes_is_no_error(tmp_path: Path) -> None:
    manifest(tmp_path)
    source = find_source([str(tmp_path)])
    assert (source.files, [Path(path).name for path in source.manifests]) == ([], ["manifest.json"])
    assert Lake.open(tmp_path / "lake").load(tmp_path).version is None
