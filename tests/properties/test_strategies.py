"""What the strategies make: valid resources, views that run, and enough of everything."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from lacustre.fhir.model import JSON_KINDS, load_model
from support.fhir_json import Lexeme, dumps, loads
from support.oracle import OracleError, evaluate_view
from support.strategies import RESOURCE_TYPES, resource_sets, resources, views

sampled = settings(
    max_examples=60,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)

KINDS: dict[str, tuple[type, ...]] = {"boolean": (bool,), "integer": (int,), "decimal": (int, Lexeme), "string": (str,)}


def check_object(value: dict[str, Any], type_: str) -> None:
    """Every member is defined, of the right JSON kind, and never empty; nulls stand beside an extension."""
    assert value, type_
    for name, item in value.items():
        if name == "resourceType":
            continue
        element, member_type = load_model().type(type_).members[name]
        assert isinstance(item, list) == element.many, (type_, name)
        items = item if isinstance(item, list) else [item]
        assert any(single is not None for single in items)
        others = value.get(f"_{name}")
        if element.many and others:
            assert all(a is not None or b is not None for a, b in zip(items, others, strict=True))
        for single in items:
            check_item(single, member_type, name)


def check_item(item: Any, type_: str, name: str) -> None:
    if item is None:
        assert name in {"given", "_given"}
    elif type_ in JSON_KINDS:
        assert type(item) in KINDS[JSON_KINDS[type_]], (name, type_, item)
    else:
        check_object(item, item["resourceType"] if type_ == "Resource" else type_)


@pytest.mark.parametrize("resource_type", RESOURCE_TYPES)
def test_resources_are_valid(resource_type: str) -> None:
    required = {e.name for e in load_model().type(resource_type).elements.values() if e.required}

    @sampled
    @given(resources(resource_type))
    def check(resource: dict[str, Any]) -> None:
        assert resource["resourceType"] == resource_type
        assert required <= resource.keys()
        check_object(resource, resource_type)
        again = loads(dumps(resource))
        assert again == resource and dumps(again) == dumps(resource)

    check()


def test_sets_have_one_resource_of_an_id() -> None:
    @sampled
    @given(resource_sets("QuestionnaireResponse"))
    def check(found: list[dict[str, Any]]) -> None:
        assert len({resource["id"] for resource in found}) == len(found) > 0

    check()


def test_views_run_and_use_everything() -> None:
    seen: Counter[str] = Counter()
    outcome: Counter[str] = Counter()

    @settings(sampled, max_examples=250)
    @given(st.sampled_from(RESOURCE_TYPES).flatmap(lambda t: st.tuples(resource_sets(t, 2), views(t))))
    def run(drawn: tuple[list[dict[str, Any]], dict[str, Any]]) -> None:
        found, view = drawn
        seen.update(re.findall(r"\w+(?=\()|(?<=\")[a-z]\w+(?=\":)|%\w+| [-+*/&|=<>!]+ | is ", dumps(view)))
        try:
            rows = evaluate_view(view, found).rows
        except OracleError:
            outcome["fault"] += 1
        else:
            outcome["rows"] += len(rows)
            outcome["values"] += sum(value is not None for row in rows for value in row.values())

    run()
    functions = "where exists empty first last single ofType extension join not count toString toInteger substring"
    functions += " startsWith endsWith contains lowBoundary highBoundary getResourceKey getReferenceKey"
    structure = "forEach forEachOrNull repeat unionAll select column where constant collection %rowIndex"
    operators = {" + ", " - ", " * ", " / ", " & ", " | ", " = ", " != ", " < ", " > ", " <= ", " >= ", " is "}
    assert {*functions.split(), *structure.split(), *operators} <= seen.keys()
    assert outcome["fault"] < 15
    assert outcome["rows"] > 200 and outcome["values"] > 500
