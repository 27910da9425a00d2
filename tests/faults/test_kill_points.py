"""Kill points: a process that changes a lake is killed at points spread evenly over its changes of files.

Afterwards the lake answers, every table and view with what it held before or after, never a part; what was
acknowledged is there; and the same work, done again, gives what it gives to a process that nobody kills.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from support.kills import deadly_workshop, strange
from support.successive_exports import Exports, definitions_of, successive_exports
from support.workshop import Content, Kill, Outcome, Step, Workshop

pytestmark = pytest.mark.faults("kill points")


@dataclass(frozen=True, slots=True)
class Work:
    """Work to be killed at a number of points: what goes before it, its steps, which of its changes count."""

    name: str
    points: int
    before: tuple[str, ...]
    steps: tuple[str, ...]
    part: str = ""


BUILT = ("load first", "views")
GROWN = (*BUILT, "load more", "load second", "delete", "views")
WORKS = (
    Work("first load", 8, (), ("load first",)),
    Work("append", 12, BUILT, ("load more",)),
    Work("replace", 18, BUILT, ("load second",)),
    Work("checkpoint", 8, (*BUILT, "checkpoints 1"), ("load second",), "checkpoint"),
    Work("delete", 10, BUILT, ("delete",)),
    Work("tombstones", 6, BUILT, ("load second",), "/deleted/"),
    Work("ledger", 8, BUILT, ("load second", "delete"), "/ledger/"),
    Work("view swap", 18, (*BUILT, "views", "load second"), ("views",), "/views/"),
    Work("compaction", 14, GROWN, ("maintain",)),
    Work("retention", 8, (*GROWN, "maintain"), ("maintain",)),
    Work("vacuum", 12, (*GROWN, "maintain", "maintain"), ("maintain",), "unlink "),
)
CASES = [(work, point) for work in WORKS for point in range(work.points)]


class Stage:
    """The lakes that the works begin with, and what they hold after each step when nobody kills them."""

    def __init__(self, folder: Path, exports: Exports, shop: Workshop) -> None:
        self.folder, self.shop = folder, shop
        self._definitions = definitions_of(folder / "definitions")
        self._exports = exports
        self.prepared = cache(self._prepared)
        self.golden = cache(self._golden)

    def steps(self, names: tuple[str, ...]) -> list[Step]:
        places = {name: str(getattr(self._exports, name)) for name in ("first", "more", "second")}
        meanings = {f"load {name}": ["load", place] for name, place in places.items()}
        meanings |= {"views": ["views", str(self._definitions)], "checkpoints 1": ["checkpoints", "1"]}
        meanings["maintain"] = ["maintain"]
        meanings["delete"] = ["delete", *self._exports.deleted]
        return [meanings[name] for name in names]

    def _prepared(self, work: Work) -> Path:
        lake = self.folder / f"prepared {work.name}"
        lake.mkdir(parents=True, exist_ok=True)
        self.shop.perform(lake, *self.steps(work.before))
        return lake

    def kill(self, work: Work, number: int, lake: Path) -> Outcome:
        """Do the work on a copy of its lake and kill it at a change; a run may make one or two fewer than another."""
        assert number > 0, f"{work.name} was never killed"
        shutil.copytree(self.prepared(work), lake)
        outcome = self.shop.run(lake, *self.steps(work.steps), kill=Kill(number, work.part))
        if outcome.status == 0:
            shutil.rmtree(lake)
            return self.kill(work, number - 1, lake)
        assert outcome.killed, outcome.printed
        return outcome

    def _golden(self, work: Work) -> tuple[int, list[Content]]:
        """How many changes the work makes, and the contents before it and after each of its steps."""
        lake = self.folder / f"golden {work.name}"
        shutil.copytree(self.prepared(work), lake)
        contents = [self.shop.content(lake)]
        for step in self.steps(work.steps):
            self.shop.perform(lake, step)
            contents.append(self.shop.content(lake))
        shutil.rmtree(lake)
        shutil.copytree(self.prepared(work), lake)
        counted = self.shop.run(lake, *self.steps(work.steps), kill=Kill(0, work.part))
        assert counted.changes >= work.points, counted
        return counted.changes, contents


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("kills")
    with deadly_workshop(folder) as shop:
        yield Stage(folder, successive_exports(folder / "exports", patients=3), shop)


@pytest.mark.parametrize(("work", "point"), CASES, ids=[f"{work.name} {point}" for work, point in CASES])
def test_a_killed_process_leaves_a_lake_that_converges(work: Work, point: int, stage: Stage) -> None:
    changes, golden = stage.golden(work)
    lake = stage.folder / f"{work.name} {point}"
    outcome = stage.kill(work, 1 + point * (changes - 1) // (work.points - 1), lake)
    assert not strange(stage.shop.content(lake), *golden[outcome.finished :][:2])
    assert stage.shop.converged(lake, *stage.steps(work.steps)[outcome.finished :]) == golden[-1]
    shutil.rmtree(lake)
