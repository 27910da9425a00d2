"""Views over contained resources where they are asked for, and keys of what is contained, through real loads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lacustre import Lake
from lacustre.errors import DataError, ViewDefinitionError
from lacustre.views.builds.sources import CONTAINED_URL
from support.loading import Resource, load_lines
from support.old_lakes import forget_contained
from support.two_patients import GONE, files_below, gone_lines, other_lines, traces

ASKED = {"extension": [{"url": CONTAINED_URL, "valueBoolean": True}]}
DRUG = {"resourceType": "Medication", "id": "m1", "code": {"text": "Paracetamol"}}
MAKER = {"resourceType": "Organization", "id": "o1", "name": "Laboratoire"}


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    monkeypatch.setenv("LACUSTRE_CACHE", str(tmp_path / "cache"))
    return Lake.open(tmp_path / "lake")


def request(name: str, *contained: Resource, reference: str = "#m1", day: int = 1, of: str = "p") -> Resource:
    return {
        "resourceType": "MedicationRequest",
        "id": name,
        "meta": {"lastUpdated": f"2026-01-{day:02d}T00:00:00Z"},
        "contained": list(contained),
        "subject": {"reference": f"Patient/{of}"},
        "medicationReference": {"reference": reference},
    }


def view(name: str, resource: str, columns: Mapping[str, str], **members: Any) -> dict[str, Any]:
    listed = [{"name": column, "path": path} for column, path in columns.items()]
    return {"resource": resource, "name": name, "select": [{"column": listed}], **members}


def build(lake: Lake, *views: dict[str, Any], **options: Any) -> None:
    folder = Path(lake.uri).parent / "definitions"
    folder.mkdir(exist_ok=True)
    for one in views:
        (folder / f"{one['name']}.json").write_text(json.dumps(one))
    lake.build_views(*(one["name"] for one in views), definitions=folder, **options)


def rows(lake: Lake, query: str) -> list[tuple[Any, ...]]:
    return lake.sql(query).fetchall()


MEDICATIONS = view("drug", "Medication", {"id": "getResourceKey()", "text": "code.text"})
ALL_MEDICATIONS = {**MEDICATIONS, **ASKED, "name": "all_drugs"}
ORDERS = view(
    "orders",
    "MedicationRequest",
    {
        "id": "getResourceKey()",
        "any": "medication.ofType(Reference).getReferenceKey()",
        "drug": "medication.ofType(Reference).getReferenceKey(Medication)",
        "maker": "medication.ofType(Reference).getReferenceKey(Organization)",
    },
)


def test_ordinary_views_never_see_contained_resources(lake: Lake, tmp_path: Path) -> None:
    load_lines(lake, tmp_path, request("a", DRUG), {**DRUG, "id": "m9"})
    build(lake, MEDICATIONS, ALL_MEDICATIONS)
    assert rows(lake, "FROM drug") == [("m9", "Paracetamol")]
    assert rows(lake, "FROM all_drugs ORDER BY id") == [
        ("MedicationRequest/a#m1", "Paracetamol"),
        ("m9", "Paracetamol"),
    ]
    assert rows(lake, "SELECT lake_resource FROM lineage.all_drugs ORDER BY 1") == [
        ("Medication/MedicationRequest/a#m1",),
        ("Medication/m9",),
    ]


def test_a_build_can_ask_for_all_and_a_type_that_is_only_contained(lake: Lake, tmp_path: Path) -> None:
    load_lines(lake, tmp_path, request("a", DRUG), request("b"))
    build(lake, MEDICATIONS, contained=True)
    assert rows(lake, "FROM drug") == [("MedicationRequest/a#m1", "Paracetamol")]
    (manifest,) = lake.views()
    assert (manifest.contained, manifest.contained_version, manifest.source_version) == (True, 1, None)
    build(lake, MEDICATIONS)
    assert rows(lake, "FROM drug") == []


def test_keys_of_local_references_join_to_contained_rows(lake: Lake, tmp_path: Path) -> None:
    lines = [
        request("a", DRUG, MAKER),
        request("b", DRUG, MAKER, reference="#o1"),
        request("c", DRUG, reference="#zz"),
        request("d", DRUG, reference="Medication/m9"),
        request("e", DRUG, DRUG),
    ]
    load_lines(lake, tmp_path, *lines)
    build(lake, ORDERS, ALL_MEDICATIONS)
    assert rows(lake, "FROM orders ORDER BY id") == [
        ("a", "MedicationRequest/a#m1", "MedicationRequest/a#m1", None),
        ("b", "MedicationRequest/b#o1", None, "MedicationRequest/b#o1"),
        ("c", None, None, None),
        ("d", "m9", "m9", None),
        ("e", None, None, None),
    ]
    joined = "SELECT orders.id, text FROM orders JOIN all_drugs ON all_drugs.id = orders.drug ORDER BY 1"
    assert rows(lake, joined) == [("a", "Paracetamol")]


def test_contained_rows_refer_to_their_neighbours_and_their_container(lake: Lake, tmp_path: Path) -> None:
    def drug(reference: str) -> Resource:
        return {**DRUG, "manufacturer": {"reference": reference}}

    references = ("#o1", "#", "#zz", "#m1", "Organization/7")
    load_lines(lake, tmp_path, *(request(f"r{n}", drug(one), MAKER) for n, one in enumerate(references)))
    path = "manufacturer.getReferenceKey"
    columns = {"id": "id", "any": f"{path}()", "maker": f"{path}(Organization)", "order": f"{path}(MedicationRequest)"}
    build(lake, view("makers", "Medication", columns, **ASKED))
    assert rows(lake, "SELECT * EXCLUDE (id) FROM makers ORDER BY id") == [
        ("MedicationRequest/r0#o1", "MedicationRequest/r0#o1", None),
        ("r1", None, "r1"),
        (None, None, None),
        ("MedicationRequest/r3#m1", None, None),
        ("7", "7", None),
    ]


def test_a_later_load_makes_such_a_view_stale_and_is_refreshed(lake: Lake, tmp_path: Path) -> None:
    load_lines(lake, tmp_path, request("a", DRUG), {**DRUG, "id": "m9"})
    build(lake, MEDICATIONS, ALL_MEDICATIONS)
    load_lines(lake, tmp_path, request("b", DRUG))
    assert lake.stale_views() == ["all_drugs"]
    build(lake, MEDICATIONS, ALL_MEDICATIONS)
    assert [(one.view, one.made, one.parts) for one in lake.views()] == [("all_drugs", 1, 2), ("drug", 0, 1)]
    assert [one for one, _ in rows(lake, "FROM all_drugs ORDER BY id")] == [
        "MedicationRequest/a#m1",
        "MedicationRequest/b#m1",
        "m9",
    ]
    load_lines(lake, tmp_path, {**request("a", day=2), "contained": []})
    build(lake, ALL_MEDICATIONS)
    assert [one for one, _ in rows(lake, "FROM all_drugs ORDER BY id")] == ["MedicationRequest/b#m1", "m9"]
    lake.maintain()
    assert lake.stale_views() == []


def test_such_views_of_the_past(lake: Lake, tmp_path: Path) -> None:
    load_lines(lake, tmp_path, request("a", DRUG))
    load_lines(lake, tmp_path, {**request("a", day=2), "contained": []}, request("b", DRUG))
    build(lake, ALL_MEDICATIONS)
    assert lake.at(1).sql("SELECT id FROM all_drugs").fetchall() == [("MedicationRequest/a#m1",)]
    assert lake.at(2).sql("SELECT id FROM all_drugs").fetchall() == [("MedicationRequest/b#m1",)]


def test_what_is_not_extracted_yet_is_refused(lake: Lake, tmp_path: Path) -> None:
    load_lines(lake, tmp_path, request("a", DRUG))
    forget_contained(lake)
    build(lake, MEDICATIONS)
    with pytest.raises(
        DataError, match=r"contained_not_extracted: what the resources of fhir/MedicationRequest contain"
    ):
        build(lake, ALL_MEDICATIONS)
    lake.maintain()
    build(lake, ALL_MEDICATIONS)
    assert len(rows(lake, "FROM all_drugs")) == 1


@pytest.mark.parametrize("value", [{}, {"valueBoolean": "true"}, {"valueString": "x"}])
def test_an_extension_that_does_not_say_it_well(value: dict[str, Any], lake: Lake, tmp_path: Path) -> None:
    load_lines(lake, tmp_path, request("a", DRUG))
    with pytest.raises(ViewDefinitionError, match="extension_value"):
        build(lake, {**MEDICATIONS, "extension": [{"url": "other"}, {"url": CONTAINED_URL, **value}]})
    build(lake, {**MEDICATIONS, "extension": [{"url": CONTAINED_URL, "valueBoolean": False}]})
    assert rows(lake, "FROM drug") == []


def test_an_erasure_takes_contained_rows_out_of_views(lake: Lake, tmp_path: Path) -> None:
    group = {"resourceType": "Group", "id": "grp-gone-1", "contained": [{**DRUG, "id": "g1"}]}
    group["member"] = [{"entity": {"reference": f"Patient/{GONE}"}}]
    load_lines(lake, tmp_path, *gone_lines(), *other_lines(), group, request("ord-gone-1", DRUG, of=GONE))
    load_lines(lake, tmp_path, request("ord-1", DRUG))
    build(lake, ALL_MEDICATIONS, MEDICATIONS)
    assert len(rows(lake, "FROM all_drugs")) == 3
    receipt = lake.erase(f"Patient/{GONE}", reason="RGPD, article 17")
    assert (receipt.complete, receipt.views) == (True, 2)
    assert rows(lake, "SELECT id FROM all_drugs") == [("MedicationRequest/ord-1#m1",)]
    assert traces(files_below(Path(lake.uri)), [GONE, "ord-gone", "grp-gone"]) == []
    assert lake.stale_views() == []
    build(lake, ALL_MEDICATIONS)
    assert rows(lake, "SELECT id FROM all_drugs") == [("MedicationRequest/ord-1#m1",)]
    assert lake.verify().sound


def test_a_session_of_the_past_has_both_kinds_of_views_and_the_table(lake: Lake, tmp_path: Path) -> None:
    load_lines(lake, tmp_path, request("a", DRUG), {**DRUG, "id": "m9"})
    build(lake, MEDICATIONS, ALL_MEDICATIONS)
    load_lines(lake, tmp_path, request("b", DRUG))
    with lake.at(1).session() as session:
        found = {
            name: session.execute(f"SELECT id FROM {name} ORDER BY id").fetchall()
            for name in ("drug", "all_drugs", "fhir.Medication")
        }
    assert found == {
        "drug": [("m9",)],
        "all_drugs": [("MedicationRequest/a#m1",), ("m9",)],
        "fhir.Medication": [("m9",)],
    }
