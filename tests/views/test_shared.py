"""Items that several columns read from: worked out once, and the same rows."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

from support.view_runs import run_view

CODING = [{"system": "x", "code": "1"}, {"system": "y", "code": "2", "display": "two"}]
PATIENTS = [
    {
        "resourceType": "Patient",
        "id": "a",
        "contact": [
            {"relationship": [{"text": "none"}, {"coding": CODING}], "organization": {"reference": "Organization/o"}},
            {"relationship": [{"coding": CODING[1:]}, {"coding": CODING[:1]}]},
            {"gender": "male"},
        ],
    },
    {"resourceType": "Patient", "id": "b"},
]
CODES = "relationship.coding"


def rows(*paths: str, iteration: str = "forEachOrNull") -> list[tuple[Any, ...]]:
    columns = [{"name": f"c{number}", "path": path} for number, path in enumerate(paths)]
    view = {"resource": "Patient", "select": [{iteration: "contact", "column": columns}]}
    return sorted((tuple(row.values()) for row in run_view(view, PATIENTS)), key=repr)


@pytest.mark.parametrize("iteration", ["forEach", "forEachOrNull"])
@pytest.mark.parametrize(
    "item",
    [
        f"{CODES}.first()",
        f"{CODES}.last()",
        f"{CODES}[1]",
        f"{CODES}.where(system = 'x').first()",
        f"{CODES}.where(code in %resource.contact.relationship.coding.code).first()",
        "relationship.where(coding.exists(code = '2')).coding.first()",
        f"{CODES}.where(system = %resource.contact.relationship.coding.first().system).first()",
    ],
)
def test_members_of_one_item_are_those_of_each_alone(item: str, iteration: str) -> None:
    paths = [f"{item}.{name}" for name in ("system", "code", "display")]
    alone = "%resource.id & '/' & %rowIndex.toString()"
    found = {row[0]: row[1:] for row in rows(alone, *paths, iteration=iteration)}
    one_by_one = [dict(rows(alone, path, iteration=iteration)) for path in paths]
    assert found == {key: tuple(column[key] for column in one_by_one) for key in found}
    assert len(found) == (4 if iteration == "forEachOrNull" else 3)


def test_items_that_differ_in_a_text_only_are_kept_apart() -> None:
    paths = [f"{CODES}.where(system = '{system}').first().code" for system in ("x", "y", "x_0", "x_1")]
    assert rows(*paths, iteration="forEach") == [("1", "2", None, None), ("1", "2", None, None), (None,) * 4]


def test_what_stops_the_query_is_not_worked_out_where_nothing_asks_for_it() -> None:
    guarded = [
        f"iif({CODES}.count() = 1, {CODES}.where(system.lower() = 'x').single().{name})" for name in ("code", "system")
    ]
    assert rows(*guarded, iteration="forEach") == [(None, None)] * 3
    with pytest.raises(duckdb.Error, match="several values"):
        rows(f"{CODES}.single().code", f"{CODES}.single().system")
