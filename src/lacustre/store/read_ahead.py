"""A file that is fetched in parts, several at a time, before they are asked for."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

PART_BYTES = 8 << 20
PARTS_AHEAD = 3


class ReadAhead(io.RawIOBase):
    """Reads `size` bytes in order; `fetch` gives those from one offset up to another, in any thread.

    What `fetch` raises, the next read raises; and OSError where it gives less.
    """

    def __init__(self, fetch: Callable[[int, int], bytes], size: int) -> None:
        self._fetch = fetch
        self._starts: Iterator[int] = iter(range(0, size, PART_BYTES))
        self._size = size
        self._pool = ThreadPoolExecutor(PARTS_AHEAD)
        self._coming: deque[Future[bytes]] = deque()
        self._part = memoryview(b"")
        for _ in range(PARTS_AHEAD):
            self._ask()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        parts: list[memoryview] = []
        wanted = self._size if size < 0 else size
        while wanted and self._fill():
            part, self._part = self._part[:wanted], self._part[wanted:]
            wanted -= len(part)
            parts.append(part)
        return b"".join(parts)

    def readinto(self, buffer: WriteableBuffer) -> int:
        data = self.read(len(memoryview(buffer)))
        memoryview(buffer)[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        super().close()

    def _fill(self) -> bool:
        """Whether there are bytes to read, after the next part has come if need be."""
        if not self._part and self._coming:
            self._part = memoryview(self._coming.popleft().result())
            self._ask()
        return bool(self._part)

    def _ask(self) -> None:
        start = next(self._starts, None)
        if start is not None:
            self._coming.append(self._pool.submit(self._get, start, min(start + PART_BYTES, self._size)))

    def _get(self, start: int, end: int) -> bytes:
        part = self._fetch(start, end)
        if len(part) != end - start:
            raise OSError("the file became shorter while it was read")
        return part
