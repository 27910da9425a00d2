"""`Lake.draft_view`: what a table fills becomes columns, and the draft holds whatever the table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lacustre import Lake
from lacustre.errors import InputError, SettingsError
from lacustre.sample import generate_sample
from lacustre.views.draft import write_document
from lacustre.views.draft.names import distinct, joined, label_of, snake_case
from lacustre.views.model import load_view
from support.real_data import SETS, some_lines

MAX_COLUMNS = 45


def observation(number: int, **members: Any) -> dict[str, Any]:
    loinc = {"system": "http://loinc.org", "code": f"{number}-0", "display": "Sodium"}
    local = {"system": "urn:oid:1.2.3", "code": "NA"}
    return {
        "resourceType": "Observation",
        "id": f"o{number}",
        "status": "final",
        "code": {"coding": [local, loinc] if number % 2 else [loinc]},
        "subject": {"reference": f"Patient/p{number}"},
        "performer": [{"reference": "Practitioner/a"}, {"reference": "Organization/b"}][: 1 + number % 2],
        "valueQuantity": {"value": 140, "unit": "mmol/L"},
        "extension": [{"url": "http://x.org/Fhir/sourceSystem", "valueCode": "lab"}],
        **members,
    }


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    folder = tmp_path_factory.mktemp("draft")
    rare = {"note": [{"text": "seen"}], "effectivePeriod": {"start": "2020"}}
    parts = {"component": [{"code": {"text": "a"}, "valueString": "x"}, {"code": {"text": "b"}}]}
    lines = [observation(number, **(rare if number == 0 else parts if number == 1 else {})) for number in range(40)]
    source = folder / "observations.ndjson"
    source.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    found = Lake.open(folder / "lake")
    found.load(source)
    return found


def columns(document: dict[str, Any]) -> dict[str, str]:
    return {column["name"]: column["path"] for select in document["select"] for column in select["column"]}


def test_what_is_filled_becomes_columns(lake: Lake) -> None:
    found = columns(lake.draft_view("Observation"))
    assert found == {
        "id": "getResourceKey()",
        "patient_id": "subject.getReferenceKey(Patient)",
        "status": "status",
        "code_system": "code.coding.first().system",
        "code": "code.coding.first().code",
        "code_display": "code.coding.first().display",
        "code_loinc": "code.coding.where(system = %loinc_system).first().code",
        "code_oid_1_2_3": "code.coding.where(system = %oid_1_2_3_system).first().code",
        "performer_id": "performer.first().getReferenceKey(Practitioner)",
        "value_quantity": "value.ofType(Quantity).value",
        "value_quantity_unit": "value.ofType(Quantity).unit",
        "source_system": "extension(%source_system_url).value.ofType(code).first()",
    }


def test_what_is_rare_can_be_asked_for(lake: Lake) -> None:
    found = columns(lake.draft_view("Observation", at_least=0))
    assert {"effective_start", "note_text", "component_count"} <= found.keys()
    assert found["effective_start"] == "effective.ofType(Period).start"


def test_each_item_of_a_repeating_element_can_have_a_row(lake: Lake) -> None:
    document = lake.draft_view("Observation", for_each="component")
    assert document["name"] == "observation_component"
    assert [select.get("forEach") for select in document["select"]] == [None, "component"]
    assert list(columns(document)) == ["observation_id", "patient_id", "position", "code_text", "value_string"]
    codings = lake.draft_view("Observation", for_each="code.coding")
    assert list(columns(codings))[2:] == ["position", "system", "code", "display"]


@pytest.mark.parametrize("path", ["status", "nothing", "value", "component.", "code", "subject.reference"])
def test_what_does_not_repeat_gives_no_rows(lake: Lake, path: str) -> None:
    with pytest.raises(InputError) as caught:
        lake.draft_view("Observation", for_each=path)
    assert caught.value.code == "bad_for_each"


def test_a_draft_is_the_same_each_time_and_says_what_it_is_of(lake: Lake) -> None:
    first, again = (write_document(lake.draft_view("Observation")) for _ in range(2))
    assert first == again
    document = json.loads(first)
    assert document["description"].startswith("Drafted from 40 Observation resources;")
    described = {column["name"]: column["description"] for column in document["select"][0]["column"]}
    assert described["code_loinc"] == "Code of http://loinc.org; filled in all rows."
    assert described["code_oid_1_2_3"] == "Code of urn:oid:1.2.3; filled in 50 % of the rows."
    assert described["code"] == "First of up to 2 codings; filled in all rows."


def test_a_sample_is_enough_and_always_the_same(lake: Lake) -> None:
    first, again = (lake.draft_view("Observation", rows=7) for _ in range(2))
    assert first == again
    assert first["description"].startswith("Drafted from 7 Observation resources;")


def test_a_table_that_is_not_there(lake: Lake) -> None:
    with pytest.raises(InputError) as caught:
        lake.draft_view("Patient")
    assert caught.value.code == "no_such_table"
    with pytest.raises(SettingsError):
        lake.draft_view("Obsevation")
    with pytest.raises(InputError):
        lake.draft_view("Observation", at_least=5)


def assert_draft_holds(lake: Lake, folder: Path, resource_type: str, for_each: str | None = None) -> None:
    """It has no finding at all, builds, has a row for each resource or item, and no column that is empty."""
    document = lake.draft_view(resource_type, for_each=for_each)
    assert len(columns(document)) <= MAX_COLUMNS
    folder.mkdir(exist_ok=True)
    path = folder / f"{document['name']}.json"
    path.write_text(write_document(document), encoding="utf-8")
    assert load_view(path).name == document["name"]
    report = lake.check_views(path)
    assert list(report.findings()) == [], resource_type
    [built] = lake.build_views(document["name"], definitions=folder)
    assert built.rows == report.views[0].rows
    if for_each is None:
        assert built.rows == lake.sql(f'SELECT count(*) FROM fhir."{resource_type}"').fetchall()[0][0]


def test_drafts_of_every_table_of_the_sample(tmp_path: Path) -> None:
    export = generate_sample(tmp_path / "export", patients=30)
    lake = Lake.open(tmp_path / "lake")
    lake.load(export.folder)
    types = [table.name for table in lake.tables() if table.schema == "fhir"]
    assert len(types) >= 15
    for resource_type in types:
        assert_draft_holds(lake, tmp_path / "views", resource_type)
    assert_draft_holds(lake, tmp_path / "views", "Patient", "name")
    assert_draft_holds(lake, tmp_path / "views", "Encounter", "location")


@pytest.mark.parametrize("name", SETS)
def test_drafts_of_every_table_of_real_data(name: str, tmp_path: Path) -> None:
    source = tmp_path / "source.ndjson"
    source.write_bytes(b"".join(some_lines(name)))
    lake = Lake.open(tmp_path / "lake")
    lake.load(source)
    for table in lake.tables():
        if table.schema == "fhir":
            assert_draft_holds(lake, tmp_path / "views", table.name)


@pytest.mark.parametrize(
    ("name", "snake"),
    [
        ("birthDate", "birth_date"),
        ("valueCodeableConcept", "value_codeable_concept"),
        ("us-core-race", "us_core_race"),
        ("Observation_code.coding", "observation_code_coding"),
        ("ABCDef", "abc_def"),
    ],
)
def test_names_in_snake_case(name: str, snake: str) -> None:
    assert snake_case(name) == snake


def test_names_of_columns() -> None:
    assert joined("value_code", "code", "display") == "value_code_display"
    assert label_of("https://hospital.example/CodeSystem/Local-Labs/") == "local_labs"
    assert distinct(["a", "A", "order", "1x", "a"], "x") == ["a", "A_2", "x_order", "x_1x", "a_3"]


def test_odd_urls_and_systems_are_no_harm(tmp_path: Path) -> None:
    odd = ["it's \\ odd", "it's\\odd", "http://x.org/été", "9", "http://x.org/2nd", "lake_x", "\u200b", "order"]
    extensions = [{"url": url, "valueString": "x", "extension": [{"url": f"{url}'"}]} for url in odd]
    nested = [{"url": url, "extension": [{"url": inner, "valueCode": "c"} for inner in odd]} for url in odd]
    codings = [{"system": system, "code": "a"} for system in odd]
    lines = [
        {"resourceType": "Basic", "id": f"b{n}", "code": {"coding": codings}, "extension": [*extensions, *nested]}
        for n in range(3)
    ]
    source = tmp_path / "basic.ndjson"
    source.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    lake = Lake.open(tmp_path / "lake")
    lake.load(source)
    document = lake.draft_view("Basic")
    path = tmp_path / "basic.json"
    path.write_text(write_document(document), encoding="utf-8")
    report = lake.check_views(path)
    assert [finding.diagnostic for _, finding in report.findings() if finding.level != "note"] == []
    assert report.views[0].rows == 3
    assert all(column.filled == 3 for column in report.views[0].columns)
    assert len(report.views[0].columns) >= 8
