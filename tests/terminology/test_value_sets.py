"""Value sets as relations: every member, or an error that says why not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from lacustre import Lake
from lacustre.errors import TerminologyError
from lacustre.fhir.canonical import Canonical
from lacustre.terminology.lake_resources import LakeResources
from lacustre.terminology.resources import ResourceFiles, Terminology
from lacustre.terminology.value_sets import Member, value_set_members
from support.loading import load_lines

URL = "https://example.org/ValueSet/v"
LOINC = "http://loinc.org"
LOCAL = "https://example.org/CodeSystem/local"
Resource = dict[str, Any]

SYSTEM: Resource = {
    "resourceType": "CodeSystem",
    "id": "local",
    "url": LOCAL,
    "version": "7",
    "status": "active",
    "content": "complete",
    "concept": [
        {
            "code": "group",
            "display": "Group",
            "property": [{"code": "notSelectable", "valueBoolean": True}],
            "concept": [
                {"code": "a", "display": "A"},
                {"code": "b", "property": [{"code": "status", "valueCode": "retired"}]},
            ],
        },
        {"code": "c", "display": "C", "property": [{"code": "inactive", "valueBoolean": True}]},
    ],
}


def value_set(**members: Any) -> Resource:
    return {"resourceType": "ValueSet", "id": "v", "url": URL, "status": "active", **members}


def of(*includes: Resource, **members: Any) -> Resource:
    return value_set(compose={"include": list(includes), **members})


def expanded(*contains: Resource, **members: Any) -> Resource:
    return value_set(expansion={"timestamp": "2024-01-01", "contains": list(contains), **members})


def entry(code: str, **members: Any) -> Resource:
    return {"system": LOINC, "code": code, **members}


def members(*resources: Resource, url: str = URL) -> list[Member]:
    return value_set_members(Terminology(ResourceFiles(resources)), Canonical.parse(url))


def codes(*resources: Resource) -> list[str]:
    return [member.code for member in members(*resources)]


def refusal(*resources: Resource) -> str:
    with pytest.raises(TerminologyError) as caught:
        members(*resources)
    return f"{caught.value.code}: {caught.value.message}"


def test_listed_concepts() -> None:
    listed = [{"code": "1-1", "display": "One"}, {"code": "2-2"}]
    assert members(of({"system": LOINC, "version": "2.77", "concept": listed})) == [
        Member(LOINC, "2.77", "1-1", "One", None),
        Member(LOINC, "2.77", "2-2", None, None),
    ]


def test_a_whole_system_that_is_there() -> None:
    assert members(of({"system": LOCAL}), SYSTEM) == [
        Member(LOCAL, "7", "a", "A", False),
        Member(LOCAL, "7", "b", None, True),
        Member(LOCAL, "7", "c", "C", True),
    ]


def test_listed_concepts_of_a_system_that_is_there() -> None:
    found = members(of({"system": LOCAL, "concept": [{"code": "b"}, {"code": "a"}]}), SYSTEM)
    assert found == [Member(LOCAL, None, "b", None, True), Member(LOCAL, None, "a", "A", False)]


def test_inactive_codes_are_left_out_where_the_value_set_says_so() -> None:
    assert codes(of({"system": LOCAL}, inactive=False), SYSTEM) == ["a"]
    listed = of({"system": LOINC, "concept": [{"code": "1-1"}]}, inactive=False)
    assert "which these are is not known" in refusal(listed)


def test_what_is_excluded() -> None:
    listed = {"system": LOINC, "version": "2", "concept": [{"code": "1-1"}, {"code": "2-2"}]}
    gone: Resource = {"system": LOINC, "concept": [{"code": "1-1"}]}
    assert codes(of(listed, exclude=[gone])) == ["2-2"]
    assert codes(of(listed, exclude=[{**gone, "version": "3"}])) == ["1-1", "2-2"]
    assert codes(of({"system": LOCAL}, exclude=[{"system": LOCAL, "concept": [{"code": "b"}]}]), SYSTEM) == ["a", "c"]


def test_value_sets_in_value_sets() -> None:
    other = {**of({"system": LOINC, "concept": [{"code": "1-1"}, {"code": "2-2"}]}), "url": f"{URL}2"}
    third = {**of({"system": LOINC, "concept": [{"code": "2-2"}, {"code": "3-3"}]}), "url": f"{URL}3"}
    both = {"valueSet": [f"{URL}2", f"{URL}3"]}
    assert codes(of(both), other, third) == ["2-2"]
    assert codes(of({"valueSet": [f"{URL}2"]}, {"valueSet": [f"{URL}3"]}), other, third) == ["1-1", "2-2", "3-3"]
    assert codes(of({"system": LOINC, "concept": [{"code": "2-2"}, {"code": "9-9"}], **both}), other, third) == ["2-2"]
    assert "value_set_not_found" in refusal(of({"valueSet": [f"{URL}4"]}))
    circle = {**of({"valueSet": [URL]}), "url": f"{URL}2"}
    assert f"{URL} → {URL}2 → {URL}" in refusal(of({"valueSet": [f"{URL}2"]}), circle)


def test_an_expansion_with_its_tree() -> None:
    found = members(
        expanded(
            entry("0-0", abstract=True, contains=[entry("1-1", display="One", inactive=True)]),
            {"abstract": True, "display": "others", "contains": [entry("2-2", version="2", contains=[entry("3-3")])]},
            entry("1-1"),
            total=6,
        )
    )
    assert found == [
        Member(LOINC, None, "1-1", "One", True),
        Member(LOINC, "2", "2-2", None, None),
        Member(LOINC, None, "3-3", None, None),
    ]


def test_an_empty_expansion() -> None:
    assert members(expanded(total=0)) == []
    assert "does not say that it has none" in refusal(expanded())


@pytest.mark.parametrize(
    ("expansion", "why"),
    [
        ({"total": 5}, "1 of 5"),
        ({"offset": 100}, "one page"),
        ({"next": "https://example.org/next"}, "one page"),
        ({"parameter": [{"name": "filter", "valueString": "glu"}]}, "filter"),
        ({"parameter": [{"name": "activeOnly", "valueBoolean": True}]}, "activeonly"),
        ({"parameter": [{"name": "limitedExpansion", "valueBoolean": True}]}, "limitedexpansion"),
        (
            {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/valueset-unclosed", "valueBoolean": True}]},
            "incomplete",
        ),
        (
            {
                "extension": [
                    {"url": "http://hl7.org/fhir/StructureDefinition/valueset-toocostly", "valueBoolean": True}
                ]
            },
            "incomplete",
        ),
    ],
)
def test_a_part_of_an_expansion_is_refused(expansion: Resource, why: str) -> None:
    found = refusal(expanded(entry("1-1"), **expansion))
    assert "value_set_incomplete" in found
    assert why in found


def test_parameters_that_leave_nothing_out() -> None:
    given = [{"name": "activeOnly", "valueBoolean": False}, {"name": "displayLanguage", "valueCode": "fr"}]
    assert codes(expanded(entry("1-1"), parameter=given, total=1, offset=0)) == ["1-1"]


@pytest.mark.parametrize(
    ("resources", "why"),
    [
        ([value_set()], "neither an expansion nor"),
        ([of()], "includes nothing"),
        ([of({})], "include of nothing"),
        ([of({"valueSet": ["#inner"]})], "includes #inner, which is contained"),
        ([of({"system": f"{LOCAL}|8"}), SYSTEM], "includes all of"),
        ([of({"system": LOINC})], "includes all of http://loinc.org"),
        ([of({"system": LOCAL, "version": "8"}), SYSTEM], "includes all of"),
        ([of({"system": LOCAL}), {**SYSTEM, "content": "fragment"}], "includes all of"),
        ([of({"system": LOCAL}), {**SYSTEM, "content": "supplement"}], "includes all of"),
        ([of({"system": LOINC, "filter": [{"property": "p", "op": "=", "value": "v"}]})], "filters http://loinc.org"),
        ([of({"system": LOCAL}, lockedDate="2024-01-01"), SYSTEM], "of a date"),
    ],
)
def test_what_is_not_enumerated_is_refused(resources: Sequence[Resource], why: str) -> None:
    found = refusal(*resources)
    assert "value_set_incomplete" in found
    assert why in found


@pytest.mark.parametrize(
    "resource",
    [
        of({"concept": [{"code": "1-1"}]}),
        of({"system": LOINC, "concept": [{"display": "x"}]}),
        of({"system": LOINC, "concept": ["1-1"]}),
        of({"system": 5}),
        of({"system": LOINC, "concept": []}),
        of({"system": LOINC, "concept": None}),
        of({"system": LOINC, "concept": [{"code": "1-1"}], "valueSet": []}),
        value_set(compose=[]),
        value_set(compose={"include": {}}),
        value_set(compose={"include": [{"valueSet": URL}]}),
        expanded({"code": "1-1"}),
        expanded({"system": LOINC, "display": "x"}),
        expanded(entry("1-1", inactive="true")),
        expanded(entry("1-1"), total=True),
        value_set(expansion={"contains": "x"}),
    ],
)
def test_what_is_not_as_fhir_has_it_is_refused(resource: Resource) -> None:
    assert refusal(resource).split(":")[0] in ("terminology_faulty", "value_set_faulty")


def test_a_version_in_the_url_of_a_system_is_its_version() -> None:
    concept = {"concept": [{"code": "1-1"}]}
    written, meant = of({"system": f"{LOINC}|2.74", **concept}), of({"system": LOINC, "version": "2.74", **concept})
    assert members(written) == members(meant)
    assert members(written)[0].system == LOINC


def test_a_contradiction_is_refused() -> None:
    found = refusal(expanded(entry("1-1", inactive=True), entry("1-1", inactive=False)))
    assert "value_set_contradiction" in found


def test_versions_are_named_where_there_are_several() -> None:
    one, two = ({**expanded(entry(f"{n}-{n}")), "version": str(n)} for n in (1, 2))
    assert "canonical_ambiguous" in refusal(one, two)
    assert [member.code for member in members(one, two, url=f"{URL}|2")] == ["2-2"]
    assert codes(one, {**one, "id": "copy", "meta": {"versionId": "5"}}) == ["1-1"], "copies of one resource are one"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    made = Lake.open(tmp_path / "lake")
    load_lines(made, tmp_path, of({"system": LOCAL}), SYSTEM, {"resourceType": "Patient", "id": "p"})
    (tmp_path / "queries").mkdir()
    query = f"-- @relatedDependency: {URL} as v\nSELECT * FROM v ORDER BY code"
    (tmp_path / "queries/members.sql").write_text(query)
    return made


def test_value_sets_of_a_lake(lake: Lake, tmp_path: Path) -> None:
    relation = lake.query("members", tmp_path / "queries")
    assert list(zip(relation.columns, map(str, relation.types), strict=True)) == [
        *((name, "VARCHAR") for name in ("system", "version", "code", "display")),
        ("inactive", "BOOLEAN"),
    ]
    assert relation.fetchall() == [
        (LOCAL, "7", "a", "A", False),
        (LOCAL, "7", "b", None, True),
        (LOCAL, "7", "c", "C", True),
    ]


def test_files_come_before_the_lake(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "queries/v.json").write_text(json.dumps(expanded(entry("1-1"))))
    assert lake.query("members", tmp_path / "queries").fetchall() == [(LOINC, None, "1-1", None, None)]


def test_a_lake_of_the_past_has_its_value_sets(lake: Lake, tmp_path: Path) -> None:
    load_lines(lake, tmp_path, {**expanded(entry("1-1")), "meta": {"lastUpdated": "2030-01-01T00:00:00Z"}})
    assert [row[2] for row in lake.query("members", tmp_path / "queries").fetchall()] == ["1-1"]
    assert [row[2] for row in lake.at(1).query("members", tmp_path / "queries").fetchall()] == ["a", "b", "c"]


def test_a_lake_without_terminology(tmp_path: Path) -> None:
    made = Lake.open(tmp_path / "lake")
    load_lines(made, tmp_path, {"resourceType": "Patient", "id": "p"})
    assert LakeResources(made._tenant).named("ValueSet", URL) == []


def test_an_empty_value_set_has_its_columns(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "queries/v.json").write_text(json.dumps(expanded(total=0)))
    relation = lake.query("members", tmp_path / "queries")
    assert (relation.columns[0], relation.fetchall()) == ("system", [])
