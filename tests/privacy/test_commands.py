"""What the commands end with, and what the notes of unfinished operations tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lacustre import Lake
from lacustre.cli.app import app
from lacustre.store.ledger import intents
from lacustre.store.table_changes import TableChanges
from support.loading import load_lines
from support.two_patients import GONE, OTHER, gone_lines, other_lines

RUNNER = CliRunner()


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    monkeypatch.setenv("LACUSTRE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LACUSTRE_LAKE", str(tmp_path / "lake"))
    lake = Lake.open()
    load_lines(lake, tmp_path, *gone_lines(), *other_lines())
    return lake


def erase(patient: str, *options: str) -> int:
    return RUNNER.invoke(app, ["erase", f"Patient/{patient}", "--reason", "RGPD", *options]).exit_code


def note() -> dict[str, Any]:
    """A resource of nobody with the patient's name in its text, which only the proof finds."""
    return {"resourceType": "Basic", "id": "b", "code": {"text": "see Jean ZUBERBUHLER"}}


def test_the_status_says_whether_nothing_is_left_and_by_whose_will(lake: Lake, tmp_path: Path) -> None:
    assert erase("pat-other-0003", "--keep-mentions") == 0, "there was none to keep"
    assert erase("pat-other-0001", "--no-prove") == 6
    mention = {"resourceType": "Basic", "id": "a", "code": {"text": "see Patient/pat-other-0004"}}
    load_lines(lake, tmp_path, mention)
    assert erase("pat-other-0004", "--keep-mentions") == 6
    load_lines(lake, tmp_path, note())
    assert erase(GONE) == 4


def test_the_list_on_the_terminal_shows_no_id(lake: Lake, tmp_path: Path) -> None:
    assert "nobody" in RUNNER.invoke(app, ["suppressed", "list"]).output
    assert erase(GONE, "--request-id", "D-17") == 0
    shown = RUNNER.invoke(app, ["suppressed", "list"]).output
    assert ("D-17" in shown, GONE in shown, lake.suppressed()[0].digest in shown) == (True, False, False)
    path = tmp_path / "load-000.ndjson"
    loaded = RUNNER.invoke(app, ["load", str(path), "--again"]).output
    assert "7 resources of erased patients were left out" in loaded
    lifted = RUNNER.invoke(app, ["suppressed", "lift", f"Patient/{GONE}", "--reason", "wrong"])
    assert (lifted.exit_code, lake.suppressed()) == (0, [])


def test_an_interrupted_deletion_is_known_again_and_its_note_cannot_be_tried(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stop(BaseException):
        pass

    def stop(*_arguments: object) -> None:
        raise Stop

    keys = [f"Patient/{OTHER}", "Encounter/enc-0"]
    with monkeypatch.context() as patched:
        patched.setattr(TableChanges, "commit", stop)
        for _ in range(2):
            with pytest.raises(Stop):
                lake.delete(*keys)
        with pytest.raises(Stop):
            lake.delete("Encounter/enc-1")
    one, other = intents(lake._tenant)
    assert len({one.covers[0].partition(":")[0], other.covers[0].partition(":")[0]}) == 2
    result = lake.delete(*reversed(keys))
    assert result.load in (one.id, other.id)
    assert [intent.id for intent in intents(lake._tenant)] == [({one.id, other.id} - {result.load}).pop()]
    assert (lake.record().covers, lake.record().state) == ((), "held")
    lake.delete("Encounter/enc-1")
    assert (intents(lake._tenant), lake.record().state) == ([], "published")
