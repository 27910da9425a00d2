"""Every reading of docs/spec-clarifications.md, under its heading."""

from __future__ import annotations

import json
import re
from typing import Any

import duckdb
import pytest

from lacustre.errors import FhirPathTypeError
from lacustre.fhir.model import load_model
from lacustre.views.compile import compile_view
from lacustre.views.model import parse_view
from support.shared import REPOSITORY
from support.typed_tables import load_tables

MODEL = load_model()
EXTENSION = [{"url": "u", "valueCode": "x"}]
ERROR = "error"


def patient(**members: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": "a", **members}


def observation(**members: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", "id": "a", **members}


def organization(reference: str) -> dict[str, Any]:
    return patient(managingOrganization={"reference": reference})


def rows(resource: dict[str, Any], select: dict[str, Any]) -> Any:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'Europe/Paris'")
        shapes = load_tables(connection, [json.dumps(resource)], MODEL)
        view = parse_view({"resource": resource["resourceType"], "name": "v", "select": [select]})
        try:
            return connection.execute(compile_view(view, MODEL, shapes[view.resource]).sql).fetchall()
        except duckdb.InvalidInputException as error:
            assert "LACUSTRE:" in str(error)
            return ERROR


def value(resource: dict[str, Any], path: str, **column: Any) -> Any:
    try:
        found = rows(resource, {"column": [{"name": "c", "path": path, **column}]})
    except FhirPathTypeError:
        return ERROR
    return found if found == ERROR else found[0][0]


NULLS = {
    "forEachOrNull": "name",
    "column": [
        {"name": "literal", "path": "'x'"},
        {"name": "index", "path": "%rowIndex"},
        {"name": "given", "path": "given", "collection": True},
        {"name": "there", "path": "family.exists()"},
    ],
}
BRANCHES = {
    "forEachOrNull": "name",
    "unionAll": [{"column": [{"name": "c", "path": path}]} for path in ("family", "text")],
}
PARTIAL = patient(_birthDate={"extension": EXTENSION})
GIVEN = patient(name=[{"given": ["a", "b"]}, {"given": ["b"]}])
ZONELESS = observation(effectiveDateTime="2020-01-01T00:30:00")

READINGS: dict[str, list[tuple[Any, Any]]] = {
    "An empty collection column is an empty list": [(value(patient(), "name.family", collection=True), [])],
    "The row of nulls has nulls only": [(rows(patient(), NULLS), [(None, 0, None, None)])],
    "One row of nulls for a select, not for each branch": [(rows(patient(), BRANCHES), [(None,)])],
    "Several values in a single column are an error": [(value(GIVEN, "name.given"), ERROR)],
    "A primitive with extensions alone is an element": [
        (value(PARTIAL, "birthDate.exists()"), True),
        (value(PARTIAL, "birthDate"), None),
    ],
    "Types include their subtypes": [
        (value(patient(extension=EXTENSION), "extension.value.ofType(string)"), "x"),
        (value(patient(extension=[{"url": "u", "valueAge": {"unit": "a"}}]), "extension.value.ofType(Quantity).unit"), "a"),
    ],
    "Comparing dates of different precision": [
        (value(patient(birthDate="1950"), "birthDate < @1950-05-01"), None),
        (value(patient(birthDate="1950"), "birthDate < @1951"), True),
    ],
    "A dateTime without a zone is in the tenant's": [
        (value(ZONELESS, "effective.ofType(dateTime) = @2019-12-31T23:30:00Z"), True),
    ],
    "Equality of collections": [
        (value(GIVEN, "name.given = 'a'"), False),
        (value(patient(), "name.given = 'a'"), None),
    ],
    "Incompatible kinds do not compare": [(value(patient(birthDate="1950"), "birthDate = 5"), ERROR)],
    "Numbers keep their spelling until they are computed with": [
        (value(observation(), "10/4", type="decimal"), "2.5"),
        (value(observation(), "1/0", type="decimal"), None),
    ],
    "Text functions on what is not there": [
        (value(patient(), "'12x'.toInteger()"), None),
        (value(patient(), "'abc'.substring(1, 0)"), ""),
        (value(patient(), "gender + 'x'"), None),
        (value(patient(), "gender & 'x'"), "x"),
    ],
    "Union removes duplicates": [(value(GIVEN, "(name.given | name.given).count()"), 2)],
    "Reference keys": [
        (value(organization("http://h/fhir/Organization/1/_history/2"), "managingOrganization.getReferenceKey(Organization)"), "1"),
        (value(organization("Organization/1"), "managingOrganization.getReferenceKey(Patient)"), None),
        (value(organization("#o"), "managingOrganization.getReferenceKey()"), None),
        (value(organization("urn:uuid:1"), "managingOrganization.getReferenceKey()"), None),
        (value(patient(gender="male"), "gender.getReferenceKey()"), ERROR),
    ],
    "Choice elements by their type only": [
        (value(observation(valueString="x"), "value.ofType(string)"), "x"),
        (value(observation(valueString="x"), "valueString"), ERROR),
        (value(observation(valueString="x"), "value"), ERROR),
    ],
    "A declared type has to be right": [(value(patient(birthDate="1950"), "birthDate", type="integer"), ERROR)],
    "Contained resources give no rows": [
        (rows(patient(contained=[patient()]), {"column": [{"name": "id", "path": "id"}]}), [("a",)]),
    ],
}  # fmt: skip


@pytest.mark.parametrize("heading", READINGS)
def test_reading(heading: str) -> None:
    for found, expected in READINGS[heading]:
        assert found == expected


def test_every_reading_is_written_down() -> None:
    page = (REPOSITORY / "docs/spec-clarifications.md").read_text()
    assert re.findall(r"^## (.+)$", page, re.M) == list(READINGS)
