"""Concept maps as relations: one row for each target, one for each code without a target."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lacustre import Lake
from lacustre.errors import TerminologyError
from lacustre.fhir.canonical import Canonical
from lacustre.terminology.concept_maps import RELATIONSHIPS, Concept, Translation, concept_map_rows
from lacustre.terminology.resources import ResourceFiles, Terminology
from support.loading import load_lines

URL = "https://example.org/ConceptMap/m"
Resource = dict[str, Any]


def concept_map(*elements: Resource, **members: Any) -> Resource:
    group = {"source": "https://example.org/s", "target": "https://example.org/t", "element": list(elements), **members}
    return {"resourceType": "ConceptMap", "id": "m", "url": URL, "status": "active", "group": [group]}


def rows(resource: Resource) -> list[Translation]:
    return concept_map_rows(Terminology(ResourceFiles([resource])), Canonical(URL))


def to(code: str, **members: Any) -> Resource:
    return {"code": code, "equivalence": "equivalent", **members}


def test_a_row_for_each_target() -> None:
    found = rows(
        concept_map(
            {"code": "a", "display": "A", "target": [to("x", display="X"), to("y", equivalence="wider")]},
            {"code": "b", "target": [to("x")]},
            sourceVersion="1",
            targetVersion="2",
            unmapped={"mode": "fixed", "code": "other"},
        )
    )
    source = Concept("https://example.org/s", "1", "a", "A")
    assert found == [
        Translation(source, Concept("https://example.org/t", "2", "x", "X"), "equivalent"),
        Translation(source, Concept("https://example.org/t", "2", "y"), "source-is-narrower-than-target"),
        Translation(
            Concept("https://example.org/s", "1", "b"), Concept("https://example.org/t", "2", "x"), "equivalent"
        ),
    ]


def test_canonicals_with_versions_as_r5_has_them() -> None:
    element = {"code": "a", "target": [{"code": "x", "relationship": "related-to"}]}
    (row,) = rows(concept_map(element, source="https://example.org/s|1", target="https://example.org/t|2"))
    assert (row.source.version, row.target.version, row.relationship) == ("1", "2", "related-to")


@pytest.mark.parametrize("element", [{"noMap": True}, {"target": [{"equivalence": "unmatched"}]}])
def test_a_code_without_a_target_is_a_row(element: Resource) -> None:
    assert rows(concept_map({"code": "a", **element})) == [
        Translation(Concept("https://example.org/s", None, "a"), Concept(), None)
    ]


def test_a_code_of_which_nothing_is_said_is_no_row() -> None:
    assert rows(concept_map({"code": "a"}, {"code": "b", "noMap": False})) == []


def test_every_equivalence_has_a_relationship() -> None:
    known = {"related-to", "equivalent", "not-related-to"} | {
        "source-is-narrower-than-target",
        "source-is-broader-than-target",
    }
    for equivalence, relationship in RELATIONSHIPS.items():
        (row,) = rows(concept_map({"code": "a", "target": [to("x", equivalence=equivalence)]}))
        assert row.relationship == relationship
    assert {name for name in RELATIONSHIPS.values() if name} == known


@pytest.mark.parametrize(
    ("resource", "why"),
    [
        (concept_map({"code": "a", "target": [to("x")]}, source=""), "no source"),
        (concept_map({"code": "a", "target": [to("x", dependsOn=[{"property": "p"}])]}), "dependsOn"),
        (concept_map({"code": "a", "target": [to("x", product=[{"property": "p"}])]}), "product"),
        (concept_map({"valueSet": "https://example.org/v", "target": [to("x")]}), "valueSet"),
        (concept_map({"code": "a", "target": [{"valueSet": "https://example.org/v"}]}), "valueSet"),
        (concept_map({"target": [to("x")]}), "no code"),
        (concept_map({"code": "a", "target": [{"equivalence": "equal"}]}), "no code"),
        (concept_map({"code": "a", "target": [{"code": "x"}]}), "no relationship"),
        (concept_map({"code": "a", "target": [to("x", equivalence="same")]}), "no relationship"),
        (concept_map({"code": "a", "target": [{"code": "x", "relationship": "equal"}]}), "no relationship"),
        (concept_map({"code": "a", "noMap": True, "target": [to("x")]}), "both"),
    ],
)
def test_what_no_row_can_say_is_refused(resource: Resource, why: str) -> None:
    with pytest.raises(TerminologyError, match="concept_map_not_a_relation") as caught:
        rows(resource)
    assert why in str(caught.value)
    assert "/group/0" in str(caught.value)


@pytest.mark.parametrize(
    "resource",
    [
        concept_map({"code": 5, "target": [to("x")]}),
        concept_map({"code": "a", "target": to("x")}),
        concept_map({"code": "a", "noMap": "true"}),
        {**concept_map(), "group": {}},
        {**concept_map(), "group": ["x"]},
    ],
)
def test_what_is_not_as_fhir_has_it_is_refused(resource: Resource) -> None:
    with pytest.raises(TerminologyError, match="terminology_faulty"):
        rows(resource)


def test_concept_maps_of_a_lake(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake")
    r4 = concept_map(
        {"code": "F", "target": [to("female", equivalence="equal")]},
        {"code": "?", "target": [{"equivalence": "unmatched"}]},
    )
    load_lines(lake, tmp_path, r4)
    (tmp_path / "queries").mkdir()
    sql = f"-- @relatedDependency: {URL} as m\nSELECT * FROM m ORDER BY source_code"
    (tmp_path / "queries/q.sql").write_text(sql)
    relation = lake.query("q", tmp_path / "queries")
    assert relation.columns == [
        *("source_system", "source_version", "source_code", "source_display"),
        *("target_system", "target_version", "target_code", "target_display", "relationship"),
    ]
    assert [row[2:3] + row[4:5] + row[6:7] + row[8:] for row in relation.fetchall()] == [
        ("?", None, None, None),
        ("F", "https://example.org/t", "female", "equivalent"),
    ]
    (tmp_path / "queries/m.json").write_text(json.dumps(concept_map({"code": "M", "noMap": True})))
    assert [row[2] for row in lake.query("q", tmp_path / "queries").fetchall()] == ["M"], "files come first"
