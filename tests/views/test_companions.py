"""Primitives and their companions (`given` and `_given`): what one has not, it does not take from another row."""

from __future__ import annotations

import json

import duckdb

from lacustre.fhir.model import load_model
from lacustre.views.compile import compile_view
from lacustre.views.model import parse_view
from support.typed_tables import load_tables

VIEW = {
    "resource": "Patient",
    "name": "given_url",
    "select": [
        {"column": [{"name": "id", "path": "id"}]},
        {
            "forEachOrNull": "name.given",
            "column": [{"name": "given", "path": "$this"}, {"name": "url", "path": "extension('x').url[0]"}],
        },
    ],
}
PATIENTS = [
    {"id": "a", "name": [{"given": ["A"], "_given": [{"extension": [{"url": "x", "valueString": "v"}]}]}]},
    {"id": "b", "name": [{"given": ["B"]}]},
    {"id": "c", "name": [{"given": ["C", "D"], "_given": [{"extension": [{"url": "x"}]}]}]},
    {"id": "d"},
]


def test_a_shorter_list_of_companions_gives_nothing_of_its_neighbours() -> None:
    model = load_model()
    lines = [json.dumps({"resourceType": "Patient", **patient}) for patient in PATIENTS * 50]
    with duckdb.connect() as connection:
        shapes = load_tables(connection, lines, model)
        rows = connection.execute(compile_view(parse_view(VIEW), model, shapes["Patient"]).sql).fetchall()
    expected = [("a", "A", "x"), ("b", "B", None), ("c", "C", "x"), ("c", "D", None), ("d", None, None)]
    assert sorted(set(rows), key=str) == expected
    assert len(rows) == 250
