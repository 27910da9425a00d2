"""Digests of files: SHA-256 for what the lake keeps; XXH3-128, which costs nothing beside reading, for its sources."""

from __future__ import annotations

import hashlib
import io
import re
from pathlib import Path
from typing import IO, TYPE_CHECKING

import xxhash

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

READ_BYTES = 4 << 20
_SHA256 = re.compile(r"-([0-9a-f]{64})\.parquet$")


def sha256_of(path: Path) -> str:
    """The SHA-256 of a local file, in hexadecimal."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def named(stem: str, sha256: str) -> str:
    """The name of a data file, which carries the digest of its bytes, so that anybody can check it."""
    return f"{stem}-{sha256}.parquet"


def sha256_in(path: str) -> str | None:
    """The SHA-256 that ends the name of a data file: `…-<64 hexadecimal digits>.parquet`."""
    found = _SHA256.search(path)
    return found[1] if found else None


class DigestingReader(io.RawIOBase):
    """Reads through a file and digests what it read."""

    def __init__(self, opened: IO[bytes]) -> None:
        self._opened = opened
        self._digest = xxhash.xxh3_128()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._opened.read(size)
        self._digest.update(data)
        return data

    def readinto(self, buffer: WriteableBuffer) -> int:
        data = self.read(len(memoryview(buffer)))
        memoryview(buffer)[: len(data)] = data
        return len(data)

    def hexdigest(self) -> str:
        """The XXH3-128 of everything up to here; reads the rest of the file first, if anything is left."""
        while self.read(READ_BYTES):
            pass
        return self._digest.hexdigest()
