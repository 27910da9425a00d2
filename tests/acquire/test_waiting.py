"""Pauses: `Retry-After` in both forms, and the progression of backoff."""

from __future__ import annotations

import threading
import time

import pytest

from lacustre.acquire.waiting import MAX_WAIT, Clock, Pacer, backoff, retry_after
from lacustre.errors import StorageError

NOW = 1_767_225_600.0  # 2026-01-01T00:00:00Z
DATE = "Thu, 01 Jan 2026 00:01:30 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "120"}, 120.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "999999999"}, MAX_WAIT),
        ({"retry-after": DATE}, 90.0),
        ({"retry-after": DATE, "date": "Thu, 01 Jan 2026 00:01:00 GMT"}, 30.0),
        ({"retry-after": "Wed, 31 Dec 2025 23:00:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "²"}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, NOW) == seconds


def test_backoff_doubles_up_to_a_minute() -> None:
    assert [backoff(n) for n in (1, 2, 3, 6, 7, 5000)] == [1, 2, 4, 32, 60, 60]


def test_a_stopped_clock_ends_its_pauses() -> None:
    clock = Clock()
    threading.Timer(0.05, clock.stop).start()
    started = time.monotonic()
    with pytest.raises(StorageError, match="export_stopped"):
        clock.sleep(30)
    assert time.monotonic() - started < 5


def test_a_pause_holds_everybody() -> None:
    clock = Clock()
    pacer = Pacer(clock)
    pacer.hold(0.2)
    started = time.monotonic()
    waiters = [threading.Thread(target=pacer.wait) for _ in range(3)]
    for waiter in waiters:
        waiter.start()
    for waiter in waiters:
        waiter.join()
    assert time.monotonic() - started >= 0.19
