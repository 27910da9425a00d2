"""A build that read before an erasure does not show the patient's rows after it, nor leave them when it is killed.

An erasure waits for builds that run. Those that halt in the same test are passed by, with `unfinished`, or in another process.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lacustre import Lake
from lacustre.errors import DataError, InputError, LacustreError, StorageError
from lacustre.privacy import erase as erase_module
from lacustre.privacy import running_builds
from lacustre.store.objects import ObjectStore
from lacustre.views.builds import materialise, part_session
from lacustre.views.builds.attempts import Attempt, forget_attempt, note_attempt
from lacustre.views.builds.building import ViewBuild
from lacustre.views.catalog import starter_views
from support.loading import load_lines
from support.two_patients import GONE, files_below, gone_lines, observation, other_lines, traces

REASON = "RGPD, article 17"
WAIT = 60.0


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    monkeypatch.setenv("LACUSTRE_CACHE", str(tmp_path / "cache"))
    lake = Lake.open(tmp_path / "lake")
    load_lines(lake, tmp_path, *gone_lines(), *other_lines())
    return lake


def build(lake: Lake) -> None:
    lake.build_views("observation", definitions=starter_views())


class Halt:
    """A call that waits, once it has come to a place, until somebody lets it go on."""

    def __init__(self) -> None:
        self.reached, self.go = threading.Event(), threading.Event()

    def __call__(self) -> None:
        if not self.reached.is_set():
            self.reached.set()
            assert self.go.wait(WAIT)


def in_thread(work: Callable[[], object]) -> tuple[threading.Thread, list[Exception]]:
    failed: list[Exception] = []

    def run() -> None:
        try:
            work()
        except (LacustreError, OSError, AssertionError) as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, failed


def failed_beside_an_erasure(lake: Lake, halt: Halt) -> list[Exception]:
    """What a build raises that stands at `halt` while a patient is erased, and then goes on."""
    thread, failed = in_thread(lambda: build(lake))
    assert halt.reached.wait(WAIT)
    assert lake.erase(f"Patient/{GONE}", reason=REASON, unfinished=True).complete
    halt.go.set()
    thread.join(WAIT)
    return failed


WAITING = "waiting for builds of views"


def erasing(lake: Lake) -> tuple[threading.Thread, list[Exception], threading.Event]:
    """An erasure in a thread, what it raises, and whether it waits for a build."""
    waits = threading.Event()

    def report(stage: str, _: float) -> None:
        if stage == WAITING:
            waits.set()

    return *in_thread(lambda: lake.erase(f"Patient/{GONE}", reason=REASON, progress=report)), waits


def left(lake: Lake) -> list[str]:
    return traces(files_below(Path(lake.uri)))


@pytest.mark.parametrize("built_before", [False, True])
def test_a_build_that_has_read_before_an_erasure_shows_nothing(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, built_before: bool
) -> None:
    if built_before:
        build(lake)
    halt, make_parts = Halt(), materialise._Group._make_parts

    def made_then_halted(*arguments: Any) -> None:
        make_parts(*arguments)
        halt()

    monkeypatch.setattr(materialise._Group, "_make_parts", made_then_halted)
    failed = failed_beside_an_erasure(lake, halt)
    (error,) = failed
    assert isinstance(error, StorageError)
    assert (error.code, error.transient) == ("erased_meanwhile", True)
    assert left(lake) == []
    assert lake.verify().sound
    build(lake)
    assert lake.sql("SELECT count(*) FROM observation").fetchall() == [(6,)]


def test_a_build_that_shows_its_manifest_while_an_erasure_runs_takes_it_away(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The erasure begins after the build's last look, and has been through the views when the manifest is shown."""
    halt, write = Halt(), ObjectStore.write

    def halted_write(store: ObjectStore, path: str, data: bytes) -> None:
        if path.endswith("/manifest.json") and threading.current_thread() is thread:
            halt()
        write(store, path, data)

    monkeypatch.setattr(ObjectStore, "write", halted_write)
    thread, failed = in_thread(lambda: build(lake))
    assert halt.reached.wait(WAIT)
    assert lake.erase(f"Patient/{GONE}", reason=REASON, unfinished=True).complete
    halt.go.set()
    thread.join(WAIT)
    assert [error.code for error in failed if isinstance(error, StorageError)] == ["erased_meanwhile"]
    assert left(lake) == []
    assert lake.views() == []


@pytest.mark.parametrize(
    "failure", [StorageError("storage_failed", "no answer"), DataError("view_contradicts_data", "several values")]
)
@pytest.mark.parametrize("machine", ["same", "other"])
def test_a_build_that_fails_after_an_erasure_leaves_nothing_of_what_it_had_read(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: LacustreError, machine: str
) -> None:
    halt, add = Halt(), ViewBuild.add

    def halted_then_failing(*arguments: Any) -> None:
        halt()
        add(*arguments)
        raise failure

    with monkeypatch.context() as patched:
        patched.setattr(ViewBuild, "add", halted_then_failing)
        if machine == "other":  # whose staging no erasure can empty
            (tmp_path / "other").mkdir()
            patched.setattr(part_session, "staging_folder", lambda *_: nullcontext(tmp_path / "other"))
        failed = failed_beside_an_erasure(lake, halt)
    assert [error.code for error in failed if isinstance(error, LacustreError)] == ["erased_meanwhile"]
    assert left(lake) == []
    build(lake)
    assert lake.sql("SELECT count(*) FROM observation").fetchall() == [(6,)]


def test_a_build_looks_for_erasures_before_each_batch(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    halt, batches = Halt(), materialise.batches

    def halted_batches(*arguments: Any) -> Any:
        halt()
        yield from batches(*arguments)

    def none_is_made(*_: Any) -> None:
        raise AssertionError

    with monkeypatch.context() as patched:
        patched.setattr(materialise, "batches", halted_batches)
        patched.setattr(part_session.PartSession, "make", none_is_made)
        failed = failed_beside_an_erasure(lake, halt)
    assert [error.code for error in failed if isinstance(error, LacustreError)] == ["erased_meanwhile"]


def test_no_build_begins_while_an_erasure_runs(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    halt, take_out = Halt(), erase_module._Erasure._take_out

    def halted(erasure: Any) -> None:
        halt()
        take_out(erasure)

    monkeypatch.setattr(erase_module._Erasure, "_take_out", halted)
    thread, failed = in_thread(lambda: lake.erase(f"Patient/{GONE}", reason=REASON))
    assert halt.reached.wait(WAIT)
    with pytest.raises(StorageError) as caught:
        build(lake)
    assert caught.value.code == "erased_meanwhile"
    halt.go.set()
    thread.join(WAIT)
    assert failed == []
    build(lake)
    assert left(lake) == []


def still_waits(thread: threading.Thread) -> bool:
    thread.join(1.0)
    return thread.is_alive()


def test_an_erasure_waits_for_builds_which_give_way(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    halt, put = Halt(), ViewBuild._put

    def halted_then_put(*arguments: Any) -> Any:
        halt()
        return put(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(ViewBuild, "_put", halted_then_put)
        building, given_way = in_thread(lambda: build(lake))
        assert halt.reached.wait(WAIT)
        thread, failed, waits = erasing(lake)
        assert waits.wait(WAIT)
        assert still_waits(thread)
        halt.go.set()
        building.join(WAIT)
        thread.join(WAIT)
    assert [error.code for error in given_way if isinstance(error, LacustreError)] == ["erased_meanwhile"]
    assert failed == []
    assert left(lake) == []


HALTING = """
import sys, time
from lacustre import Lake
from lacustre.views.builds.building import ViewBuild
from lacustre.views.catalog import starter_views
method = getattr(ViewBuild, sys.argv[2])
def halted(*arguments):
    print("halted", flush=True)
    sys.stdin.readline()
    method(*arguments)
    print("done", flush=True)
    time.sleep(600)
setattr(ViewBuild, sys.argv[2], halted)
Lake.open(sys.argv[1]).build_views("observation", definitions=starter_views())
"""


@pytest.mark.parametrize("place", ["_put", "show"])
@pytest.mark.parametrize("beside", ["nothing", "an older build", "a build at once"])
def test_a_build_killed_beside_an_erasure_leaves_nothing(lake: Lake, place: str, beside: str) -> None:
    """It puts its files, or shows its manifest, while the erasure waits, and is killed before it looks again."""
    if beside == "an older build":
        build(lake)
        load_lines(lake, Path(lake.uri).parent, observation("late", GONE))
    command = [sys.executable, "-c", HALTING, lake.uri, place]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stdout.readline() == "halted\n"
            if beside == "a build at once":
                build(lake)
            thread, failed, waits = erasing(lake)
            assert waits.wait(WAIT)
            assert still_waits(thread)
            process.stdin.write("\n")
            process.stdin.flush()
            assert process.stdout.readline() == "done\n"
            assert left(lake) != []
        finally:
            process.kill()
    thread.join(WAIT)
    assert failed == []
    assert left(lake) == []
    build(lake)
    assert lake.sql("SELECT count(*) FROM observation").fetchall() == [(6,)]
    assert lake.stale_views() == []


def test_what_another_machine_builds_is_waited_for_and_then_told(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running_builds, "_LIMIT", 0.3)
    build(lake)
    elsewhere = replace(Attempt.begin("theirs"), machine="node-7", process=1)
    note_attempt(lake._tenant, "observation", elsewhere)
    with pytest.raises(InputError, match="observation on node-7 since") as caught:
        lake.erase(f"Patient/{GONE}", reason=REASON)
    assert caught.value.code == "unfinished_builds"
    assert "--unfinished" in (caught.value.hint or "")
    assert lake.erase(f"Patient/{GONE}", reason=REASON, unfinished=True).complete
    assert left(lake) == []


def test_a_build_that_another_machine_ends_is_not_waited_for_longer(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(lake)
    elsewhere = replace(Attempt.begin("theirs"), machine="node-7", process=1)
    note_attempt(lake._tenant, "observation", elsewhere)
    thread, failed, waits = erasing(lake)
    assert waits.wait(WAIT)
    forget_attempt(lake._tenant, "observation", elsewhere)
    thread.join(WAIT)
    assert not thread.is_alive()
    assert failed == []
    assert left(lake) == []
