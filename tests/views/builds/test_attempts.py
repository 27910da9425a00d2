"""Notes of builds that are not finished, and the states that follow from them."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lacustre import Lake
from lacustre.errors import StorageError
from lacustre.store.objects import ObjectStore
from lacustre.views.builds.attempts import (
    Attempt,
    attempts_folder,
    forget_attempt,
    note_attempt,
    note_failure,
    read_attempts,
    running_builds,
)
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
    assert read_attempts(lake._tenant, "one") != []
    assert states(lake) == [("fresh", "")] * 2


@pytest.mark.skipif(sys.platform != "linux", reason="the system does not tell when a process began")
def test_a_process_that_began_later_is_not_the_build_of_its_number() -> None:
    now = replace(Attempt.begin("build"), process=os.getppid())
    assert now.is_running
    earlier = datetime.now(UTC) - timedelta(days=400)
    assert not replace(now, started=earlier.isoformat()).is_running


def test_builds_of_a_view_at_once_have_a_note_each(lake: Lake) -> None:
    mine, other = Attempt.begin("mine"), Attempt.begin("other")
    for attempt in (mine, other):
        note_attempt(lake._tenant, "one", attempt)
    assert [attempt for _, attempt in running_builds(lake._tenant)] == [mine, other]
    forget_attempt(lake._tenant, "one", mine)
    assert read_attempts(lake._tenant, "one") == [other]
    forget_attempt(lake._tenant, "one", other)
    assert read_attempts(lake._tenant, "one") == []


def test_a_build_that_was_killed_elsewhere_says_nothing_of_those_after_it(lake: Lake, definitions: Path) -> None:
    killed = replace(Attempt.begin("killed"), machine="node-7")
    note_attempt(lake._tenant, "one", killed)
    assert states(lake) == [("building", "")]
    lake.build_views(definitions=definitions)
    assert states(lake) == [("fresh", "")] * 2
    assert [attempt for _, attempt in running_builds(lake._tenant)] == [killed]
    note_attempt(lake._tenant, "one", Attempt.begin("next"))
    assert states(lake) == [("building", ""), ("fresh", "")]


def test_a_build_that_begins_takes_the_place_of_those_that_ended(lake: Lake) -> None:
    note_attempt(lake._tenant, "one", Attempt.begin("running"))
    note_failure(lake._tenant, "one", Attempt.begin("failed"), KeyboardInterrupt())
    note_attempt(lake._tenant, "one", Attempt.begin("next"))
    assert [attempt.build for attempt in read_attempts(lake._tenant, "one")] == ["next", "running"]


def test_a_process_that_ended_unasked_runs_no_build() -> None:
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    try:
        attempt = replace(Attempt.begin("build"), process=process.pid)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert not attempt.is_running
    finally:
        process.wait()
    assert not attempt.is_running


def test_a_note_that_cannot_be_read_is_perhaps_of_a_running_build(lake: Lake) -> None:
    note_attempt(lake._tenant, "one", Attempt.begin("build"))
    lake._tenant.store.write(f"{attempts_folder(lake._tenant, 'one')}/build.json", b"{}")
    ((view, attempt),) = running_builds(lake._tenant)
    assert (view, attempt.build, attempt.is_running) == ("one", "build", False)


def test_notes_of_all_builds_are_tried_where_one_cannot_be_written(
    lake: Lake, definitions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, refused = ObjectStore.write, []

    def failing(store: ObjectStore, path: str, data: bytes) -> None:
        if b"no answer" in data and not refused:
            refused.append(path)
            raise StorageError("storage_failed", "cannot write", transient=True)
        write(store, path, data)

    def unanswered(*_: object) -> None:
        raise StorageError("storage_failed", "no answer", transient=True)

    with monkeypatch.context() as patched:
        patched.setattr(ObjectStore, "write", failing)
        patched.setattr(ObjectStore, "put", unanswered)
        with pytest.raises(StorageError, match="no answer"):
            lake.build_views(definitions=definitions)
    assert len(refused) == 1
    assert states(lake) == [("failed", "the build was interrupted"), ("failed", "no answer")]
