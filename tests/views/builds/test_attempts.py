"""Notes of builds that are not finished, and the states that follow from them."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lacustre import Lake
from lacustre.errors import StorageError
from lacustre.store.objects import ObjectStore
from lacustre.views.builds.attempts import Attempt, forget_attempt, note_attempt, read_attempt
from lacustre.views.builds.building import ViewBuild
from support.loading import load_lines

VIEW = '{{"resource": "Patient", "name": "{0}", "select": [{{"column": [{{"name": "id", "path": "id"}}]}}]}}'
NAMES = ("one", "two")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    held = Lake.open(tmp_path / "lake")
    load_lines(held, tmp_path, {"resourceType": "Patient", "id": "p"})
    return held


@pytest.fixture
def definitions(tmp_path: Path) -> Path:
    folder = tmp_path / "definitions"
    folder.mkdir()
    for name in NAMES:
        (folder / f"{name}.json").write_text(VIEW.format(name))
    return folder


def states(lake: Lake) -> list[tuple[str, str]]:
    return [(state.state, state.reason.partition(";")[0]) for state in lake.view_states()]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, MemoryError])
def test_an_interrupted_build_whose_process_lives_on_is_not_running(
    lake: Lake, definitions: Path, monkeypatch: pytest.MonkeyPatch, interruption: type[BaseException]
) -> None:
    def interrupted(*_: object) -> None:
        raise interruption

    with monkeypatch.context() as patched:
        patched.setattr(ObjectStore, "put", interrupted)
        with pytest.raises(interruption):
            lake.build_views(definitions=definitions)
    assert states(lake) == [("failed", "the build was interrupted")] * 2
    lake.build_views(definitions=definitions)
    assert states(lake) == [("fresh", "")] * 2


def test_what_was_shown_is_not_failed_where_the_next_view_could_not_be(
    lake: Lake, definitions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = ObjectStore.write

    def failing(store: ObjectStore, path: str, data: bytes) -> None:
        if path.endswith("two/manifest.json"):
            raise StorageError("storage_failed", "no answer", transient=True)
        write(store, path, data)

    with monkeypatch.context() as patched:
        patched.setattr(ObjectStore, "write", failing)
        with pytest.raises(StorageError, match="no answer"):
            lake.build_views(definitions=definitions)
    assert states(lake) == [("fresh", ""), ("failed", "no answer")]


def test_a_build_that_was_killed_when_it_had_shown_its_rows_is_finished(
    lake: Lake, definitions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(ViewBuild, "finish", lambda *_: None)
        lake.build_views(definitions=definitions)
    assert read_attempt(lake._tenant, "one") is not None
    assert states(lake) == [("fresh", "")] * 2


@pytest.mark.skipif(sys.platform != "linux", reason="the system does not tell when a process began")
def test_a_process_that_began_later_is_not_the_build_of_its_number() -> None:
    now = Attempt.begin("build")
    assert now.is_running
    earlier = datetime.now(UTC) - timedelta(days=400)
    assert not Attempt("build", earlier.isoformat(), now.machine, os.getpid()).is_running


def test_a_build_takes_no_other_build_s_note_away(lake: Lake) -> None:
    mine, other = Attempt.begin("mine"), Attempt.begin("other")
    note_attempt(lake._tenant, "one", other)
    forget_attempt(lake._tenant, "one", mine)
    assert read_attempt(lake._tenant, "one") == other
    forget_attempt(lake._tenant, "one", other)
    assert read_attempt(lake._tenant, "one") is None
