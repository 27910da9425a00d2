"""Bulk exports in tests: a folder of NDJSON files and a manifest."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from support.loading import Resource, write_lines

Lines = Sequence[bytes | str | Resource]


def write_export(
    folder: Path,
    day: int,
    output: Mapping[str, Lines],
    *,
    error: Lines = (),
    deleted: Lines = (),
    announced: Mapping[str, int] | None = None,
    **members: Any,
) -> Path:
    """An export of a day of January 2026: a file for each type, which announces the lines that it has or others."""
    wanted = announced or {}
    manifest: dict[str, Any] = {"transactionTime": f"2026-01-{day:02d}T00:00:00Z", **members}
    manifest["output"] = [_entry(folder, name, lines, wanted) for name, lines in output.items()]
    manifest["error"] = [_entry(folder, "errors", error, wanted)] if error else []
    manifest["deleted"] = [_entry(folder, "deleted", deleted, wanted)] if deleted else []
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def _entry(folder: Path, name: str, lines: Lines, announced: Mapping[str, int]) -> dict[str, Any]:
    write_lines(folder / f"{name}.ndjson", lines)
    return {"type": name, "url": f"{name}.ndjson", "count": announced.get(name, len(lines))}
