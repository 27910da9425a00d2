"""An erasure that is killed between two of its changes is completed by the same command."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lacustre import Lake
from support.kills import deadly_workshop
from support.loading import load_lines
from support.successive_exports import definitions_of
from support.two_patients import (
    GONE,
    OTHER,
    files_below,
    gone_lines,
    gone_patient,
    observation,
    other_lines,
    reject,
    traces,
)
from support.workshop import Content, Kill, Step, Workshop

pytestmark = pytest.mark.faults("erasure kills")
POINTS = 20
ERASE: Step = ["command", "erase", f"Patient/{GONE}", "--reason", "RGPD, article 17"]


@dataclass(frozen=True, slots=True)
class Stage:
    """A lake with the patient, and what it holds after an erasure that nobody kills, in so many changes."""

    folder: Path
    shop: Workshop
    changes: int
    golden: Content


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("erasure")
    os.environ["LACUSTRE_CACHE"] = str(folder / "cache")
    lake = Lake.open(folder / "prepared" / "lake")
    load_lines(lake, folder, *gone_lines(), *other_lines(), reject(GONE), shards=2)
    load_lines(lake, folder, gone_patient(3), observation("obs-new", OTHER))
    lake.build_views(definitions=definitions_of(folder / "definitions"))
    with deadly_workshop(folder) as shop:
        whole = shutil.copytree(folder / "prepared", folder / "golden") / "lake"
        outcome = shop.run(whole, ERASE, kill=Kill())
        assert outcome.status == 0, outcome.printed
        yield Stage(folder, shop, outcome.changes, shop.converged(whole))
    del os.environ["LACUSTRE_CACHE"]


@pytest.mark.parametrize("point", range(POINTS))
def test_a_killed_erasure_is_completed(point: int, stage: Stage) -> None:
    place = shutil.copytree(stage.folder / "prepared", stage.folder / f"killed {point}") / "lake"
    number = 1 + point * (stage.changes - 1) // (POINTS - 1)
    outcome = stage.shop.run(place, ERASE, kill=Kill(number))
    assert outcome.killed, f"change {number} of {stage.changes}: {outcome.printed}"
    again = [ERASE] if number < stage.changes else []
    assert stage.shop.converged(place, *again) == stage.golden
    assert traces(files_below(place)) == []
    shutil.rmtree(place.parent)
