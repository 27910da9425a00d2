"""What a downloaded file holds: whether it is whole, whether it is NDJSON, and how much."""

from __future__ import annotations

import gzip
import shutil
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

_GZIP = b"\x1f\x8b"
_MAX_LINE = 64 << 20
_LOOKED_AT = 10
_SEVERITIES = {"fatal", "error", "warning", "information", "success"}


@dataclass(frozen=True, slots=True)
class Contents:
    """`lines` are not blank; `resource_type` is the first readable line's, None where the first ten are none.

    `cut` says that the last line ends before its resource does.
    """

    lines: int
    resource_type: str | None
    cut: bool


def unpack(packed: Path, target: Path) -> bool:
    """Decompress a gzip file, twice where a server packed a packed one; False where the trailer does not fit."""
    try:
        with gzip.open(packed) as source, target.open("wb") as plain:
            shutil.copyfileobj(source, plain, 1 << 20)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        return False
    if not is_gzip(target):
        return True
    again = target.with_name(f"{target.name}.again")
    target.replace(again)
    try:
        return unpack(again, target)
    finally:
        again.unlink()


def is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == _GZIP


def read_contents(path: Path) -> Contents:
    """Reads the whole file once, in bounded memory."""
    lines, found, last = 0, None, b"\n"
    inside = False
    with path.open("rb") as file:
        while line := file.readline(_MAX_LINE):
            starts = not inside and not line.isspace()
            lines += starts
            if starts and found is None and lines <= _LOOKED_AT:
                found = _type_of(line)
            inside = not line.endswith(b"\n")
            last = line
    return Contents(lines, found, inside and len(last) < _MAX_LINE and _type_of(last) is None and not last.isspace())


def count_deletes(path: Path) -> int:
    """DELETE entries of a file of transaction Bundles."""
    bundles = _objects(path)
    entries = (entry for bundle in bundles for entry in _list(bundle.get("entry")) if isinstance(entry, dict))
    return sum(_member(entry.get("request"), "method") == "DELETE" for entry in entries)


def count_severities(path: Path) -> Counter[str]:
    """Issues of a file of OperationOutcomes, by severity; a severity that FHIR does not have is `unknown`."""
    issues = (issue for outcome in _objects(path) for issue in _list(outcome.get("issue")))
    said = (_member(issue, "severity") for issue in issues)
    return Counter(text if isinstance(text, str) and text in _SEVERITIES else "unknown" for text in said)


def _objects(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for line in file:
            if (found := _object(line)) is not None:
                yield found


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        found = orjson.loads(line.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def _type_of(line: bytes) -> str | None:
    name = (_object(line) or {}).get("resourceType")
    return name if isinstance(name, str) else None


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _member(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, dict) else None
