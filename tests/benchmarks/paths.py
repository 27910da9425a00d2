"""FHIRPath as SQL: against evaluation row at a time, and `repeat` against a view that has no levels."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import fhirpathpy
from fhirpathpy.models import models

from benchmarks.data import base_folder
from benchmarks.measure import Figure, best_of_turns, seconds
from benchmarks.views import table_shapes
from lacustre import Lake
from lacustre.store.scan import PARQUET
from lacustre.views.compile import compile_view
from lacustre.views.model import parse_view

COLUMNS = {
    "id": "id",
    "status": "status",
    "category": "category.coding.where(system.exists()).code.first()",
    "code": "code.coding.code.first()",
    "value": "value.ofType(Quantity).value",
    "unit": "value.ofType(Quantity).unit",
    "moment": "effective.ofType(dateTime)",
    "big": "value.ofType(Quantity).value > 100",
}
SAMPLED = 300
REPEAT_TARGET = 3.0
LEVELS, ANSWERS, FORMS = 5, 2, 4_000
_ITEM = {"column": [{"name": "link_id", "path": "linkId"}, {"name": "text", "path": "answer.value.ofType(string)"}]}


def row_at_a_time_figure(folder: Path, budget: float) -> Figure:
    """Rows in a second of a view over Observations, against fhirpathpy's compiled expressions on some of them."""
    lines = gzip.decompress((base_folder() / "Observation.ndjson.gz").read_bytes()).splitlines()
    lake = Lake.open(folder)
    source = folder.with_suffix(".ndjson")
    source.write_bytes(b"\n".join(lines) + b"\n")
    lake.load(source)
    columns = [{"name": name, "path": path} for name, path in COLUMNS.items()]
    ours = _copy_seconds([(lake, {"resource": "Observation", "select": [{"column": columns}]})], folder, budget)[0]
    expressions = [fhirpathpy.compile(path, models["r4"]) for path in COLUMNS.values()]
    resources = [json.loads(line) for line in lines[:: len(lines) // SAMPLED][:SAMPLED]]
    theirs = seconds(lambda: [[expression(one) for expression in expressions] for one in resources])
    factor = (len(lines) / ours) / (len(resources) / theirs)
    detail = f"{len(lines) / ours:,.0f} rows/s against {len(resources) / theirs:,.0f}, {len(COLUMNS)} columns"
    return Figure("FHIRPath", "rows in a second, of fhirpathpy's", factor, direction="at least", detail=detail)


def repeat_figure(folder: Path, budget: float) -> Figure:
    """`repeat` over five levels of items, against `forEach` over as many items of one level."""
    deep, flat = (_forms(folder / name, levels) for name, levels in (("deep", LEVELS), ("flat", 1)))
    views: list[tuple[Lake, Mapping[str, Any]]] = [
        (deep, {"resource": "QuestionnaireResponse", "select": [{"repeat": ["item"], **_ITEM}]}),
        (flat, {"resource": "QuestionnaireResponse", "select": [{"forEach": "item", **_ITEM}]}),
    ]
    repeated, plain = _copy_seconds(views, folder, budget)
    detail = f"{FORMS * _items(LEVELS):,} rows: {repeated * 1e3:.0f} ms against {plain * 1e3:.0f} ms"
    return Figure("FHIRPath", "repeat five levels deep", repeated / plain, target=REPEAT_TARGET, detail=detail)


def _items(levels: int) -> int:
    return sum(ANSWERS**level for level in range(1, levels + 1))


def _forms(folder: Path, levels: int) -> Lake:
    """A lake of forms with as many items as five levels have, on so many levels."""
    folder.mkdir(parents=True)
    source = folder / "forms.ndjson"
    with source.open("w") as target:
        for number in range(FORMS):
            items = _tree(levels, str(number)) if levels > 1 else _row(_items(LEVELS), str(number))
            form = {"resourceType": "QuestionnaireResponse", "id": str(number), "status": "completed", "item": items}
            target.write(json.dumps(form) + "\n")
    lake = Lake.open(folder / "lake")
    lake.load(source)
    return lake


def _tree(levels: int, name: str) -> list[dict[str, Any]]:
    return [
        _item(f"{name}.{number}") | ({"item": _tree(levels - 1, f"{name}.{number}")} if levels > 1 else {})
        for number in range(ANSWERS)
    ]


def _row(count: int, name: str) -> list[dict[str, Any]]:
    return [_item(f"{name}.{number}") for number in range(count)]


def _item(name: str) -> dict[str, Any]:
    return {"linkId": name, "answer": [{"valueString": f"answer to {name}"}]}


def _copy_seconds(views: Sequence[tuple[Lake, Mapping[str, Any]]], folder: Path, budget: float) -> list[float]:
    """The shortest seconds of writing each view's rows to Parquet."""
    works = []
    for number, (lake, definition) in enumerate(views):
        tables, session = table_shapes(lake), lake.session()
        view = parse_view(definition)
        compiled = compile_view(view, tables.model, tables.of(view.resource)).sql
        statement = f"COPY ({compiled}) TO '{folder}-{number}.parquet' ({PARQUET})"
        works.append(lambda session=session, statement=statement: session.execute(statement).fetchall())
    return best_of_turns(works, budget)
