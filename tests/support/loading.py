"""Loading lines in tests."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lacustre import Lake
from lacustre.store.load_result import LoadResult

Resource = dict[str, Any]


def write_lines(path: Path, lines: Iterable[bytes | str | Resource]) -> Path:
    """A file of lines: bytes and texts as they are, resources as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(_bytes(line) + b"\n" for line in lines))
    return path


def _bytes(line: bytes | str | Resource) -> bytes:
    if isinstance(line, bytes):
        return line
    return (line if isinstance(line, str) else json.dumps(line, ensure_ascii=False)).encode()


def load_lines(lake: Lake, folder: Path, *lines: bytes | str | Resource, **options: Any) -> LoadResult:
    """Load lines as one file; every line may be rejected."""
    number = len(list(folder.glob("load-*.ndjson")))
    options.setdefault("max_rejects", 1.0)
    return lake.load(write_lines(folder / f"load-{number:03d}.ndjson", lines), processes=1, **options)


def versions(lake: Lake) -> dict[str, int | None]:
    """The Delta version of every raw table."""
    return {table.name: table.version for table in lake.tables() if table.schema == "fhir"}
