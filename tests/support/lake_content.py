"""What a lake holds: resources as they come back, and the lines that it refused."""

from __future__ import annotations

from typing import Any

from lacustre import Lake
from support.lossless import by_key


def exported(lake: Lake) -> dict[tuple[str, str], Any]:
    """Every resource of the lake by type and id; fails where a key comes twice."""
    lines = [line for table in lake.tables() if table.schema == "fhir" for line in lake.export(table.name)]
    found = by_key(lines)
    assert len(found) == len(lines)
    return found


def listed_rejects(lake: Lake) -> list[tuple[str, int, str]]:
    """File, line and reason of every refused line; fails where the lake has never refused one."""
    return lake.sql("SELECT file, line, reason FROM lake.rejects ORDER BY ALL").fetchall()
