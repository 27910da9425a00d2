"""Small data made large, and large data made small, without losing what makes them real.

Larger: copies of every resource in which each UUID (ids and references alike) is another one, so that keys stay
unique and references stay whole. Smaller: lines spread over the file, and before them the ones that show a JSON
path first, so that a part has all the columns of the whole.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import orjson

UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_DIGIT_OFFSETS = [offset for offset in range(36) if offset not in (8, 13, 18, 23)]
_DIGITS = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
_VALUES = np.zeros(256, dtype=np.uint8)
_VALUES[_DIGITS] = np.arange(16, dtype=np.uint8)
_VERSION_DIGIT, _VARIANT_DIGIT = 12, 16
SEARCHED_FOR_PATHS = 2 << 20
"""Bytes at the beginning of a file in which paths are looked for."""


@dataclass(frozen=True, slots=True)
class Template:
    """A file, and where the UUIDs begin that differ from copy to copy."""

    data: bytes
    starts: np.ndarray[tuple[int], np.dtype[np.int64]]

    @classmethod
    def of(cls, data: bytes, kept: frozenset[bytes] = frozenset()) -> Template:
        """`kept` are UUIDs that all copies share, as patients share a hospital."""
        starts = (match.start() for match in UUID.finditer(data) if match.group() not in kept)
        return cls(data, np.fromiter(starts, dtype=np.int64))

    def copy(self, number: int) -> bytes:
        """Copy 0 is the file itself."""
        if number == 0:
            return self.data
        changed = np.frombuffer(bytearray(self.data), dtype=np.uint8)
        for offset, key in zip(_DIGIT_OFFSETS, _key(number), strict=True):
            places = self.starts + offset
            changed[places] = _DIGITS[_VALUES[changed[places]] ^ key]
        return changed.tobytes()


def _key(number: int) -> list[int]:
    """A digit to combine with each digit of a UUID; version and variant stay as they are."""
    digits = [int(digit, 16) for digit in hashlib.blake2b(str(number).encode(), digest_size=16).hexdigest()]
    digits[_VERSION_DIGIT] = digits[_VARIANT_DIGIT] = 0
    return digits


def ids_of(lines: Iterable[bytes]) -> frozenset[bytes]:
    return frozenset(orjson.loads(line)["id"].encode() for line in lines)


def reduce(data: bytes, share: float) -> bytes:
    """A part of the lines: those that show a path first, and others evenly up to the share."""
    lines = data.splitlines(keepends=True)
    wanted = max(1, round(len(lines) * share))
    chosen = set(_first_of_each_path(data[:SEARCHED_FOR_PATHS].splitlines(keepends=True)))
    step = len(lines) / wanted
    chosen.update(int(position * step) for position in range(wanted))
    return b"".join(lines[number] for number in sorted(chosen))


def _first_of_each_path(lines: list[bytes]) -> Iterator[int]:
    seen: set[str] = set()
    for number, line in enumerate(line for line in lines if line.endswith(b"\n")):
        before = len(seen)
        _add_paths(orjson.loads(line), "", seen)
        if len(seen) > before:
            yield number


def _add_paths(value: object, path: str, seen: set[str]) -> None:
    if isinstance(value, dict):
        for name, member in value.items():
            seen.add(f"{path}.{name}")
            _add_paths(member, f"{path}.{name}", seen)
    elif isinstance(value, list):
        for element in value:
            _add_paths(element, path, seen)
