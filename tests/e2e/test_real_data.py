"""Every starter view over every set of real data gives the rows of the oracle."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from lacustre import Lake
from lacustre.views.catalog import find_views, starter_views
from support.fhir_json import loads
from support.oracle import evaluate_view
from support.real_data import SETS, some_lines
from support.rows import unmatched


@pytest.mark.parametrize("name", SETS)
def test_starter_views(name: str, tmp_path: Path) -> None:
    lines = some_lines(name)
    source = tmp_path / "source.ndjson"
    source.write_bytes(b"".join(lines))
    lake = Lake.open(tmp_path / "lake")
    assert lake.load(source, time_zone="Europe/Paris").total("rejected") == 0
    resources = [loads(line) for line in lines]
    built = lake.build_views(definitions=starter_views())
    assert sum(manifest.rows > 0 for manifest in built) >= 10
    for view, path in find_views(starter_views()).items():
        definition = json.loads(path.read_text(encoding="utf-8"))
        expected = evaluate_view(definition, resources, zone=ZoneInfo("Europe/Paris"))
        relation = lake.sql(f"SELECT * FROM {view}")
        assert tuple(relation.columns) == expected.columns
        rows = [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]
        assert_same_rows(view, expected.columns[0], expected.rows, rows)


def assert_same_rows(view: str, key: str, expected: list[dict[str, Any]], rows: list[dict[str, Any]]) -> None:
    ours, theirs = by_key(key, rows), by_key(key, expected)
    assert ours.keys() == theirs.keys(), view
    for value in theirs:
        assert unmatched(theirs[value], ours[value]) == ([], []), view


def by_key(key: str, rows: Iterable[dict[str, Any]]) -> dict[Any, list[dict[str, Any]]]:
    found: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        found[row[key]].append(row)
    return found
