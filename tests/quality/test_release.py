"""Holds stay until somebody releases them, and views are built of what is published alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lacustre import Lake
from lacustre.errors import InputError, QualityError
from lacustre.quality.thresholds import Thresholds
from lacustre.store import load as load_module
from lacustre.store.ledger import Record, intents
from lacustre.store.operation import Operation
from support.exports import write_export
from support.loading import Resource, load_lines, write_lines

VIEW = '{"resource": "Patient", "name": "person", "select": [{"column": [{"name": "id", "path": "id"}]}]}'


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(tmp_path / "lake")


def patient(name: str) -> Resource:
    return {"resourceType": "Patient", "id": name}


def people(lake: Lake, folder: Path) -> list[str]:
    definitions = folder / "views"
    definitions.mkdir(exist_ok=True)
    (definitions / "person.json").write_text(VIEW)
    lake.build_views(definitions=definitions)
    return [name for (name,) in lake.sql("SELECT id FROM person ORDER BY id").fetchall()]


def short(folder: Path, day: int, name: str) -> Path:
    """An export with a line less than announced."""
    return write_export(folder / str(day), day, {"Patient": [patient(name)]}, announced={"Patient": 2})


def interrupt(lake: Lake, source: Path, patch: pytest.MonkeyPatch) -> None:
    def crash(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with patch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(load_module, "add_loaded", crash)
        lake.load(source)


def test_views_are_built_of_what_is_published(lake: Lake, tmp_path: Path) -> None:
    load_lines(lake, tmp_path, patient("a"))
    assert people(lake, tmp_path) == ["a"]
    held = lake.load(short(tmp_path, 2, "b"))
    assert (held.state, people(lake, tmp_path)) == ("held", ["a"])
    assert lake.sql("SELECT count(*) FROM fhir.Patient").fetchall() == [(2,)]
    later = load_lines(lake, tmp_path, patient("c"))
    assert (later.state, [reason.operation for reason in later.holds]) == ("held", [held.load])
    assert people(lake, tmp_path) == ["a"]
    record = lake.publish("the department closed")
    assert (record.kind, record.state, record.number) == ("release", "published", 4)
    assert record.statement["note"] == "the department closed"
    assert [reason["code"] for reason in record.statement["released"]] == ["lines_missing"]
    assert people(lake, tmp_path) == ["a", "b", "c"]
    assert load_lines(lake, tmp_path, patient("d")).state == "published"


def test_a_first_load_that_is_held_gives_no_views(lake: Lake, tmp_path: Path) -> None:
    lake.load(short(tmp_path, 2, "b"))
    with pytest.raises(QualityError, match="lines_missing"):
        people(lake, tmp_path)
    lake.publish("known")
    assert people(lake, tmp_path) == ["b"]


def test_several_holds_are_released_together(lake: Lake, tmp_path: Path) -> None:
    lake.load(short(tmp_path, 2, "b"))
    second = lake.load(short(tmp_path, 3, "c"), thresholds=Thresholds(max_export_errors=5))
    assert [reason.code for reason in second.holds] == ["lines_missing", "lines_missing"]
    assert len(lake.publish("both").statement["released"]) == 2


def test_there_must_be_something_to_release(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing_held"):
        lake.publish("")
    load_lines(lake, tmp_path, patient("a"))
    with pytest.raises(InputError, match="nothing_held"):
        lake.publish("")
    assert len(list(lake.history())) == 1


def test_what_is_unfinished_is_released_only_by_name(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt(lake, write_lines(tmp_path / "half.ndjson", [patient("b")]), monkeypatch)
    with pytest.raises(InputError, match="unfinished_operations"):
        lake.publish("known")
    lake.load(short(tmp_path, 3, "c"))
    (intent,) = intents(lake._tenant)
    with pytest.raises(InputError, match=r"unfinished_operations(.|\n)*--unfinished"):
        lake.publish("known")
    assert lake.record().state == "held"
    record = lake.publish("known", unfinished=True)
    released: list[dict[str, Any]] = record.statement["released"]
    assert {(one["code"], one["operation"]) for one in released} >= {("unfinished", intent.id)}
    assert (record.state, intents(lake._tenant)) == ("published", [])
    assert people(lake, tmp_path) == ["b", "c"]
    assert load_lines(lake, tmp_path, patient("d")).state == "published"


def test_what_comes_between_the_look_and_the_release_still_holds(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = lake.load(short(tmp_path, 2, "b"))
    finish = Operation.finish

    def late(running: Operation, *arguments: Any, **members: Any) -> Record:
        if running.kind == "release":
            lake.load(short(tmp_path, 3, "c"))
            interrupt(lake, write_lines(tmp_path / "half.ndjson", [patient("d")]), monkeypatch)
        return finish(running, *arguments, **members)

    with monkeypatch.context() as patched:
        patched.setattr(Operation, "finish", late)
        record = lake.publish("the first")
    assert [reason["operation"] for reason in record.statement["released"]] == [first.load]
    assert (record.state, [reason.code for reason in record.reasons]) == ("held", ["lines_missing", "unfinished"])
    assert lake.publish("all", unfinished=True).state == "published"


def test_an_unfinished_operation_is_finished_by_its_repetition_instead(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_lines(tmp_path / "half.ndjson", [patient("b")])
    interrupt(lake, source, monkeypatch)
    assert lake.load(source).state == "published"
    with pytest.raises(InputError, match="nothing_held"):
        lake.publish("known", unfinished=True)
