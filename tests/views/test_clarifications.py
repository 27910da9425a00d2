"""Every reading of docs/spec-clarifications.md, under its heading."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest

from lacustre.errors import ViewDefinitionError
from lacustre.fhir.model import load_model
from lacustre.views.check.profiles import check_profiles
from lacustre.views.compile import compile_view
from lacustre.views.declared_types import TYPES_EXTENSION
from lacustre.views.json_text import JsonTextError, read_json
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


def measured(lexeme: str, code: str, **members: Any) -> dict[str, Any]:
    """An Observation of a quantity in a UCUM unit, unless its members say otherwise."""
    members = {"system": "http://unitsofmeasure.org", "code": code, **members}
    return observation(valueQuantity={"value": float(lexeme), **members})


def organization(reference: str) -> dict[str, Any]:
    return patient(managingOrganization={"reference": reference})


def local(reference: str) -> dict[str, Any]:
    """A patient with three contained organisations, two of which have one id."""
    inner = [{"resourceType": "Organization", "id": name} for name in ("o", "twice", "twice")]
    return patient(managingOrganization={"reference": reference}, contained=inner)


def died(when: str) -> dict[str, Any]:
    return patient(deceasedDateTime=when)


def midnight(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, tzinfo=ZoneInfo("Europe/Paris"))


def native(mode: str = "native", **parts: str) -> list[dict[str, Any]]:
    """The extension of a view that has native types."""
    codes = {"mode": mode, **parts}
    return [{"url": TYPES_EXTENSION, "extension": [{"url": name, "valueCode": code} for name, code in codes.items()]}]


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
DIED = column("deceased.ofType(dateTime)")
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


SHAREABLE_HEAD = {"url": "u", "name": "v", "fhirVersion": ["4.0.1"]}


def unread(text: str, code: str) -> Check:
    """JSON that is refused."""

    def check() -> None:
        with pytest.raises(JsonTextError) as caught:
            read_json(text)
        assert caught.value.code == code

    return check


def claims(profile: str) -> dict[str, Any]:
    return {"meta": {"profile": [f"http://hl7.org/fhir/uv/sql-on-fhir/StructureDefinition/{profile}"]}}


def claimed(codes: list[str], profile: str, select: dict[str, Any]) -> Check:
    """What a view with a select is found to lack of a profile that it claims."""

    def check() -> None:
        document = {"resource": "Patient", "select": [select], **SHAREABLE_HEAD, **claims(profile)}
        assert [found.code for _, found in check_profiles(document, parse_view(document))] == codes

    return check


READINGS: dict[str, list[Check]] = {
    "Definitions of both editions are read": [
        rows([("a",)], BARE, column("id", tags=[{"name": "t", "value": "v"}]), resourceType=EDITION_2, profile=["p"], other=1),
        rows(refused("view_resource_type"), BARE, ID, resourceType="Patient"),
        rows(refused("view_unknown_member"), BARE, column("id", Collection=True)),
    ],
    "The JSON of a view is read strictly": [
        unread('{"a": 1, "a": 1}', "view_duplicate_member"),
        unread('{"a": NaN}', "view_not_json"),
        unread('{"a": "\\udc00"}', "view_not_json"),
    ],
    "A claim of a profile is checked when that is asked for": [
        rows([(["a"],)], BARE, column("id", collection=True), **claims("TabularViewDefinition")),
        claimed(["tabular_collection"], "TabularViewDefinition", column("id", collection=True)),
        claimed([], "TabularViewDefinition", column("birthDate", type="date")),
        claimed(["shareable_type_missing"], "ShareableViewDefinition", column("birthDate >= '' or true")),
        claimed(["shareable_experimental"], "ShareableViewDefinition", column("name.given.join()", type="string")),
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
        value(BARE, "descendants()", refused("unsupported_function")),
        value(BARE, "name.conformsTo('x')", refused("unsupported_function")),
        value(BARE, "name ~ name", refused("unsupported_operator")),
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
    "The tag ansi/type says the SQL type": [
        value(BORN, "birthDate", None, tag=[{"name": "ansi/type", "value": "DATE"}]),
        value(patient(birthDate="1950-05-01"), "birthDate", date(1950, 5, 1), tags=[{"name": "ansi/type", "value": "date"}]),
        value(BARE, "'abc'", None, tag=[{"name": "ansi/type", "value": "VARCHAR(2)"}]),
        value(BARE, "1.5", Decimal("1.50"), tag=[{"name": "ansi/type", "value": "DECIMAL(3,2)"}]),
        value(BARE, "1.234", None, tag=[{"name": "ansi/type", "value": "DECIMAL(3,2)"}]),
        value(patient(active=True), "active", refused("ansi_type"), tag=[{"name": "ansi/type", "value": "DATE"}]),
        sql_type(column("birthDate", tag=[{"name": "ansi/type", "value": "DATE"}]), "DATE"),
        sql_type(column("birthDate", tag=[{"name": "ansi/type", "value": "Character Varying (10)"}]), "VARCHAR"),
    ],
    "What an SQL type cannot hold is null, and counted": [
        value(patient(meta={"lastUpdated": "2020-01"}), "meta.lastUpdated", None),
        value(patient(meta={"lastUpdated": "2020-01-01T00:00:00+99:99"}), "meta.lastUpdated", None),
        value(patient(photo=[{"data": "%%"}]), "photo.data.first()", None),
        value(patient(photo=[{"data": "YWJj"}]), "photo.data.first()", b"abc"),
        value(
            patient(meta={"lastUpdated": "2020-01-01T00:00:00.1234567Z"}),
            "meta.lastUpdated",
            "2020-01-01T00:00:00.1234567Z",
            type="string",
        ),
    ],
    "Native types are a mode of their own": [
        rows([(date(1950, 5, 1),)], patient(birthDate="1950-05-01"), column("birthDate"), extension=native()),
        rows([("1950-05-01",)], patient(birthDate="1950-05-01"), column("birthDate", type="string"), extension=native()),
        rows([(None,)], died("2020-05-01T24:00:00"), DIED, extension=native()),
        rows([(None,)], died("2020-05-01T12:00:00+14:01"), DIED, extension=native()),
        rows(refused("view_types"), BARE, ID, extension=native(mode="sql")),
    ],
    "A decimal is a DECIMAL(38,18)": [
        rows([(Decimal("1.1"),)], quantity("1.10"), column("value.ofType(Quantity).value"), extension=native()),
        rows([(None,)], quantity("1E-19"), column("value.ofType(Quantity).value"), extension=native()),
    ],
    "A partial date in a native column is null, or its first moment": [
        rows([(None,)], BORN, column("birthDate"), extension=native()),
        rows([(date(1950, 1, 1),)], BORN, column("birthDate"), extension=native(partialDates="start")),
        rows([(None,)], died("2020-05-01"), DIED, extension=native()),
        rows([(midnight(2020, 5, 1),)], died("2020-05-01"), DIED, extension=native(partialDates="start")),
    ],
    "An hour that comes twice is partial": [
        rows([(None,)], died("2020-10-25T02:30:00"), DIED, extension=native()),
        rows(
            [(datetime(2020, 10, 25, 0, 30, tzinfo=UTC),)],
            died("2020-10-25T02:30:00"),
            DIED,
            extension=native(partialDates="start"),
        ),
        rows([(None,)], died("2020-03-29T02:30:00"), DIED, extension=native(partialDates="start")),
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
    "Elements are of FHIR's types, results of the system's": [
        value(patient(active=True), "active is boolean", True),
        value(patient(active=True), "active is Boolean", False),
        value(patient(active=True), "active.not() is Boolean", True),
        value(patient(active=True), "active.ofType(Boolean)", refused("type_never")),
        value(NAMES, "contact.type().name", refused("unsupported_function")),
    ],
    "A type test beside a union or a comparison needs parentheses": [
        value(BARE, "1 > 2 is Boolean", refused("unsupported_operator")),
        value(BARE, "(1 | (2 is Integer).toInteger()).count()", 1),
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
    "A date and a moment in a time zone are not equal": [
        value(BORN, "birthDate = @1974-12-25T12:34:00Z", refused("unsupported_operator")),
        value(BORN, "birthDate < @1974-12-25T12:34:00Z", True),
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
        value(BORN, "birthDate = 5", refused("unsupported_operator")),
        value(BORN, "birthDate = '1950'", refused("unsupported_operator")),
        value(BORN, "birthDate > 5", refused("not_comparable")),
        value(BARE, "name = contact", refused("unsupported_operator")),
    ],
    "Elements are equal member by member": [
        value(NAMES, "name[0] = name[0]", True),
        value(NAMES, "name[0] = name[1]", False),
        value(quantity("1.0"), "value.ofType(Quantity).combine(value.ofType(Quantity)).isDistinct()", False),
        value(NAMES, "%resource = %resource", refused("unsupported_operator")),
    ],
    "What is not known to be equal is not in a collection": [
        value(BARE, "@2015 in (@2015-02 | @2016)", False),
        value(BARE, "@2015.combine(@2015-02).distinct().count()", 2),
    ],
    "What is equivalent": [
        value(BARE, "'a b' ~ 'A\\tB'", True),
        value(BARE, "'a b' ~ 'a  b'", False),
        value(BARE, "1.05 ~ 1.1", True),
        value(BARE, "1 ~ 1.4", True),
        value(BARE, "@2015 ~ @2015-01", False),
        value(BARE, "{} ~ {}", True),
        value(NAMES, "name ~ name", refused("unsupported_operator")),
    ],
    "Results are of one type": [
        value(MALE, "iif(gender.exists(), 1, 'x')", refused("unsupported_function")),
        value(MALE, "iif(true, 1, 'x')", 1),
        value(MALE, "1 | 'x'", refused("unsupported_operator")),
        value(MALE, "gender.iif($this = 'male', 'm', 'f')", "m"),
        value(MALE, "gender.iif($this = 'male', $this)", refused("unsupported_function")),
    ],
    "repeat() keeps one of equal items": [
        value(ITEMS, "repeat(item).count()", 3),
        value(ITEMS, "repeat($this)", refused("repeat_endless")),
    ],
    "resolve() tells what a reference tells": [
        value(PRACTITIONERS, "generalPractitioner.resolve().id", ["1", "2"], collection=True),
        value(PRACTITIONERS, "generalPractitioner[1].resolve() is Practitioner", True),
        value(PRACTITIONERS, "generalPractitioner.resolve().exists()", refused("unsupported_function")),
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
    "Characters are code points": [
        value(BARE, "'👩\u200d👧e\u0301'.length()", 5),
        value(BARE, "'a👩b'.indexOf('b')", 2),
        value(BARE, "'\u00a0x\u3000'.trim()", "x"),
        value(BARE, "'straße'.upper()", "STRAẞE"),
        value(BARE, "'ab'.replace('', '-')", "-a-b-"),
        value(BARE, "'ab'.split('').count()", refused("empty_separator")),
    ],
    "Regular expressions are those that engines share": [
        value(BARE, r"'a\nb'.matches('a.b')", True),
        value(BARE, r"'é'.matches('\\w')", False),
        value(BARE, r"'a\n'.matches('a$')", False),
        value(BARE, "'ab'.matches('a(?=b)')", refused("unsupported_function")),
        value(BARE, "'ab'.matches(id)", refused("unsupported_function")),
        value(BARE, "'ab'.replaceMatches('(?<x>a)', '$1${x}$&$$')", "aaa$b"),
        value(BARE, "'ab'.replaceMatches('', 'x')", "ab"),
        value(BARE, "'ab'.replaceMatches('x*', '')", refused("unsupported_function")),
    ],
    "Encoded and escaped texts": [
        value(BARE, "'subjects?_d'.encode('urlbase64')", "c3ViamVjdHM_X2Q="),
        value(BARE, "'c3'.decode('hex')", None),
        value(BARE, "'<\\''.escape('html')", "&lt;&#39;"),
        value(BARE, "'&lt;'.unescape('html')", refused("unsupported_function")),
    ],
    "Half is rounded away from zero": [
        value(quantity("-0.5"), "value.value.round()", "-1"),
        value(quantity("2147483648.5"), "value.value.floor()", None),
        value(quantity(f"0.{'1' * 38}"), "value.value mod 1", f"0.{'1' * 38}"),
        value(quantity(f"0.{'1' * 40}"), "value.value mod 1", None),
        value(quantity("1.5"), "value.value.round(id.length())", refused("unsupported_function")),
    ],
    "Roots, logarithms and powers are rounded": [
        value(quantity("2"), "value.value.sqrt()", "1.4142135623731"),
        value(quantity("1"), "value.value.exp()", "2.71828182846"),
        value(BARE, "2.power(31)", None),
        value(BARE, "2.power(-1)", None),
        value(BARE, "1.1.power(1001)", None),
        value(BARE, "0.ln()", None),
    ],
    "Conversion goes by form and calendar": [
        value(BARE, "' 1'.toInteger()", None),
        value(BARE, "'1e2'.toDecimal()", None),
        value(BARE, "'+012'.toDecimal()", "12"),
        value(BARE, "'2015-02-30'.toDate()", None),
        value(quantity("1.0"), "value.value.toInteger()", None),
        value(died("2020-01-01T23:30:00-05:00"), "deceased.ofType(dateTime).toDate()", "2020-01-01"),
        value(BARE, "birthDate.convertsToDate()", None),
        value(BARE, "'1'.toQuantity('mg')", refused("unsupported_function")),
    ],
    "A quantity is compared in its unit": [
        value(measured("5.4", "g"), "value.ofType(Quantity) > 5000 'mg'", True),
        value(measured("5.4", "g", comparator="<"), "value.ofType(Quantity) < 6 'g'", None),
        value(measured("5.4", "g", system="http://example.org"), "value.ofType(Quantity) < 6 'g'", None),
        value(measured("5.4", "m"), "value.ofType(Quantity) < 6 'g'", None),
        value(measured("5.4", "m"), "value.ofType(Quantity) ~ 6 'g'", False),
        value(measured("70", "a"), "value.ofType(Quantity) >= 65 years", True),
        value(observation(valueString="x"), "value = 5 'g'", False),
        value(BARE, "5 'g' = 5 'm'", refused("unsupported_operator")),
        value(BARE, "1 'mmol' = 1 'meq'", refused("unsupported_operator")),
        value(BARE, "7 days = 1 'wk'", True),
        value(BARE, "1 year = 1 'a'", refused("unsupported_operator")),
        value(BARE, "(1 'g' + 2 'g').toString()", "3 'g'"),
        value(BARE, "2 'm' * 3 'm'", refused("unsupported_operator")),
    ],
    "Durations move by the calendar": [
        value(patient(birthDate="2016-02-29"), "birthDate + 1 year", "2017-02-28"),
        value(patient(birthDate="2016-02-29"), "birthDate + 1 'a'", refused("type_mismatch")),
        value(patient(birthDate="2016"), "birthDate + 365 days", "2017"),
        value(patient(birthDate="9999-12-31"), "birthDate + 1.9 days", None),
        value(patient(birthDate="2016-02-29"), "birthDate + 1 hour", refused("type_mismatch")),
        value(died("2015-03-29T01:30:00+01:00"), "deceased.ofType(dateTime) + 1 hour", "2015-03-29T02:30:00+01:00"),
    ],
    "The clock is that of the run": [
        value(BARE, "now().toDate() = today()", True),
        value(BARE, "today() > @2020", True),
    ],
    "Precision is counted in digits": [
        value(quantity("1.50"), "value.value.precision()", 2),
        value(died("2015-03-29T01:30:00+01:00"), "deceased.ofType(dateTime).precision()", 14),
        value(BARE, "1.5 'mg'.lowBoundary(2).toString()", "1.45 'mg'"),
        value(died("2015-03-29T01:30:00+01:00"), "deceased.ofType(dateTime).lowBoundary(10)", "2015-03-29T01+01:00"),
    ],
    "Union removes duplicates": [
        value(GIVEN, "(name.given | name.given).count()", 2),
        value(quantity("1.0"), "value.value | 1.00", ["1.0"], collection=True),
        value(BARE, "('a' | 1).count()", refused("unsupported_operator")),
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
    "Keys of local references": [
        value(local("#o"), f"{KEY}()", "Patient/a#o"),
        value(local("#o"), f"{KEY}(Organization)", "Patient/a#o"),
        value(local("#o"), f"{KEY}(Patient)", None),
        value(local("#twice"), f"{KEY}()", None),
        value(local("#p"), f"{KEY}()", None),
        value(local("#"), f"{KEY}()", None),
        value(local("#"), f"{KEY}(Patient)", None),
    ],
    "Contained resources give rows where they are asked for": [
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
