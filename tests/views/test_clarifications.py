"""Every reading of docs/spec-clarifications.md, under its heading."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import duckdb
import pytest

from lacustre.errors import ViewDefinitionError
from lacustre.fhir.model import load_model
from lacustre.views.compile import compile_view
from lacustre.views.model import parse_view
from support.shared import REPOSITORY
from support.view_runs import run_view

Check = Callable[[], None]
EXTENSION = [{"url": "u", "valueCode": "x"}]
SEVERAL = "several values"


def patient(**members: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": "a", **members}


def observation(**members: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", "id": "a", **members}


def quantity(lexeme: str) -> str:
    """An Observation in JSON text: the spelling of its value counts."""
    return f'{{"resourceType":"Observation","id":"a","valueQuantity":{{"value":{lexeme}}}}}'


def organization(reference: str) -> dict[str, Any]:
    return patient(managingOrganization={"reference": reference})


def column(path: str, name: str = "c", **members: Any) -> dict[str, Any]:
    return {"column": [{"name": name, "path": path, **members}]}


def outcome(resource: dict[str, Any] | str, *selects: dict[str, Any], **view: Any) -> Any:
    """The rows of a view; else what it was refused for, or `SEVERAL`."""
    type_ = "Observation" if isinstance(resource, str) else resource["resourceType"]
    try:
        found = run_view({"resource": type_, "select": list(selects), **view}, [resource], zone="Europe/Paris")
    except ViewDefinitionError as error:
        return refused(error.diagnostics[0].code)
    except duckdb.InvalidInputException as error:
        assert "LACUSTRE:" in str(error)
        assert SEVERAL in str(error)
        return SEVERAL
    return [tuple(row.values()) for row in found]


def refused(code: str) -> str:
    return f"refused: {code}"


def rows(expected: Any, resource: dict[str, Any], *selects: dict[str, Any], **view: Any) -> Check:
    """That a view gives these rows, sorted as text since no order is promised; or the outcome that it has else."""

    def check() -> None:
        found = outcome(resource, *selects, **view)
        assert (found if isinstance(found, str) else sorted(found, key=repr)) == expected

    return check


def value(resource: dict[str, Any] | str, path: str, expected: Any, **members: Any) -> Check:
    """That a column with this path gives one row with this value, of this type; or the outcome that it has else."""

    def check() -> None:
        found = outcome(resource, column(path, **members))
        single = found if isinstance(found, str) else found[0][0]
        assert (type(single), single) == (type(expected), expected)

    return check


def sql_type(select: dict[str, Any], expected: str) -> Check:
    def check() -> None:
        view = compile_view(parse_view({"resource": "Patient", "select": [select]}), load_model(), {})
        assert [found.sql_type for found in view.columns] == [expected]

    return check


ID = column("id")
NULLS = {
    "forEachOrNull": "name",
    "column": [
        {"name": "literal", "path": "'x'"},
        {"name": "index", "path": "%rowIndex"},
        {"name": "next", "path": "%rowIndex + 1"},
        {"name": "resource", "path": "%resource.id"},
        {"name": "given", "path": "given", "collection": True},
        {"name": "there", "path": "family.exists()"},
    ],
    "select": [column("family", "same"), {"forEach": "given", **column("$this", "below")}],
}
BRANCHES = {"forEachOrNull": "name", "unionAll": [column("family"), column("text")]}
BRANCHES_OR_NULL = {"unionAll": [{"forEachOrNull": path, **column("id")} for path in ("name", "telecom")]}
EMPTY_BRANCHES = {
    "forEachOrNull": "name",
    "unionAll": [{"forEach": path, **column("$this")} for path in ("given", "prefix")],
}
INDEXES = {
    "forEach": "name.where(given.exists())",
    "column": [{"name": "outer", "path": "%rowIndex"}],
    "unionAll": [column("%rowIndex"), {"forEach": "given", **column("%rowIndex")}],
}
BARE = patient()
MALE = patient(gender="male")
PARTIAL = patient(_birthDate={"extension": EXTENSION})
GIVEN = patient(name=[{"given": ["a", "b"]}, {"given": ["b"]}])
INDEXED = patient(name=[{"family": "F"}, {"given": ["a"]}, {"given": ["b", "c"]}])
HALF = patient(name=[{"given": ["a", None], "_given": [None, {"id": "i"}]}])
NAMES = patient(gender="male", name=[{"family": "F", "given": ["a"]}, {"family": "G", "given": ["b"]}])
BORN = patient(birthDate="1950")
ZONELESS = observation(effectiveDateTime="2020-01-01T00:30:00")
TEXT = observation(valueString="x")
COMPONENTS = observation(component=[{"dataAbsentReason": {"text": "t"}}, {"valueInteger": 2}, {"valueString": "x"}])
LEAP = observation(issued="2016-12-31T23:59:60Z")
PRACTITIONERS = patient(
    generalPractitioner=[{"display": "D"}, {"reference": "Practitioner/1"}, {"reference": "Organization/2"}]
)
ITEMS = {
    "resourceType": "QuestionnaireResponse",
    "id": "a",
    "item": [
        {"linkId": "1", "item": [{"linkId": "1.1"}], "answer": [{"item": [{"linkId": "1.a"}]}]},
        {"linkId": "2"},
    ],
}
KEY = "managingOrganization.getReferenceKey"
EFFECTIVE = "effective.ofType(dateTime)"
EDITION_2 = "https://sql-on-fhir.org/ig/StructureDefinition/ViewDefinition"


def constant(type_: str, content: Any, name: str = "k") -> dict[str, Any]:
    return {"constant": [{"name": name, f"value{type_}": content}]}


def repeated(*paths: str) -> dict[str, Any]:
    return {"repeat": list(paths), **column("%rowIndex"), "select": [column("linkId", "link")]}


READINGS: dict[str, list[Check]] = {
    "Definitions of both editions are read": [
        rows([("a",)], BARE, column("id", tags=[{"name": "t", "value": "v"}]), resourceType=EDITION_2, profile=["p"], other=1),
        rows(refused("view_resource_type"), BARE, ID, resourceType="Patient"),
        rows(refused("view_unknown_member"), BARE, column("id", Collection=True)),
    ],
    "A view for another FHIR version is refused": [
        rows(refused("fhir_version"), BARE, ID, fhirVersion=["5.0.0"]),
        rows([("a",)], BARE, ID, fhirVersion=["5.0.0", "4.0"]),
        rows([("a",)], BARE, ID, fhirVersion=["R4"]),
    ],
    "Column names differ in more than case": [
        rows(refused("column_duplicate"), BARE, column("id", "id"), column("id", "ID")),
        rows(refused("column_reserved"), BARE, column("id", "lake_source")),
    ],
    "What is not known is refused": [
        value(BARE, "zork", refused("unknown_element")),
        value(BARE, "name.zork()", refused("unknown_function")),
        value(BARE, "deceased.ofType(Zork)", refused("unknown_type")),
        value(BARE, "%zork", refused("undefined_constant")),
        value(BARE, "iif(true, 1, 2)", refused("unsupported_function")),
        value(BARE, "today()", refused("unsupported_function")),
        value(BARE, "1 div 2", refused("unsupported_operator")),
        value(BARE, "1 in (1 | 2)", refused("unsupported_operator")),
        value(BARE, "'a' ~ 'A'", refused("unsupported_operator")),
        value(BARE, "true xor true", refused("unsupported_operator")),
        value(BARE, "1 'mg'", refused("unsupported_literal")),
        value(BARE, "$index", refused("unsupported_variable")),
        rows([], ITEMS, {"repeat": ["zork"], **column("linkId")}),
    ],
    "A path may begin with the name of its type": [
        value(MALE, "Patient.gender", "male"),
        rows([("F",), ("G",)], NAMES, {"forEach": "name", **column("HumanName.family")}),
    ],
    "What %resource and %context are": [
        rows([("male",), ("male",)], NAMES, {"forEach": "name", **column("%resource.gender")}),
        rows([("male",), ("male",)], NAMES, {"forEach": "name", **column("%rootResource.gender")}),
        rows([("a",), (None,)], NAMES, {"forEach": "name", **column("given.where(%context.family = 'F')")}),
    ],
    "Constants have the form of their type": [
        rows(refused("constant_value"), BARE, ID, **constant("Integer64", 5)),
        rows([(5,)], BARE, column("%k"), **constant("Integer64", "5")),
        rows(refused("constant_value"), BARE, ID, **constant("Boolean", "true")),
        rows(refused("constant_value"), BARE, ID, **constant("PositiveInt", 0)),
        rows(refused("constant_value"), BARE, ID, **constant("Date", "2015-02-30")),
        rows(refused("constant_value"), BARE, ID, **constant("Instant", "2015-02-04T10:00:00")),
        rows([(True,)], ZONELESS, column(f"{EFFECTIVE} = %k"), **constant("DateTime", "2020-01-01T00:30:00")),
        rows(refused("constant_reserved"), BARE, ID, **constant("String", "x", "rowIndex")),
    ],
    "An empty collection column is an empty list": [
        value(BARE, "name.family", [], collection=True),
        value(MALE, "gender", ["male"], collection=True),
    ],
    "The row of nulls has nulls only": [
        rows([(None, 0, None, None, None, None, None, None)], BARE, NULLS),
        rows([([0],)], BARE, {"forEachOrNull": "contact", **column("%rowIndex", collection=True)}),
    ],
    "One row of nulls for a select, not for each branch": [
        rows([(None,)], BARE, BRANCHES),
        rows([(None,), (None,)], BARE, BRANCHES_OR_NULL),
        rows([], patient(name=[{"family": "F"}]), EMPTY_BRANCHES),
    ],
    "What %rowIndex counts": [
        value(BARE, "%rowIndex", 0),
        rows([(0, 0), (0, 0), (1, 0), (1, 1), (1, 1)], INDEXED, INDEXES),
        rows([(0,), (1,), (2,), (3,)], ITEMS, {"repeat": ["item", "answer.item"], **column("%rowIndex")}),
        rows([(None,), (None,)], patient(contact=[{"gender": "male"}, {"gender": "female"}]), {"forEach": "contact.where(%rowIndex = 0)", **column("id")}),
        rows(
            refused("unsupported_variable"),
            ITEMS,
            {"repeat": ["item"], "select": [{"forEach": "answer.where(%rowIndex = 0)", **column("id")}]},
        ),
    ],
    "A repeat goes down before it goes on": [
        rows([(0, "1"), (1, "1.1"), (2, "1.a"), (3, "2")], ITEMS, repeated("item", "answer.item")),
        rows([(0, "1"), (1, "1.a"), (2, "1.1"), (3, "2")], ITEMS, repeated("answer.item", "item")),
        rows([(0, "2"), (1, "2")], {**ITEMS, "item": [{"linkId": "2"}]}, repeated("item", "item")),
        rows(refused("repeat_endless"), ITEMS, {"repeat": ["%resource.item"], **column("linkId")}),
        rows(refused("repeat_types"), ITEMS, {"repeat": ["item", "answer"], **column("id")}),
        rows(refused("repeat_types"), ITEMS, {"repeat": ["item.linkId"], **column("$this")}),
    ],
    "Branches of a union agree in their SQL type": [
        rows([("1950",), ("a",)], BORN, {"unionAll": [ID, column("birthDate")]}),
        rows(refused("union_mismatch"), BORN, {"unionAll": [ID, column("active")]}),
    ],
    "Several values in a single column are an error": [
        value(GIVEN, "name.given", SEVERAL),
        value(GIVEN, "name.given + 'x'", SEVERAL),
        rows(SEVERAL, patient(communication=[{"preferred": True}] * 2), ID, where=[{"path": "communication.preferred"}]),
        value(BARE, "'a' | 'b'", refused("collection_not_single")),
        value(BARE, "1.0 | 1.00", "1.0"),
        value(HALF, "name.given", "a"),
    ],
    "A column holds a primitive": [
        value(GIVEN, "name", refused("complex_column"), type="HumanName", collection=True),
    ],
    "A declared type has to be right": [
        value(BORN, "birthDate", refused("column_type"), type="integer"),
        value(ZONELESS, EFFECTIVE, refused("column_type"), type="date"),
        value(patient(active=True), "active", "true", type="string"),
        value(BORN, "birthDate", "1950", type="dateTime"),
        value(BARE, "2", "2", type="decimal"),
        value(BARE, "2", 2, type="integer64"),
        sql_type(column("active"), "BOOLEAN"),
        sql_type(column("1", type="integer64"), "BIGINT"),
    ],
    "The tag ansi/type changes nothing": [
        value(BORN, "birthDate", "1950", tag=[{"name": "ansi/type", "value": "DATE"}]),
        sql_type(column("birthDate", tag=[{"name": "ansi/type", "value": "DATE"}]), "VARCHAR"),
    ],
    "What an SQL type cannot hold is null": [
        value(patient(meta={"lastUpdated": "2020-01"}), "meta.lastUpdated", None),
        value(patient(photo=[{"data": "%%"}]), "photo.data.first()", None),
        value(patient(photo=[{"data": "YWJj"}]), "photo.data.first()", b"abc"),
        value(
            patient(meta={"lastUpdated": "2020-01-01T00:00:00.1234567Z"}),
            "meta.lastUpdated",
            "2020-01-01T00:00:00.1234567Z",
            type="string",
        ),
    ],
    "A primitive with extensions alone is an element": [
        value(PARTIAL, "birthDate.exists()", True),
        value(PARTIAL, "birthDate", None),
        value(HALF, "name.given.count()", 2),
        value(HALF, "name.given[1]", None),
        value(HALF, "name.given.join(',')", "a"),
        value(HALF, "name.given", ["a"], collection=True),
        rows([("a", None), (None, "i")], HALF, {"forEach": "name.given", **column("$this"), "select": [column("id", "i")]}),
    ],
    "Conditions are booleans, operands of logic need not be": [
        rows(refused("where_not_boolean"), MALE, ID, where=[{"path": "gender"}]),
        value(GIVEN, "name.where(family).count()", refused("criteria_not_boolean")),
        rows([], MALE, ID, where=[{"path": "active"}]),
        value(patient(gender="male", active=False), "gender and active", False),
        value(MALE, "gender.not()", False),
    ],
    "Types include their subtypes": [
        value(patient(extension=EXTENSION), "extension.value.ofType(string)", "x"),
        value(patient(extension=[{"url": "u", "valueAge": {"unit": "a"}}]), "extension.value.ofType(Quantity).unit", "a"),
        value(BORN, "birthDate.ofType(string)", refused("type_never")),
    ],
    "Choice elements by their type only": [
        value(TEXT, "value.ofType(string)", "x"),
        value(TEXT, "valueString", refused("unknown_element")),
        value(TEXT, "value", refused("choice_unresolved")),
        value(TEXT, "value.exists() and value.count() = 1 and value is string", True),
        value(TEXT, "value.empty()", False),
        value(observation(valueQuantity={"unit": "mg"}), "value.unit", "mg"),
        value(TEXT, "value.unit", None),
        value(TEXT, "value.id", refused("choice_unresolved")),
        value(COMPONENTS, "component.value.first().ofType(integer)", 2),
        value(COMPONENTS, "component.value[1].ofType(string)", "x"),
        value(COMPONENTS, "component.value[0].ofType(string)", None),
        value(COMPONENTS, "component.value[1] is string", True),
        value(COMPONENTS, "component.value is string", SEVERAL),
        value(COMPONENTS, "component.value.single().ofType(string)", SEVERAL),
        value(COMPONENTS, "component.value[0]", refused("choice_unresolved")),
    ],
    "Comparing dates of different precision": [
        value(BORN, "birthDate < @1950-05-01", None),
        value(BORN, "birthDate < @1951", True),
        value(BARE, "@T10:00 = @T10:00:00", None),
        value(BARE, "@T10:00:00 = @T10:00:00.000", True),
        value(BARE, "@2015-02-04T14 < @2015-02-04T15", True),
        value(BARE, "@2015-02-04T14 = @2015-02-04T14:30", None),
    ],
    "What is no date is not compared": [
        value(patient(birthDate="unknown"), "birthDate > @1950", None),
        value(patient(birthDate="15/06/1970"), "birthDate != @1950", None),
        value(observation(effectiveDateTime="unknown"), f"{EFFECTIVE} < @2020-01-01T00:00:00Z", None),
        value(observation(valueTime="noon"), "value.ofType(time) > @T10:00", None),
        rows([], patient(birthDate="unknown"), ID, where=[{"path": "birthDate > @1950"}]),
    ],
    "A leap second is no moment of the database": [
        value(LEAP, "issued", None),
        value(LEAP, "issued", "2016-12-31T23:59:60Z", type="string"),
        value(LEAP, "issued < @2020", None),
        value(BARE, "@2016-12-31T23:59:60Z > @2016-12-31T23:59:59.5Z", True),
        value(BARE, "@2016-12-31T23:59:60Z < @2017-01-01T00:00:00Z", True),
    ],
    "A dateTime without a zone is in the tenant's": [
        value(ZONELESS, f"{EFFECTIVE} = @2019-12-31T23:30:00Z", True),
        value(observation(effectiveDateTime="2020-01-01T00:30:00+02:00"), f"{EFFECTIVE} < @2020-01-01", True),
    ],
    "Boundaries span all zones": [
        value(patient(birthDate="1970-06"), "birthDate.lowBoundary()", "1970-06-01"),
        value(ZONELESS, f"{EFFECTIVE}.lowBoundary()", "2020-01-01T00:30:00.000+14:00"),
        value(ZONELESS, f"{EFFECTIVE}.highBoundary()", "2020-01-01T00:30:00.999-12:00"),
        value(ZONELESS, "effective.ofType(Period).lowBoundary()", refused("type_mismatch")),
        value(observation(effectivePeriod={"start": "2020"}), "effective.start.lowBoundary()", "2020-01-01T00:00:00.000+14:00"),
    ],
    "Equality of collections": [
        value(GIVEN, "name.given = 'a'", False),
        value(BARE, "name.given = 'a'", None),
        value(BARE, "{} = {}", None),
        value(GIVEN, "name[0].given = ('b' | 'a')", False),
        value(GIVEN, "name[0].given = ('a' | 'b')", True),
    ],
    "Incompatible kinds do not compare": [
        value(BORN, "birthDate = 5", refused("not_comparable")),
        value(BORN, "birthDate = '1950'", refused("not_comparable")),
        value(BARE, "name = name", refused("not_comparable")),
    ],
    "Texts compare by code point": [
        value(BARE, "'a' < 'B'", False),
        value(BARE, "'é' < 'z'", False),
        value(MALE, "gender = 'Male'", False),
    ],
    "Numbers keep their spelling until they are computed with": [
        value(quantity("1.10"), "value.value", "1.10"),
        value(quantity("1.10"), "value.value + 0", "1.1"),
        value(quantity("1.10"), "value.value = 1.1", True),
        value(BARE, "10/4", "2.5"),
        value(BARE, "0.1 + 0.2", "0.3"),
        value(BARE, "1/3", f"0.{'3' * 28}"),
        value(BARE, "1/0", None, type="decimal"),
        value(BARE, "2147483647 + 1", None),
        value(quantity("1" * 39), "value.value * 1", None),
        value(quantity("1" * 38), "1 / value.value", None),
    ],
    "Text functions on what is not there": [
        value(BARE, "'12x'.toInteger()", None),
        value(BARE, "'abc'.substring(1, 0)", ""),
        value(BARE, "gender + 'x'", None),
        value(BARE, "gender & 'x'", "x"),
        value(BARE, "name.given.join(',')", None),
    ],
    "Union removes duplicates": [
        value(GIVEN, "(name.given | name.given).count()", 2),
        value(quantity("1.0"), "value.value | 1.00", ["1.0"], collection=True),
        value(BARE, "('a' | 1).count()", refused("type_mismatch")),
    ],
    "An index is fixed": [
        rows([("G",)], NAMES, column("name[%k].family"), **constant("Integer", 1)),
        value(NAMES, "name[%rowIndex].family", refused("index_not_fixed")),
        value(NAMES, "name[-1].family", None),
        value(MALE, "gender[-1]", None),
    ],
    "Resource keys are ids": [value(BARE, "getResourceKey()", "a")],
    "Reference keys": [
        value(organization("http://h/fhir/Organization/1/_history/2"), f"{KEY}(Organization)", "1"),
        value(organization("Organization/1"), f"{KEY}(Patient)", None),
        value(organization("#o"), f"{KEY}()", None),
        value(organization("urn:uuid:1"), f"{KEY}()", None),
        value(organization("Organization?identifier=1"), f"{KEY}()", None),
        value(PRACTITIONERS, "generalPractitioner.getReferenceKey()", ["1", "2"], collection=True),
        value(PRACTITIONERS, "generalPractitioner.getReferenceKey(Practitioner)", "1"),
        value(MALE, "gender.getReferenceKey()", refused("not_a_reference")),
    ],
    "Contained resources give no rows": [
        rows([("a",)], patient(contained=[patient()]), ID),
        value(BARE, "contained.id", refused("contained_not_stored")),
    ],
}  # fmt: skip


@pytest.mark.parametrize("heading", READINGS)
def test_reading(heading: str) -> None:
    for check in READINGS[heading]:
        check()


def test_every_reading_is_written_down() -> None:
    page = (REPOSITORY / "docs/spec-clarifications.md").read_text()
    assert re.findall(r"^### (.+)$", page, re.M) == list(READINGS)
