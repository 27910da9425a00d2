"""Judging losslessness without the code under test: Python's own JSON parser, numbers as tagged text."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any


def parse_exactly(line: bytes | str) -> Any:
    """JSON with every number as ("number", its text), so that 1.10, 1.1 and "1.10" all differ."""
    return json.loads(line, parse_int=_number, parse_float=_number)


def _number(text: str) -> tuple[str, str]:
    return ("number", text)


def read_lines(path: Path) -> Iterator[bytes]:
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
        yield from lines


def by_key(lines: Iterable[bytes]) -> dict[tuple[str, str], Any]:
    """Resources by type and id."""
    parsed = (parse_exactly(line) for line in lines)
    return {(resource["resourceType"], resource["id"]): resource for resource in parsed}
