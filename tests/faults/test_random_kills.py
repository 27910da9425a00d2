"""Random kills: the whole pipeline, from load to views, is killed at a seeded moment, and then run again.

Every second seed kills the rerun too.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from support.kills import deadly_workshop, strange
from support.successive_exports import definitions_of, successive_exports
from support.workshop import Content, Step, Workshop

pytestmark = pytest.mark.faults("random kills")

SEEDS = range(60)


@dataclass(frozen=True, slots=True)
class Stage:
    """A lake to begin with, the pipeline, how long it takes, and the contents before it and after each step."""

    shop: Workshop
    prepared: Path
    pipeline: tuple[Step, ...]
    seconds: float
    contents: tuple[Content, ...]

    def kill(self, lake: Path, share: float) -> None:
        """Kill the pipeline at a share of its time, and see that every table is as before or after a step."""
        kept = shutil.copytree(lake, lake.with_name("kept"))
        outcome = self.shop.run(lake, *self.pipeline, seconds=share * self.seconds)
        while not outcome.killed:  # it was faster than when its time was taken
            assert outcome.status == 0, outcome.printed
            share *= 0.8
            shutil.rmtree(lake)
            shutil.copytree(kept, lake)
            outcome = self.shop.run(lake, *self.pipeline, seconds=share * self.seconds)
        shutil.rmtree(kept)
        assert not strange(self.shop.content(lake), *self.contents[outcome.finished :]), share


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("kills")
    exports, definitions = successive_exports(folder / "exports", patients=3), str(definitions_of(folder / "views"))
    pipeline = (["load", str(exports.second)], ["views", definitions])
    prepared = folder / "prepared"
    prepared.mkdir()
    with deadly_workshop(folder) as shop:
        shop.perform(prepared, ["load", str(exports.first)], ["views", definitions])
        golden = Path(shutil.copytree(prepared, folder / "golden"))
        contents, seconds = [shop.content(golden)], 0.0
        for step in pipeline:
            started = time.monotonic()
            shop.perform(golden, step)
            seconds += time.monotonic() - started
            contents.append(shop.content(golden))
        yield Stage(shop, prepared, pipeline, seconds, tuple(contents))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_pipeline_that_is_killed_and_run_again_converges(seed: int, stage: Stage, tmp_path: Path) -> None:
    random = Random(seed)
    lake = Path(shutil.copytree(stage.prepared, tmp_path / "lake"))
    for _ in range(1 + seed % 2):
        stage.kill(lake, random.random())
    assert stage.shop.converged(lake, *stage.pipeline) == stage.contents[-1]
    shutil.rmtree(lake)
