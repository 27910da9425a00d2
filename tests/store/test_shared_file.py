"""DuckDB's threads share one Python file: each gets what it asked for."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from lacustre.store.shared_file import DeferredFile, RangesFile, open_local

DATA = random.Random(3).randbytes(300_000)
FOOTER = 5_000
PARQUET = DATA[: -FOOTER - 8] + DATA[-FOOTER:] + FOOTER.to_bytes(4, "little") + b"PAR1"


def local(folder: Path) -> IO[bytes]:
    (folder / "a.parquet").write_bytes(PARQUET)
    return open_local(folder / "a.parquet")


def ranges(folder: Path) -> IO[bytes]:
    return RangesFile(lambda *, start, end: PARQUET[start:end], len(PARQUET))  # type: ignore[return-value]


def deferred(folder: Path) -> IO[bytes]:
    return DeferredFile(len(PARQUET), PARQUET[-20_000:], lambda: local(folder))  # type: ignore[return-value]


OPENERS = [local, ranges, deferred]


@pytest.mark.parametrize("opener", OPENERS)
def test_every_thread_has_its_own_position(opener: Callable[[Path], IO[bytes]], tmp_path: Path) -> None:
    opened, wrong, meeting = opener(tmp_path), [], threading.Barrier(8)

    def read(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(50):
            start = chance.randrange(len(PARQUET))
            opened.seek(start)
            meeting.wait(30)  # all have sought before one reads
            size = chance.randrange(1, 3_000)
            if opened.read(size) != PARQUET[start : start + size]:
                wrong.append(start)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong


@pytest.mark.parametrize("opener", OPENERS)
def test_a_file_is_read_as_any_other(opener: Callable[[Path], IO[bytes]], tmp_path: Path) -> None:
    with opener(tmp_path) as opened:
        assert opened.readable()
        assert opened.seekable()
        assert opened.read(10) == PARQUET[:10]
        assert opened.tell() == 10
        assert opened.seek(-8, 2) == len(PARQUET) - 8
        assert opened.read() == PARQUET[-8:]
        assert opened.read(5) == b""
        opened.seek(0)
        assert opened.read() == PARQUET
    assert opened.closed


def test_the_footer_does_not_need_the_file(tmp_path: Path) -> None:
    asked: list[int] = []

    def whole() -> IO[bytes]:
        asked.append(1)
        return local(tmp_path)

    opened = DeferredFile(len(PARQUET), PARQUET[-20_000:], whole)
    for start in (len(PARQUET) - 8, len(PARQUET) - FOOTER - 8, len(PARQUET) - 16_384):
        opened.seek(start)
        assert opened.read() == PARQUET[start:]
    assert not asked
    opened.seek(len(PARQUET) - FOOTER - 108)
    assert opened.read(100) == PARQUET[-FOOTER - 108 : -FOOTER - 8]
    opened.seek(0)
    assert opened.read(4) == PARQUET[:4]
    assert len(asked) == 1
