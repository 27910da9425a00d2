"""Figures with their targets, and how times are taken."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

Direction = Literal["at least", "at most"]
MEMORY_TARGET = 2.0
"""GB, of all processes of an operation together."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value; `target` None is for information. `detail` says from what it was computed."""

    section: str
    name: str
    value: float
    unit: str = ""
    direction: Direction = "at most"
    target: float | None = None
    detail: str = ""

    @property
    def verdict(self) -> str:
        if self.target is None:
            return ""
        reached = self.value >= self.target if self.direction == "at least" else self.value <= self.target
        return "ok" if reached else "SHORT"


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def cpu_seconds() -> float:
    """What this process and its children, as far as they have ended, have used of the processors."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def alternate(first: Callable[[], object], second: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Median seconds of two works that take turns, so that a busy machine slows both."""
    times = [(seconds(first), seconds(second)) for _ in range(rounds)]
    return statistics.median(one for one, _ in times), statistics.median(two for _, two in times)


def median_seconds(work: Callable[[], object], rounds: int) -> float:
    return statistics.median(seconds(work) for _ in range(rounds))


def best_of_turns(works: Sequence[Callable[[], object]], budget: float = 1.0, at_least: int = 5) -> list[float]:
    """The shortest seconds of each of several works that take turns, within about `budget` seconds.

    For works of milliseconds: what disturbs them only ever makes them longer.
    """
    times: list[list[float]] = []
    while len(times) < at_least or (sum(map(sum, times)) < budget * len(works) and len(times) < 100):
        times.append([seconds(work) for work in works])
    return [min(column) for column in zip(*times, strict=True)]
