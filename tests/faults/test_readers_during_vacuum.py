"""Readers, in threads and in processes, while loads commit, views are built and files are merged and removed.

What is given up stays for a day, as an answer is allowed to take; here that day has a few seconds, in which many
versions come and go, and every reader takes less.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lacustre import Lake
from lacustre.store.maintain import maintain
from lacustre.store.retention import Retention
from lacustre.views.builds.old_builds import remove_old_builds
from lacustre.views.catalog import starter_views
from support import lake_reader
from support.lake_reader import DAY, read
from support.loading import load_lines

pytestmark = pytest.mark.faults("concurrency")

SLOW_SECONDS = DAY.total_seconds() / 3
ROUNDS_SECONDS = 3 * DAY.total_seconds()
LEAST_ROUNDS = 6
PATIENTS = 40


def patient(number: int, round_: int) -> dict[str, Any]:
    meta = {"lastUpdated": f"2026-01-01T00:{round_ // 60:02d}:{round_ % 60:02d}Z"}
    return {"resourceType": "Patient", "id": f"p{number}", "gender": ("male", "female")[round_ % 2], "meta": meta}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake.open(tmp_path / "lake")
    load_lines(lake, tmp_path, *(patient(number, 0) for number in range(PATIENTS)))
    lake.build_views("patient", definitions=starter_views())
    return lake


def one_round(lake: Lake, folder: Path, number: int) -> None:
    """An update of many rows, a new row, new views, and everything removed that may be."""
    changed = [patient(position, number) for position in range(number % 3, PATIENTS, 3)]
    load_lines(lake, folder, *changed, patient(PATIENTS + number, number))
    lake.build_views("patient", definitions=starter_views())
    keep(lake)


def keep(lake: Lake, now: datetime | None = None) -> None:
    retention = Retention(keep_days=0, grace=DAY, now=now)
    remove_old_builds(lake._tenant, retention.before(DAY), maintain(lake._tenant, retention).freed)


@contextmanager
def reading(work: Callable[[], int], threads: int) -> Iterator[list[int]]:
    """Threads that work until the end; what one raises is raised here."""
    stop, counts = threading.Event(), [0] * threads

    def run(number: int) -> None:
        while not stop.is_set():
            counts[number] += work()

    with ThreadPoolExecutor(threads) as pool:
        running = [pool.submit(run, number) for number in range(threads)]
        try:
            yield counts
        finally:
            stop.set()
    for one in running:
        one.result()


def rounds(lake: Lake, folder: Path) -> int:
    until, number = time.monotonic() + ROUNDS_SECONDS, 0
    while number < LEAST_ROUNDS or time.monotonic() < until:
        number += 1
        one_round(lake, folder, number)
    return number


def assert_much_was_removed(lake: Lake, made: int) -> None:
    keep(lake, datetime.now(UTC) + DAY)
    left = [path for path in Path(lake.uri).rglob("*.parquet") if "_delta_log" not in path.parts]
    assert len(left) < 2 * LEAST_ROUNDS
    assert next(lake.history()).kept_from > made


@pytest.mark.parametrize("seconds", [0.0, SLOW_SECONDS])
def test_readers_in_threads_never_fail(lake: Lake, tmp_path: Path, seconds: float) -> None:
    with reading(lambda: read(lake, seconds, PATIENTS), 2) as counts:
        made = rounds(lake, tmp_path)
    assert min(counts) > 0
    assert_much_was_removed(lake, made)


def test_readers_in_processes_never_fail(lake: Lake, tmp_path: Path) -> None:
    stop = tmp_path / "stop"
    command = [sys.executable, lake_reader.__file__, lake.uri]
    readers = [
        subprocess.Popen(
            [*command, str(seconds), str(PATIENTS), str(stop)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for seconds in (0.0, SLOW_SECONDS)
    ]
    made = rounds(lake, tmp_path)
    stop.touch()
    for reader in readers:
        out, err = reader.communicate(timeout=60)
        assert reader.returncode == 0, err.decode()
        assert int(out) > 0
    assert_much_was_removed(lake, made)


def test_loads_beside_merging_lose_nothing(lake: Lake, tmp_path: Path) -> None:
    """Maintenance runs all the time while loads add, replace and delete."""

    def work() -> int:
        keep(lake)
        return 1

    with reading(work, 1) as counts:
        for number in range(1, 13):
            load_lines(lake, tmp_path, patient(0, number), patient(PATIENTS + number, number))
        lake.delete("Patient/p1", at=datetime.fromisoformat("2026-02-01T00:00:00+00:00"))
    assert counts[0] > 0
    found = {json.loads(line)["id"]: json.loads(line)["gender"] for line in lake.export("Patient")}
    assert set(found) == {f"p{number}" for number in (0, *range(2, PATIENTS), *range(PATIENTS + 1, PATIENTS + 13))}
    assert found["p0"] == "male"
