"""Lines that cannot be a resource: named, placed, kept, counted; the rest of the file loads."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

import pytest

from lacustre import Lake
from lacustre.errors import LacustreError, QualityError
from support.loading import load_lines
from support.lossless import parse_exactly

GOOD = b'{"resourceType":"Patient","id":"p%d","gender":"male"}'

BAD = {
    "not_json": [
        b"{", b"garbage", b'{"resourceType":"Patient","id":"x",}', b'{"resourceType":"Patient","id":"x","a":NaN}',
        b'{"resourceType":"Patient","id":"x","a":-Infinity}', b'{"resourceType":"Patient","id":"x","a":007}',
        b'{"resourceType":"Patient","id":"x","a":1.}', b'{"resourceType":"Patient","id":"x","a":.5}',
        b'{"resourceType":"Patient","id":"x","multipleBirthInteger":+1}', b"{'resourceType':'Patient','id':'x'}",
        b'{"resourceType":"Patient","id":"x"}{"resourceType":"Patient","id":"y"}',
        b'{"resourceType":"Patient","id":"x"} {"resourceType":"Patient","id":"y"}',
        b'{"resourceType":"Patient","id":"x","gender":"a\tb"}', b'{"resourceType":"Patient","id":"x"} // c',
        b'{"resourceType":"Patient","id":"x","gender":"a\\x"}',
    ],
    "not_utf8": [b'{"resourceType":"Patient","id":"x","gender":"\xff"}', b'{"resourceType":"Patient","id":"x","zz":"\xc3"}'],
    "not_unicode": [b'{"resourceType":"Patient","id":"x","gender":"\\ud800"}', b'{"resourceType":"Patient","id":"x","zz":["\\udc00a"]}'],
    "not_an_object": [b"null", b"[]", b"12", b'"text"', b'[{"resourceType":"Patient","id":"x"}]', b"true"],
    "duplicate_keys": [
        b'{"resourceType":"Patient","id":"x","id":"y"}', b'{"resourceType":"Patient","id":"x","gender":"a","gender":"a"}',
        b'{"resourceType":"Patient","id":"x","name":[{"family":"a","family":"b"}]}',
        b'{"resourceType":"Patient","id":"x","zz":{"a":1,"a":2}}', b'{"resourceType":"Patient","id":"x","id" :"y"}',
        b'{"resourceType":"Patient","id":"x","contained":[{"a":1,"a":2}]}',
        b'{"resourceType":"Patient","id":"x","contained":[],"gender" :"a","gender":"b"}',
        b'{"resourceType":"Patient","id":"x","\\u0067ender":"a","gender":"b"}',
        b'{"resourceType":"Patient","resourceType":"Patient","id":"x"}',
        b'{"resourceType":"Patient","id":"x","contained":[{"b":1}],"contained":[{"b":2}]}',
    ],
    "no_resource_type": [b'{"id":"x"}', b'{"resourceType":5,"id":"x"}', b'{"resourceType":"","id":"x"}', b'{"id":"x","zz":{"resourceType":"Patient"}}'],
    "unknown_resource_type": [b'{"resourceType":"Patiant","id":"x"}', b'{"resourceType":"HumanName","id":"x"}', b'{"resourceType":"Resource","id":"x"}'],
    "no_id": [
        b'{"resourceType":"Patient"}', b'{"resourceType":"Patient","id":5}', b'{"resourceType":"Patient","id":null}',
        b'{"resourceType":"Patient","id":""}', b'{"resourceType":"Patient","id":"a b"}', b'{"resourceType":"Patient","id":"a/b"}',
        b'{"resourceType":"Patient","zz":{"id":"x"}}', b'{"resourceType":"Patient","contained":[{"id":"x"}]}',
        '{"resourceType":"Patient","id":"\ufdd01"}'.encode(), b'{"resourceType":"Patient","id":"a\\ufdd0"}',
    ],
    "too_deep": [
        b'{"resourceType":"Patient","id":"x","zz":' + b"[" * 64 + b"]" * 64 + b"}",
        b'{"resourceType":"Patient","id":"x","extension":' + b'[{"url":"u","extension":' * 33 + b"[]" + b"}]" * 33 + b"}",
        b'{"resourceType":"Patient","id":"x","zz":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"resourceType":"Patient","id":"x","contained":' + b"[" * 64 + b"]" * 64 + b"}",
    ],
}  # fmt: skip


def rejects(lake: Lake) -> list[tuple[str, int, int, str, bytes]]:
    import duckdb

    files = f"{lake.uri}/tenants/default/rejects/*.parquet"
    query = f"SELECT file, line, byte_offset, reason, raw FROM read_parquet('{files}') ORDER BY file, line"
    return duckdb.sql(query).fetchall()


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(tmp_path / "lake")


@pytest.mark.parametrize("code", BAD)
def test_every_reason(code: str, lake: Lake, tmp_path: Path) -> None:
    lines: list[bytes] = []
    for number, line in enumerate(BAD[code]):
        lines += [GOOD % number, line]
    lines.append(GOOD % 999)
    result = load_lines(lake, tmp_path, *lines)
    assert dict(result.reasons) == {code: len(BAD[code])}
    assert result.total("inserted") == len(BAD[code]) + 1
    assert result.total("read") == len(lines)
    offsets = [sum(len(line) + 1 for line in lines[:index]) for index in range(len(lines))]
    expected = [
        ("load-000.ndjson", 2 * number + 2, offsets[2 * number + 1], code, line)
        for number, line in enumerate(BAD[code])
    ]
    assert rejects(lake) == expected


def test_all_reasons_among_many_good_lines(lake: Lake, tmp_path: Path) -> None:
    bad = [(code, line) for code, lines in BAD.items() for line in lines]
    lines = [GOOD % number for number in range(3000)]
    places = {50 * number + 7: pair for number, pair in enumerate(bad)}
    mixed = [places[index][1] if index in places else line for index, line in enumerate(lines)]
    result = load_lines(lake, tmp_path, *mixed)
    assert result.total("inserted") == 3000 - len(bad)
    assert [(line - 1, reason, raw) for _, line, _, reason, raw in rejects(lake)] == [
        (index, *pair) for index, pair in places.items()
    ]


def test_places_in_files_of_every_kind(lake: Lake, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a-crlf.ndjson").write_bytes(GOOD % 1 + b"\r\n\r\nbad\r\n" + GOOD % 2 + b"\r\n")
    (folder / "b-bom.jsonl").write_bytes(b"\xef\xbb\xbf" + GOOD % 3 + b"\nbad\n")
    (folder / "c.ndjson.gz").write_bytes(gzip.compress(GOOD % 4 + b"\n\n   \nbad\n" + GOOD % 5))
    (folder / "d-no-end.ndjson").write_bytes(GOOD % 6 + b"\nbad")
    (folder / "e-empty.ndjson").write_bytes(b"")
    (folder / "f-blank.ndjson").write_bytes(b"\n \n\r\n")
    bundle = json.dumps({"resourceType": "Bundle", "entry": [{"resource": json.loads(GOOD % 7)}, {"request": {}}]})
    (folder / "g-bundle.json").write_text(bundle)
    result = lake.load(folder, max_rejects=1.0, processes=1)
    size = len(GOOD % 1)
    assert (result.total("inserted"), result.total("rejected"), result.total("read")) == (7, 5, 12)
    assert [(file, line, offset, reason, raw.strip()) for file, line, offset, reason, raw in rejects(lake)] == [
        ("a-crlf.ndjson", 3, size + 4, "not_json", b"bad"),
        ("b-bom.jsonl", 2, size + 4, "not_json", b"bad"),
        ("c.ndjson.gz", 4, size + 6, "not_json", b"bad"),
        ("d-no-end.ndjson", 2, size + 1, "not_json", b"bad"),
        ("g-bundle.json", 2, bundle.index('{"request'), "no_resource", b'{"request": {}}'),
    ]


def test_an_oversized_line_is_put_aside(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "big.ndjson"
    with path.open("wb") as target:
        target.write(GOOD % 1 + b"\n" + b'{"resourceType":"Patient","id":"big","zz":"')
        for _ in range(80):
            target.write(b"x" * (1 << 20))
        target.write(b'"}\n' + GOOD % 2 + b"\n")
    result = lake.load(path, max_rejects=1.0, processes=1)
    assert (result.total("inserted"), dict(result.reasons)) == (2, {"oversized": 1})
    ((_, line, offset, _, raw),) = rejects(lake)
    assert (line, offset) == (2, len(GOOD % 1) + 1)
    assert raw.startswith(b'{"resourceType":"Patient","id":"big"')
    assert len(raw) == 4096


def test_a_line_of_too_many_values_is_put_aside(lake: Lake, tmp_path: Path) -> None:
    """The limit is of memory: 60 MiB of empty lists would take 2 GB to read."""
    lines = [b'{"resourceType":"Patient","id":"p%d","zz":[' % n + b"1," * n + b"1]}" for n in (498_990, 500_000)]
    result = load_lines(lake, tmp_path, GOOD % 1, *lines, GOOD % 2)
    assert (result.total("inserted"), dict(result.reasons)) == (3, {"oversized": 1})
    ((_, line, offset, _, raw),) = rejects(lake)
    assert (line, offset, raw) == (3, len(GOOD % 1) + len(lines[0]) + 2, lines[1][:4096])


def test_long_lines_are_not_kept_whole(lake: Lake, tmp_path: Path) -> None:
    lines = [b"x" * (16 << 20), b"y" * ((16 << 20) + 1)]
    assert dict(load_lines(lake, tmp_path, *lines).reasons) == {"not_json": 2}
    assert [len(raw) for *_, raw in rejects(lake)] == [16 << 20, 4096]


def test_more_rejects_than_fit_into_memory_end_the_load(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "bomb.ndjson.gz"
    path.write_bytes(gzip.compress(GOOD % 1 + b"\n" + b"x\n" * 200_000))
    with pytest.raises(QualityError, match="too_many_rejects: more than 100000 lines"):
        lake.load(path, max_rejects=1.0, processes=1)
    assert lake.tables() == []


def test_the_same_rejects_are_kept_once(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_bytes(GOOD % 1 + b"\nbad\nbad\n")
    for _ in range(3):
        lake.load(path, max_rejects=1.0)
        assert len(rejects(lake)) == 2


def test_too_many_leave_everything_as_it_was(lake: Lake, tmp_path: Path) -> None:
    load_lines(lake, tmp_path, GOOD % 1)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "lake").rglob("*") if path.is_file()}
    with pytest.raises(QualityError, match="too_many_rejects") as caught:
        load_lines(lake, tmp_path, *(GOOD % number for number in range(998)), b"secret name", b"x", max_rejects=0.001)
    assert "secret" not in str(caught.value)
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "lake").rglob("*") if path.is_file()}
    assert after == before
    load_lines(lake, tmp_path, *(GOOD % number for number in range(999)), b"x", max_rejects=0.001)


SEED = 20260101


def test_mutated_lines_are_exact_or_rejected(lake: Lake, tmp_path: Path) -> None:
    """Bytes flipped, cut, doubled: every line is exported as Python reads it, or is in the rejects."""
    choose = random.Random(SEED)
    template = (
        '{"resourceType":"Observation","id":"o%d","status":"final","code":{"coding":[{"system":"s","code":"c\\u00e9"}]},'
        '"valueQuantity":{"value":1.10,"unit":"µg"},"_issued":{"id":"i"},"component":[{"valueInteger":-3,"code":{}}],'
        '"contained":[{"resourceType":"Patient","id":"p","multipleBirthInteger":2}],"subject":{"reference":"Patient/p"}}'
    )
    lines = [_mutate((template % number).encode(), choose) for number in range(1500)]
    result = load_lines(lake, tmp_path, *lines)
    assert result.total("read") == sum(1 for line in lines if line.strip()), f"seed {SEED}"
    fates = ("inserted", "updated", "unchanged", "superseded", "rejected")
    assert result.total("read") == sum(result.total(fate) for fate in fates)
    rejected = {raw for *_, raw in rejects(lake)}
    sent: dict[str, list[object]] = {}
    for line in lines:
        if line.strip() and line not in rejected:
            resource = parse_exactly(line)
            sent.setdefault(f"{resource['resourceType']}/{resource['id']}", []).append(resource)
    types = [table.name for table in lake.tables() if table.schema == "fhir"]
    exported = [parse_exactly(line) for name in types for line in lake.export(name)]
    assert {f"{resource['resourceType']}/{resource['id']}" for resource in exported} == sent.keys()
    for resource in exported:
        assert resource in sent[f"{resource['resourceType']}/{resource['id']}"], f"seed {SEED}"


def _mutate(line: bytes, choose: random.Random) -> bytes:
    data = bytearray(line)
    for _ in range(choose.choice([0, 1, 1, 2, 3])):
        at = choose.randrange(len(data))
        match choose.randrange(5):
            case 0:
                data[at] = choose.randrange(256)
            case 1:
                del data[at : at + choose.randrange(1, 6)]
            case 2:
                data[at:at] = data[at : at + choose.randrange(1, 30)]
            case 3:
                data[at:at] = choose.choice(
                    [b"null", b"{}", b"[]", b'"a":1,', b" ", b"\\", b'"', b",", b"1", b"\xef\xb7\x90"]
                )
            case _:
                other = choose.randrange(len(data))
                data[at], data[other] = data[other], data[at]
    return bytes(data).replace(b"\n", b" ")


def test_damage_to_a_whole_file_is_an_error_not_a_reject(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson.gz"
    path.write_bytes(gzip.compress(b"\n".join(GOOD % n for n in range(5000)))[:-400])
    with pytest.raises(LacustreError, match="damaged_gzip"):
        lake.load(path)
    assert lake.tables() == []
