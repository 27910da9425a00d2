"""Three thousand damaged resources: each comes back as Python reads it, or is refused and listed."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lacustre import Lake
from support.lake_content import exported, listed_rejects
from support.line_judge import NotAResourceError, judge_line
from support.measured import Run, commands, run_lacustre
from support.mutations import mutate, valid_resources
from support.workshop import Workshop

__all__ = ["commands"]  # a fixture

pytestmark = pytest.mark.faults("mutated inputs")

SEED = 20260101
RESOURCES = 50
FILES = 10
MUTATIONS_OF_A_FILE = 300
MEMORY_BYTES = 512 << 20


@dataclass(slots=True)
class Batch:
    """A file of mutated resources: of every mutation the lines that it became."""

    lines: list[bytes]
    mutations: list[int]

    @classmethod
    def make(cls, number: int) -> Batch:
        resources, batch = valid_resources(RESOURCES), cls([], [])
        assert len(resources) == RESOURCES
        for mutation in range(MUTATIONS_OF_A_FILE):
            choose = random.Random(f"{SEED}/{number}/{mutation}")
            line = resources[mutation % RESOURCES]
            for text in mutate(line, f"m{mutation}", choose).split(b"\n"):
                batch.lines.append(text)
                batch.mutations.append(mutation)
        return batch

    def judged(self) -> tuple[dict[tuple[str, str], list[tuple[int, Any]]], set[int]]:
        """The resources that the lines hold, by key, with their line; and the lines that hold none."""
        held: dict[tuple[str, str], list[tuple[int, Any]]] = {}
        bad: set[int] = set()
        for number, line in enumerate(self.lines, 1):
            if not line.strip(b" \t\r"):
                continue
            try:
                resource = judge_line(line)
                held.setdefault((resource["resourceType"], resource["id"]), []).append((number, resource))
            except NotAResourceError:
                bad.add(number)
        return held, bad

    def lost(self, lake: Lake, run: Run) -> set[int]:
        """Lines that were taken wrongly, or refused wrongly."""
        held, bad = self.judged()
        found = exported(lake)
        refused = {line for _, line, _ in listed_rejects(lake)}
        wrong = {
            line
            for key, versions in held.items()
            for line, _ in versions
            if all(resource != found.get(key) for _, resource in versions)
        }
        read = sum(len(versions) for versions in held.values()) + len(bad)
        assert (_total(run, "read"), _total(run, "rejected")) == (read, len(refused)), f"seed {SEED}"
        assert _total(run, "inserted") == len(found), f"seed {SEED}"
        assert found.keys() <= held.keys(), f"seed {SEED}"
        return wrong | (bad ^ refused)


def _total(run: Run, fate: str) -> int:
    return sum(row[fate] for name, row in run.counts().items() if name != "total")


@pytest.mark.parametrize("number", range(FILES))
def test_damaged_resources(number: int, commands: Workshop, tmp_path: Path, tally: Callable[[int, int], None]) -> None:
    batch = Batch.make(number)
    source = tmp_path / "in.ndjson"
    source.write_bytes(b"\n".join(batch.lines))
    run = run_lacustre(commands, tmp_path / "lake", "load", source, "--max-rejects", "1")
    assert (run.is_typed, run.status) == (True, 0), f"seed {SEED}, file {number}: {run.err[-2000:]}"
    assert run.peak_bytes < MEMORY_BYTES
    lost = batch.lost(Lake.open(tmp_path / "lake"), run)
    if lost:
        print(f"seed {SEED}, file {number}: lines {sorted(lost)}")
    tally(MUTATIONS_OF_A_FILE - len({batch.mutations[line - 1] for line in lost}), MUTATIONS_OF_A_FILE)
