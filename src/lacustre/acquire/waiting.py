"""Waiting: the clock, what `Retry-After` says, longer and longer pauses, and one pause for all downloads."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime

from lacustre.errors import StorageError

MAX_WAIT = 3600.0
"""Seconds: a server that asks for a longer pause is asked again after this."""
_MAX_BACKOFF = 60.0


class Clock:
    """The time, and pauses that `stop` ends from another thread."""

    def __init__(self) -> None:
        self._stopped = threading.Event()

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Raises StorageError once the export is stopped."""
        self._stopped.wait(seconds)
        self.check()

    def stop(self) -> None:
        self._stopped.set()

    def check(self) -> None:
        if self._stopped.is_set():
            raise StorageError("export_stopped", "the export was stopped", "run it again: it goes on from here")


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that `Retry-After` asks for, as a number or an HTTP date (RFC 9110, 10.2.3); None where it is not there.

    A date counts from the reply's own `Date`: the server's clock may not be ours.
    """
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value), MAX_WAIT)
    until = _seconds(value)
    if until is None:
        return None
    return min(max(until - (_seconds(headers.get("date", "")) or now), 0.0), MAX_WAIT)


def _seconds(date: str) -> float | None:
    with suppress(ValueError):
        return parsedate_to_datetime(date).timestamp()
    return None


def backoff(failures: int) -> float:
    """Seconds to wait after so many failures in a row: 1, 2, 4 … 60."""
    return min(2.0 ** min(failures - 1, 6), _MAX_BACKOFF)


class Pacer:
    """One pause for everybody: a server that is asked too often (429) is left alone by all downloads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until = 0.0
        self._lock = threading.Lock()

    def hold(self, seconds: float) -> None:
        with self._lock:
            self._until = max(self._until, self._clock.now() + seconds)

    def wait(self) -> None:
        with self._lock:
            left = self._until - self._clock.now()
        if left > 0:
            self._clock.sleep(left)
        self._clock.check()
