"""Draws that give the same numbers on every platform and Python version.

Only additions and multiplications of `Random.random()`: the transcendental functions behind `gauss` may
differ in their last digit from one C library to another.
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import TypeVar

T = TypeVar("T")


def chance(rng: Random, probability: float) -> bool:
    return rng.random() < probability


def between(rng: Random, low: float, high: float) -> float:
    return low + (high - low) * rng.random()


def bell(rng: Random) -> float:
    """A bell-shaped number, mean 0, standard deviation 1, within ±3.47 (Irwin-Hall, four terms)."""
    return (rng.random() + rng.random() + rng.random() + rng.random() - 2.0) * 1.7320508


def weighted(rng: Random, choices: Iterable[tuple[T, float]]) -> T:
    """One of the values, with a probability proportional to its weight; at least one weight is positive."""
    options = [(value, weight) for value, weight in choices if weight > 0]
    total = 0.0
    for _, weight in options:
        total += weight
    mark = rng.random() * total
    for value, weight in options:
        mark -= weight
        if mark < 0:
            return value
    return options[-1][0]
