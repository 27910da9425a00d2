"""Full disks: a load, a merge that spills, a compaction, a build of views meets the end of a small file system.

It says so in one line and ends with exit status 5; the lake answers, every table as before or after; and with space
again, the same command gives what it gives where there was space all the time.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Event, Thread

import pytest

from support.kills import deadly_workshop, strange
from support.loading import write_lines
from support.successive_exports import definitions_of, successive_exports
from support.workshop import Content, Outcome, Step, Workshop

pytestmark = pytest.mark.faults("disk full")

PAGE = 4096
SPILLING = 30_000
"""Patients whose keys do not fit into the memory of a merge that spills."""
ROOMY = 96
"""Megabytes for a merge that spills, however its threads run.

How much it spills is a matter of time: 5 to 13 MB were seen. It has no more to spill than all that it holds, which
is less than 60 MB, for with a limit of 60 MB it spills nothing, whether with 2 threads or with 8. DuckDB takes nine
tenths of the space that is free, and the lake 2 MB.
"""
SPILLED_BYTES = 2 << 20


@dataclass(frozen=True, slots=True)
class Work:
    """What goes before, what meets the full disk, and the share of the space it takes at most that there is."""

    name: str
    megabytes: int
    before: tuple[str, ...]
    steps: tuple[str, ...]
    share: float

    def __str__(self) -> str:
        return f"{self.name} {self.share}"


CASES = [
    *(Work("first load", 4, (), ("load first",), share) for share in (0.0, 0.5)),
    *(Work("update", 8, ("load first",), ("load second",), share) for share in (0.0, 0.7, 1.0)),
    *(Work("compaction", 8, ("load first", "load second"), ("maintain",), share) for share in (0.0, 0.5)),
    *(Work("views", 12, ("load first",), ("views",), share) for share in (0.0, 0.5, 1.0)),
    *(Work("spill", ROOMY, ("load many",), ("little memory", "load many newer"), share) for share in (0.2, 0.7)),
]


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A file system of its own; skips where it cannot be mounted, and fails in CI, where it must be."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "lacustre", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode and not os.environ.get("CI"):
        pytest.skip(f"a small file system cannot be mounted: {mounted.stderr.strip()}")
    assert mounted.returncode == 0, mounted.stderr
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)
        folder.rmdir()


def free_bytes(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bfree * found.f_bsize


@contextmanager
def watched(folder: Path) -> Iterator[list[int]]:
    """The least free bytes that there were during the block, as the list's last item."""
    found, over = [free_bytes(folder)], Event()

    def watch() -> None:
        while not over.wait(0.001):
            found.append(min(found[-1], free_bytes(folder)))

    watching = Thread(target=watch)
    watching.start()
    try:
        yield found
    finally:
        over.set()
        watching.join()


@dataclass(frozen=True, slots=True)
class Golden:
    """The contents before and after some steps, the bytes that they take at most, and those they give back of them."""

    before: Content
    after: Content
    needed: int
    returned: int


class Stage:
    """What the works are, and what they do where there is space."""

    def __init__(self, folder: Path, shop: Workshop) -> None:
        self._folder, self._shop = folder, shop
        exports = successive_exports(folder / "exports", patients=20)
        many, newer = (_patients(folder / f"{year}.ndjson", year) for year in (2024, 2025))
        self._meanings: dict[str, Step] = {
            "load first": ["command", "load", str(exports.first)],
            "load second": ["command", "load", "--max-rejects", "1", str(exports.second)],
            "load many": ["command", "load", str(many)],
            "load many newer": ["command", "load", str(newer)],
            "maintain": ["command", "maintain"],
            "little memory": ["memory", "36MB"],
            "views": ["command", "views", "build", "--definitions", str(definitions_of(folder / "definitions"))],
        }
        self.golden = cache(self._golden)

    def perform(self, lake: Path, *names: str) -> Outcome:
        return self._shop.run(lake, *(self._meanings[name] for name in names))

    def must(self, lake: Path, *names: str) -> None:
        outcome = self.perform(lake, *names)
        assert outcome.status == 0, outcome.printed

    def content(self, lake: Path) -> Content:
        return self._shop.content(lake)

    def converged(self, lake: Path) -> Content:
        return self._shop.converged(lake)

    def _golden(self, before: tuple[str, ...], steps: tuple[str, ...]) -> Golden:
        with small_disk(self._folder / "roomy", ROOMY) as disk:
            lake = disk / "lake"
            self.must(lake, *before)
            first = self.content(lake)
            with watched(disk) as free:
                self.must(lake, *steps)
            return Golden(first, self.content(lake), free[0] - free[-1], free_bytes(disk) - free[-1])


def _patients(file: Path, year: int) -> Path:
    meta = {"lastUpdated": f"{year}-01-01T00:00:00Z"}
    return write_lines(file, ({"resourceType": "Patient", "id": f"{n}", "meta": meta} for n in range(SPILLING)))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("disks")
    with deadly_workshop(folder) as shop:
        yield Stage(folder, shop)


@pytest.mark.parametrize("work", CASES, ids=str)
def test_a_full_disk_is_an_error_that_leaves_the_lake_whole(work: Work, stage: Stage, tmp_path: Path) -> None:
    golden = stage.golden(work.before, work.steps)
    assert "little memory" not in work.steps or golden.returned > SPILLED_BYTES, "it did not spill"
    with small_disk(tmp_path / "disk", work.megabytes) as disk:
        lake = disk / "lake"
        stage.must(lake, *work.before)
        printed = meet_the_end(work, stage, disk, tmp_path / "kept", golden.needed)
        assert printed.startswith("error storage_failed: "), printed
        assert "Traceback" not in printed
        assert not strange(stage.content(lake), golden.before, golden.after)
        assert not list(lake.rglob(".*")), "an unfinished file was left"
        (disk / "ballast").unlink()
        stage.must(lake, *work.steps)
        assert stage.converged(lake) == golden.after


def meet_the_end(work: Work, stage: Stage, disk: Path, kept: Path, needed: int) -> str:
    """Do the work with the share of the space it needs, or with less and less where that is enough."""
    if (disk / "lake").exists():
        shutil.copytree(disk / "lake", kept)
    space, less = int(needed * work.share) // PAGE * PAGE, PAGE
    while True:
        fill(disk / "ballast", free_bytes(disk) - space)
        outcome = stage.perform(disk / "lake", *work.steps)
        if outcome.status != 0:
            assert outcome.status == 5, outcome.printed
            return outcome.printed
        space, less = max(space - less, 0), 2 * less
        shutil.rmtree(disk / "lake")
        (disk / "ballast").unlink()
        shutil.copytree(kept, disk / "lake")


def fill(file: Path, size: int) -> None:
    with file.open("wb") as opened:
        os.posix_fallocate(opened.fileno(), 0, size)
