"""Rejected lines, corrected and loaded again: each settles its reject, once, and replaces nothing newer."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from lacustre import Lake
from lacustre.errors import InputError, QualityError, StorageError
from lacustre.store import reload as reload_module
from lacustre.store.reload import write_rejects
from support.exports import write_export
from support.loading import load_lines, versions, write_lines
from support.stored_files import flip


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(tmp_path / "lake")


def patient(identifier: str, gender: str = "male", **members: Any) -> str:
    return json.dumps({"resourceType": "Patient", "id": identifier, "gender": gender, **members})


def exported(lake: Lake, folder: Path, **chosen: str) -> Path:
    target = folder / "fix.txt"
    write_rejects(lake.rejects(**chosen), target)
    return target


def correct(file: Path, *replaced: tuple[str, str]) -> Path:
    text = file.read_text()
    for old, new in replaced:
        assert old in text
        text = text.replace(old, new)
    file.write_text(text)
    return file


def open_places(lake: Lake) -> list[str]:
    return [f"{reject.file}:{reject.line}" for reject in lake.rejects()]


def genders(lake: Lake) -> dict[str, str]:
    return dict(lake.sql("SELECT id, gender FROM fhir.Patient ORDER BY id").fetchall())


def test_a_corrected_line_settles_its_reject(lake: Lake, tmp_path: Path) -> None:
    load_lines(lake, tmp_path, patient("a"), '{"resourceType": "Patient", "id": "b"', "worse")
    fix = exported(lake, tmp_path)
    assert stat.S_IMODE(fix.stat().st_mode) == 0o600
    correct(fix, ('"id": "b"', '"id": "b", "gender": "female"}'), ("worse\n", "\n"))
    result, settled = lake.retry_rejects(fix)
    assert (result.total("inserted"), result.total("rejected"), settled) == (1, 0, 1)
    assert genders(lake) == {"a": "male", "b": "female"}
    assert open_places(lake) == ["load-000.ndjson:3"]
    assert lake.sql("SELECT lake_source FROM fhir.Patient WHERE id = 'b'").fetchall() == [
        ({"file": "fix.ndjson", "line": 2},)
    ]
    settle, retry, _ = lake.history()
    assert (settle.kind, settle.statement) == ("settle", {"settled": 1, "corrected_by": retry.id})
    assert (retry.kind, retry.id, retry.statement["types"]["Patient"]["inserted"]) == ("load", result.load, 1)


def test_order_gaps_and_lines_of_the_file_are_free(lake: Lake, tmp_path: Path) -> None:
    load_lines(lake, tmp_path, *(f"bad {n}" for n in range(4)))
    fix = exported(lake, tmp_path)
    blocks = [block.splitlines()[0] for block in fix.read_text().split("\n# ")]
    headers = [header if header.startswith("# ") else f"# {header}" for header in blocks]
    pretty = json.dumps(json.loads(patient("x", name=[{"family": "Le  Gall"}])), indent=2)
    fix.write_text(f"\n{headers[3]}\r\n{patient('d')}\r\n\n{headers[0]}\n\n{pretty}\n{headers[2]}\n")
    result, settled = lake.retry_rejects(fix)
    assert (result.total("inserted"), settled) == (2, 2)
    assert open_places(lake) == ["load-000.ndjson:2", "load-000.ndjson:3"]
    lines = lake.sql("SELECT id, lake_source.line FROM fhir.Patient ORDER BY id").fetchall()
    assert lines == [("d", 3), ("x", 7)]
    assert b'"Le  Gall"' in next(line for line in lake.export("Patient") if b'"x"' in line)


def test_a_line_that_is_still_bad_changes_nothing(lake: Lake, tmp_path: Path) -> None:
    load_lines(lake, tmp_path, "bad 1", "bad 2")
    fix = correct(exported(lake, tmp_path), ("bad 1", patient("a")))
    before = versions(lake), [record.id for record in lake.history()]
    with pytest.raises(QualityError, match=r"too_many_rejects(.|\n)*fix.ndjson line 4(.|\n)*take it out of the file"):
        lake.retry_rejects(fix)
    assert (versions(lake), [record.id for record in lake.history()]) == before
    assert len(open_places(lake)) == 2


def test_a_late_correction_does_not_replace_what_came_since(lake: Lake, tmp_path: Path) -> None:
    lake.load(write_export(tmp_path / "1", 1, {"Patient": [patient("a")[:-1], patient("b")[:-1]]}), max_rejects=1.0)
    lake.load(write_export(tmp_path / "2", 2, {"Patient": [patient("a", "female")]}))
    load_lines(lake, tmp_path, patient("c")[:-1])
    fix = correct(exported(lake, tmp_path), ('"male"', '"male"}'))
    result, settled = lake.retry_rejects(fix)
    assert (settled, result.total("inserted"), result.total("superseded")) == (3, 2, 1)
    assert genders(lake) == {"a": "female", "b": "male", "c": "male"}
    updated = lake.sql("SELECT lake_updated::DATE::VARCHAR FROM fhir.Patient WHERE id = 'b'").fetchall()
    assert updated == [("2026-01-01",)]
    assert lake.record().kind == "settle"


def test_corrected_deletions(lake: Lake, tmp_path: Path) -> None:
    load_lines(lake, tmp_path, patient("a", meta={"lastUpdated": "2026-01-01T00:00:00Z"}), patient("b"))
    bundle = {"resourceType": "Bundle", "type": "transaction"}
    wrong, right = ({**bundle, "entry": [{"request": {"method": "DELETE", "url": key}}]} for key in ("a", "Patient/a"))
    lake.load(write_export(tmp_path / "d", 3, {}, deleted=[wrong]), max_rejects=1.0)
    fix = correct(exported(lake, tmp_path, reason="no_key"), (json.dumps(wrong), json.dumps(right)))
    result, settled = lake.retry_rejects(fix)
    assert (result.total("deleted"), settled, genders(lake)) == (1, 1, {"b": "male"})


def test_a_retry_that_is_interrupted_or_repeated_has_one_effect(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_lines(lake, tmp_path, "bad")
    fix = correct(exported(lake, tmp_path), ("bad", patient("a")))

    def crash(*_: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(reload_module, "settle_rejects", crash)
        lake.retry_rejects(fix)
    first = lake.record()
    result, settled = lake.retry_rejects(fix)
    assert (result.total("unchanged"), settled, genders(lake)) == (1, 1, {"a": "male"})
    assert lake.record().statement["corrected_by"] == first.id
    with pytest.raises(InputError, match="nothing_corrected"):
        lake.retry_rejects(fix)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "nothing_corrected"),
        (patient("a"), "no_reject_named"),
        (f"# reject 0123456789abcdef x\n{patient('a')}", "nothing_corrected"),
        ("# reject 0123456789abcdef x", "nothing_corrected"),
    ],
)
def test_a_file_that_corrects_nothing(lake: Lake, tmp_path: Path, text: str, code: str) -> None:
    load_lines(lake, tmp_path, "bad")
    (tmp_path / "fix").write_text(text)
    with pytest.raises(InputError, match=code):
        lake.retry_rejects(tmp_path / "fix")
    assert open_places(lake) == ["load-000.ndjson:1"]


def test_rejects_by_key_place_and_group(lake: Lake, tmp_path: Path) -> None:
    source = write_lines(tmp_path / "a.ndjson", [patient("a"), b"\xff\xfe bad", '{"resourceType": "Patient"}'])
    lake.load(source, max_rejects=1.0)
    write_lines(source, [patient("a"), "other"])
    second = lake.load(source, max_rejects=1.0)
    # the names of loads within one second do not sort by time
    one, two, three = sorted(lake.rejects(), key=lambda reject: (reject.load == second.load, reject.line))
    assert (one.raw, one.reason, two.reason) == (b"\xff\xfe bad", "not_utf8", "no_id")
    assert lake.reject(one.key) == one
    assert lake.reject("a.ndjson:3") == two
    with pytest.raises(InputError, match=f"several_rejects(.|\n)*{three.key}"):
        lake.reject("a.ndjson:2")
    for name in ("zz", "a.ndjson:9", "a.ndjson:", ":", "a.ndjson:99999999999999999999"):
        with pytest.raises(InputError, match="no_such_reject"):
            lake.reject(name)
    groups = [(group.file, group.reason, group.lines, group.first) for group in lake.reject_groups(load=second.load)]
    assert groups == [("a.ndjson", "not_json", 1, 2)]
    assert [reject.key for reject in lake.rejects(reason="no_id", file="a.ndjson")] == [two.key]


def test_a_file_with_corrections_is_not_written_over(lake: Lake, tmp_path: Path) -> None:
    load_lines(lake, tmp_path, "bad")
    fix = correct(exported(lake, tmp_path), ("bad", "nearly"))
    with pytest.raises(InputError, match="file_exists"):
        exported(lake, tmp_path)
    assert "nearly" in fix.read_text()


def test_a_lake_without_rejects(lake: Lake) -> None:
    assert (list(lake.rejects()), lake.reject_groups()) == ([], [])
    with pytest.raises(InputError, match="no_such_reject"):
        lake.reject("0123456789abcdef")


def test_a_damaged_file_of_rejects_is_named(lake: Lake, tmp_path: Path) -> None:
    load_lines(lake, tmp_path, "bad", "worse")
    fix = correct(exported(lake, tmp_path), ("bad", patient("a")))
    (damaged,) = (tmp_path / "lake/tenants/default/rejects").glob("*.parquet")
    flip(damaged, 60)
    for read in (lake.reject_groups, lambda: list(lake.rejects()), lambda: lake.retry_rejects(fix)):
        with pytest.raises(StorageError, match=f"damaged_file: .*{damaged.name}"):
            read()
    damaged.unlink()
    with pytest.raises(StorageError, match=f"missing_file: .*{damaged.name}"):
        lake.reject_groups()
