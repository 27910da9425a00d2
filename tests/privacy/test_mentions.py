"""The fast search for rows marks those that a slow one marks, which decodes everything and looks at every text."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lacustre import Lake
from lacustre.privacy.marked_rows import ResourceMarker
from lacustre.privacy.mentions import MentionSearch
from lacustre.privacy.pages import Doubt, read_entries, read_pages
from lacustre.privacy.subject import Compartment, Subject, find_subject
from lacustre.privacy.tokens import Tokens
from lacustre.store.chunks import WRITER_OPTIONS
from lacustre.store.reading import lake_files
from lacustre.store.scan import connect
from support.loading import load_lines
from support.two_patients import GONE, OTHER, gone_lines, observation, other_lines

IPP = "8001234567"
PIECES = [
    f"Patient/{GONE}", "Observation/obs-gone-1", f"Patient/{GONE}0", f"Patient/{OTHER}", f"xPatient/{GONE}", GONE, IPP,
    f"https://ehr.example/Patient/{GONE}/_history/2", f"https:\\/\\/ehr.example\\/Patient\\/{GONE}", "mg/dL", "a\\b", "x",
    f"Patient/{GONE}.", f"see Patient/{GONE}, please", f"\\u0050atient/{GONE}", "8001234567 8001234567", "/", "é/è", "",
]  # fmt: skip


def text(choose: random.Random) -> str:
    return choose.choice(PIECES) if choose.random() < 0.15 else f"t{choose.random()}" + "/" * choose.randrange(2)


def resource(number: int, choose: random.Random, kind: str) -> dict[str, Any]:
    found: dict[str, Any] = {"resourceType": kind, "id": f"{kind[:3].lower()}-{number}", "code": {"text": text(choose)}}
    found["identifier"] = [{"value": text(choose), "system": "urn:x"} for _ in range(choose.randrange(3))] or None
    found["note" if kind == "Observation" else "unknownMember"] = [{"text": text(choose)}]
    found["subject"] = {"reference": choose.choice([f"Patient/{OTHER}", "Location/1", text(choose) or "x"])}
    if choose.random() < 0.3:
        found["odd"] = {"deep": [text(choose), {"more": text(choose)}]}
    if choose.random() < 0.3:
        found["text"] = {"status": "additional", "div": f"<div>{text(choose)}</div>"}
    return {name: value for name, value in found.items() if value is not None}


def slow_texts(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text of a row by its path, the lake's own columns and ids left out."""
    if isinstance(value, dict):
        for name, item in value.items():
            if path or (name != "id" and (not name.startswith("lake_") or name == "lake_rest")):
                yield from slow_texts(item, f"{path}.{name}".lstrip("."))
    elif isinstance(value, list):
        for item in value:
            yield from slow_texts(item, path)
    elif isinstance(value, str) and path != "lake_rest.pointer":
        yield path, value


def slow_rows(uri: str, subject: Subject) -> set[int]:
    finder, tokens = subject.tokens.finder(), subject.tokens
    found = set()
    for number, row in enumerate(pq.ParquetFile(uri).read().to_pylist()):
        mine = row["lake_patient"] == GONE or GONE in (row["lake_patients"] or ())
        mention = any(
            finder.mentions(value.encode())
            or (path.endswith(".reference") and value in tokens.keys)
            or ("identifier" in path and value in tokens.texts)
            for path, value in slow_texts(row)
        )
        if mine or mention:
            found.add(number)
    return found


@pytest.mark.parametrize("seed", range(6))
def test_the_marker_marks_what_a_slow_search_marks(seed: int, tmp_path: Path) -> None:
    choose = random.Random(seed)
    lake = Lake.open(tmp_path / "lake")
    load_lines(lake, tmp_path, *gone_lines(), *other_lines(), shards=choose.choice([1, 4]))
    for _ in range(2):
        rows = choose.choice([40, 3000])
        lines = [
            resource(choose.randrange(10**9), choose, choose.choice(["Observation", "Basic"])) for _ in range(rows)
        ]
        own = [observation(f"obs-gone-{choose.randrange(10**9)}", GONE) for _ in range(5)]
        load_lines(lake, tmp_path, *lines, *own)
    tenant = lake._tenant
    marked = 0
    with connect(tenant.store) as connection:
        own_rows = Compartment(connection, GONE)
        subject = find_subject(tenant, connection, GONE, own_rows)
        search = MentionSearch(subject)
        for name in tenant.resource_types():
            if name == "Patient":
                continue
            snapshot = tenant.fhir_table(name).snapshot()
            assert snapshot is not None
            marker = ResourceMarker(subject, name, lake_files(tenant.store), own_rows, search)
            marks = marker.mark(snapshot.files)
            for file in snapshot.files:
                assert marks[file.path].rows == slow_rows(file.uri, subject), f"seed {seed}, {name}"
                marked += len(marks[file.path].rows)
    assert marked > 20


VALUES = st.lists(st.none() | st.sampled_from(PIECES) | st.text(max_size=20), max_size=60)
LAYOUTS: list[dict[str, Any]] = [
    dict(WRITER_OPTIONS),
    {"compression": "none"},
    {"compression": "zstd", "use_dictionary": False},
    {"compression": "snappy", "dictionary_pagesize_limit": 32},
    {"compression": "gzip", "data_page_version": "2.0"},
    {"compression": "zstd", "use_dictionary": False, "column_encoding": "DELTA_BYTE_ARRAY"},
    {"compression": "zstd", "use_dictionary": False, "column_encoding": "DELTA_LENGTH_BYTE_ARRAY"},
    {"compression": "zstd", "data_page_size": 64, "write_statistics": False, "row_group_size": 7},
]


@settings(max_examples=60, deadline=None)
@given(values=VALUES, layout=st.sampled_from(LAYOUTS), name=st.sampled_from(["reference", "value", "display"]))
def test_no_column_with_a_mention_is_passed_over(values: list[str | None], layout: dict[str, Any], name: str) -> None:
    tokens = Tokens(frozenset({f"Patient/{GONE}", "Observation/obs-gone-1"}), frozenset(), frozenset({IPP}), 1)
    search = MentionSearch(Subject(GONE, {}, tokens, True))
    path = f"identifier.{name}"
    table = pa.table(
        {"identifier": pa.array([[{name: value}] for value in values], pa.list_(pa.struct({name: pa.string()})))}
    )
    target = pa.BufferOutputStream()
    pq.write_table(table, target, **layout)
    opened = pa.BufferReader(target.getvalue())
    suspects = search.suspects(opened, pq.read_metadata(opened))
    if any(value is not None and search.is_mention(path, value) for value in values):
        assert suspects == [f"identifier.list.element.{name}"]


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=200))
def test_whatever_the_bytes_are_they_are_pages_or_doubt(data: bytes) -> None:
    with suppress(Doubt):
        pages = [page.unpacked("ZSTD") for page in read_pages(data)]
        assert all(isinstance(page, bytes) for page in pages)
    with suppress(Doubt):
        assert sum(4 + len(entry) for entry in read_entries(data)) == len(data)


def test_columns_of_a_file_without_mentions_are_not_decoded(tmp_path: Path) -> None:
    tokens = Tokens(frozenset({f"Patient/{GONE}"}), frozenset(), frozenset({IPP}), 1)
    search = MentionSearch(Subject(GONE, {}, tokens, True))
    rows = [json.loads(observation(f"o-{number}", OTHER)) for number in range(500)]
    path = tmp_path / "part.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path, **WRITER_OPTIONS)
    with path.open("rb") as opened:
        assert search.suspects(opened, pq.read_metadata(opened)) == []
