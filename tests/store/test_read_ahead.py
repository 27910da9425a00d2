"""Reading a remote file in parts that are fetched ahead."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

import pytest

from lacustre.store.read_ahead import PART_BYTES, PARTS_AHEAD, ReadAhead

DATA = bytes(range(251)) * (3 * PART_BYTES // 250)


def fetching(calls: list[tuple[int, int]]) -> Callable[[int, int], bytes]:
    lock = Lock()

    def fetch(start: int, end: int) -> bytes:
        with lock:
            calls.append((start, end))
        return DATA[start:end]

    return fetch


@pytest.mark.parametrize("size", [-1, 1000_003, PART_BYTES, PART_BYTES + 1])
def test_the_bytes_come_in_order_and_once(size: int) -> None:
    calls: list[tuple[int, int]] = []
    with ReadAhead(fetching(calls), len(DATA)) as opened:
        parts = list(iter(lambda: opened.read(size), b""))
    assert b"".join(parts) == DATA
    assert all(len(part) == size for part in parts[:-1])
    assert sum(end - start for start, end in calls) == len(DATA)


def test_no_more_is_fetched_than_parts_ahead() -> None:
    calls: list[tuple[int, int]] = []
    with ReadAhead(fetching(calls), len(DATA)) as opened:
        assert opened.read(10) == DATA[:10]
    assert len(calls) <= PARTS_AHEAD + 1


def test_an_empty_file_has_no_bytes() -> None:
    with ReadAhead(lambda _start, _end: b"", 0) as opened:
        assert opened.read() == b""


def test_a_file_that_became_shorter_is_an_error() -> None:
    with (
        ReadAhead(lambda start, end: DATA[start : end - 1], len(DATA)) as opened,
        pytest.raises(OSError, match="short"),
    ):
        opened.read()
