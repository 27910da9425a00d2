"""Draws: portable, and distributed as they say."""

from __future__ import annotations

from collections import Counter
from random import Random
from statistics import fmean, stdev

from lacustre.sample.draw import bell, between, weighted


def test_the_bell_is_centred_and_bounded() -> None:
    rng = Random(7)
    drawn = [bell(rng) for _ in range(20_000)]
    assert abs(fmean(drawn)) < 0.03
    assert abs(stdev(drawn) - 1) < 0.03
    assert max(map(abs, drawn)) < 3.47


def test_between_stays_between() -> None:
    rng = Random(7)
    drawn = [between(rng, -2.0, 3.0) for _ in range(5_000)]
    assert -2.0 <= min(drawn) < -1.95
    assert 2.95 < max(drawn) < 3.0


def test_weights_are_shares_and_zero_is_never_drawn() -> None:
    rng = Random(7)
    drawn = Counter(weighted(rng, (("a", 3.0), ("b", 1.0), ("c", 0.0))) for _ in range(8_000))
    assert set(drawn) == {"a", "b"}
    assert 2.7 < drawn["a"] / drawn["b"] < 3.3


def test_the_same_seed_draws_the_same_numbers() -> None:
    """Python keeps `Random.random()` of a text seed stable over versions; the sample depends on it."""
    assert [round(Random("lacustre").random(), 12), round(bell(Random("lacustre")), 12)] == [
        0.485337844076,
        1.394223696385,
    ]
