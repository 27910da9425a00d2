"""The stages of a compiled view as text."""

from __future__ import annotations

from typing import Any

from lacustre.fhir.model import load_model
from lacustre.fhir.shape import Shape
from lacustre.views import ir
from lacustre.views.compile import compile_view
from lacustre.views.explain import _DESCRIPTIONS, Stage, explain_view
from lacustre.views.model import parse_view
from lacustre.views.rewrite import _OPERANDS

VIEW: dict[str, Any] = {
    "resource": "Patient",
    "name": "names",
    "where": [{"path": "active and name.family.exists()"}],
    "select": [
        {"column": [{"name": "id", "path": "id"}]},
        {
            "forEachOrNull": "name.where(use = 'official')",
            "column": [{"name": "given", "path": "given", "collection": True}, {"name": "i", "path": "%rowIndex"}],
        },
        {"unionAll": [{"column": [{"name": "u", "path": "'a'"}]}, {"column": [{"name": "u", "path": "gender"}]}]},
    ],
}
SHAPE: Shape = {"id": {}, "active": {}, "name": {"use": {}, "family": {}, "given": {}}}


def explain(stage: Stage, shape: Shape = SHAPE) -> str:
    return explain_view(compile_view(parse_view(VIEW), load_model(), shape), stage)


def test_the_typed_view() -> None:
    assert explain("ir").splitlines() == [
        "view names of Patient",
        "  where (r.active and exists([x_1.family for x_1 in r.name]))",
        "  select",
        "    id: id = r.id",
        "  for each or null e_3: HumanName in [x_2 in r.name if (x_2.use = 'official')]",
        "    given: string* = e_3.given",
        "    i: integer = index(e_3)",
        "  select",
        "    union all",
        "      select",
        "        u: string = 'a'",
        "    union all",
        "      select",
        "        u: code = r.gender",
    ]


def test_the_plan_is_pruned_to_the_table() -> None:
    assert explain("plan").splitlines() == [
        "plan over Patient",
        "  where (r.active and exists([x_1.family for x_1 in r.name]))",
        "  branch 1",
        "    unnest e_3 in [x_2 in r.name if (x_2.use = 'official')], or null, indexed",
        "    id = r.id",
        "    given = e_3.given within e_3",
        "    i = index(e_3)",
        "    u = 'a'",
        "  branch 2",
        "    unnest e_3 in [x_2 in r.name if (x_2.use = 'official')], or null, indexed",
        "    id = r.id",
        "    given = e_3.given within e_3",
        "    i = index(e_3)",
        "    u = {}",
    ]


def test_the_plan_of_an_empty_view() -> None:
    assert explain("plan", {}).splitlines()[-1].startswith("  empty, with id, given, i, u")


def test_the_sql() -> None:
    assert explain("sql").startswith("SELECT")


def test_every_class_of_value_is_described_and_walked() -> None:
    classes = set(ir.Value.__args__)
    assert classes == set(_DESCRIPTIONS)
    assert classes <= set(_OPERANDS)
