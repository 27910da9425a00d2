"""Kill points of the tables of contained resources: they are made, changed, made anew and filled up.

A contained table has what it held before or after, and the same work again, or the next that changes the lake, brings
all of them in step with the containers.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lacustre import Lake
from support.contained_rows import require_in_step
from support.kills import deadly_workshop, strange
from support.loading import Resource, write_lines
from support.old_lakes import forget_contained
from support.workshop import Content, Kill, Step, Workshop

pytestmark = pytest.mark.faults("kill points")


@dataclass(frozen=True, slots=True)
class Work:
    """Work to be killed at a number of points, what goes before it, and which of its changes count."""

    name: str
    points: int
    before: tuple[str, ...]
    step: str
    part: str = ""


WORKS = (
    Work("first load", 8, (), "load first"),
    Work("replace", 10, ("load first",), "load second"),
    Work("contained tables", 8, ("load first",), "load second", "/contained/"),
    Work("delete", 6, ("load first",), "delete"),
    Work("merge", 10, ("load first", "load second", "load third"), "maintain"),
    Work("back-fill", 8, ("load first", "load second", "forget"), "maintain", "/contained/"),
    Work("back-fill by a load", 8, ("load first", "load second", "forget"), "load third"),
)
CASES = [(work, point) for work in WORKS for point in range(work.points)]


def _request(kind: str, number: int, day: int, *contained: Resource) -> Resource:
    meta = {"lastUpdated": f"2026-01-{day:02d}T00:00:00Z"}
    return {"resourceType": kind, "id": f"r{number}", "meta": meta, "contained": list(contained)}


def _drug(name: str, status: str) -> Resource:
    return {"resourceType": "Medication", "id": name, "status": status}


def _first() -> Iterator[Resource]:
    for number in range(6):
        organization = {"resourceType": "Organization", "id": "o", "name": str(number)}
        yield _request("MedicationRequest", number, 1, _drug("m", "active"), organization)
        yield _request("MedicationDispense", number, 1, _drug("m", "active"))


def _second() -> Iterator[Resource]:
    yield _request("MedicationRequest", 0, 2, {**_drug("m", "inactive"), "batch": {"lotNumber": "7"}})
    yield {**_request("MedicationRequest", 1, 2), "contained": []}
    yield _request("MedicationDispense", 2, 2, _drug("n", "active"), {"resourceType": "Location", "id": "l"})


@dataclass(slots=True)
class Stage:
    folder: Path
    shop: Workshop
    _golden: dict[str, tuple[int, list[Content]]] = field(default_factory=dict)

    def take(self, lake: Path, name: str) -> None:
        if name == "forget":
            forget_contained(Lake.open(lake))
        else:
            self.shop.perform(lake, self.step(name))

    def step(self, name: str) -> Step:
        meanings: dict[str, Step] = {
            name: ["load", str(self.folder / f"{name}.ndjson")] for name in ("load first", "load second", "load third")
        }
        return {**meanings, "delete": ["delete", "MedicationRequest/r3"], "maintain": ["maintain"]}[name]

    def prepared(self, work: Work) -> Path:
        lake = self.folder / f"prepared {work.name}"
        if not lake.exists():
            lake.mkdir()
            for name in work.before:
                self.take(lake, name)
        return lake

    def golden(self, work: Work) -> tuple[int, list[Content]]:
        """How many changes the work makes, and the contents before and after it."""
        if work.name not in self._golden:
            lake = shutil.copytree(self.prepared(work), self.folder / f"golden {work.name}")
            before = self.shop.content(lake)
            counted = self.shop.run(lake, self.step(work.step), kill=Kill(0, work.part))
            assert counted.changes >= work.points, counted
            self._golden[work.name] = counted.changes, [before, self.shop.content(lake)]
            assert require_in_step(Lake.open(lake)) > 0
        return self._golden[work.name]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("contained")
    write_lines(folder / "load first.ndjson", _first())
    write_lines(folder / "load second.ndjson", _second())
    write_lines(folder / "load third.ndjson", [_request("MedicationRequest", 9, 3, _drug("m", "active"))])
    with deadly_workshop(folder) as shop:
        yield Stage(folder, shop)


@pytest.mark.parametrize(("work", "point"), CASES, ids=[f"{work.name} {point}" for work, point in CASES])
def test_contained_tables_converge(work: Work, point: int, stage: Stage) -> None:
    changes, golden = stage.golden(work)
    lake = shutil.copytree(stage.prepared(work), stage.folder / f"{work.name} {point}")
    number = 1 + point * (changes - 1) // (work.points - 1)
    outcome = stage.shop.run(lake, stage.step(work.step), kill=Kill(number, work.part))
    assert outcome.killed or number >= changes - 1, outcome.printed
    assert not strange(stage.shop.content(lake), *golden)
    again = [stage.step(work.step)] if not outcome.finished else []
    assert stage.shop.converged(lake, *again) == golden[1]
    assert require_in_step(Lake.open(lake)) > 0
    shutil.rmtree(lake)
