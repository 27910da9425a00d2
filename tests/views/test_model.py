"""JSON to ViewDefinition: what is accepted, and every fault with its JSON pointer."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from lacustre.errors import FhirPathSyntaxError, ViewDefinitionError
from lacustre.views.definition import Constant, Tag
from lacustre.views.model import MAX_NESTING, load_view, parse_view

COLUMN = {"name": "id", "path": "id"}
UUID = "urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7"


def view(**members: Any) -> dict[str, Any]:
    return {"resource": "Patient", "select": [{"column": [COLUMN]}], **members}


def faults(document: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(ViewDefinitionError) as caught:
        parse_view(document)
    return [(diagnostic.code, diagnostic.pointer) for diagnostic in caught.value.diagnostics]


@pytest.mark.parametrize(
    "resource_type",
    [
        "ViewDefinition",
        "https://sql-on-fhir.org/ig/StructureDefinition/ViewDefinition",
        "http://hl7.org/fhir/uv/sql-on-fhir/StructureDefinition/ViewDefinition",
    ],
)
def test_the_spellings_of_both_editions_are_accepted(resource_type: str) -> None:
    document = view(resourceType=resource_type, identifier={"value": "1"}, resourceDefinition="x|3.0.0")
    assert parse_view(document).resource == "Patient"
    assert parse_view({**document, "identifier": [{"value": "1"}]}).resource == "Patient"


def test_members_of_a_view() -> None:
    document = view(
        name="patients", title="Patients", description="All.", url="http://x/y", fhirVersion=["4.0"], status="active"
    )
    parsed = parse_view(document, source="patients.json")
    assert (parsed.name, parsed.title, parsed.description) == ("patients", "Patients", "All.")
    assert (parsed.url, parsed.fhir_versions, parsed.source) == ("http://x/y", ("4.0",), "patients.json")


def test_members_of_a_column() -> None:
    column = {"name": "a", "path": "id", "description": "d", "collection": True, "type": "string"}
    for member in ("tag", "tags"):
        [found] = parse_view(view(select=[{"column": [{**column, member: [{"name": "n", "value": "v"}]}]}])).output()
        assert (found.name, found.description, found.collection, found.type) == ("a", "d", True, "string")
        assert found.tags == (Tag("n", "v"),)
        assert found.pointer == "/select/0/column/0"
        assert found.path.pointer == "/select/0/column/0/path"


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ("code", "code"),
        ("http://hl7.org/fhir/StructureDefinition/Quantity", "Quantity"),
        ("http://hl7.org/fhirpath/System.String", "string"),
        ("Observation.referenceRange", "Observation.referenceRange"),
    ],
)
def test_a_type_is_a_name_or_a_canonical(declared: str, expected: str) -> None:
    [column] = parse_view(view(select=[{"column": [{**COLUMN, "type": declared}]}])).output()
    assert column.type == expected


def test_columns_come_in_the_order_of_the_specification() -> None:
    def columns(*names: str) -> list[dict[str, str]]:
        return [{"name": name, "path": "id"} for name in names]

    first = {
        "unionAll": [{"column": columns("e")}, {"column": columns("e")}],
        "select": [{"column": columns("c"), "select": [{"column": columns("d")}]}],
        "column": columns("a", "b"),
    }
    found = parse_view(view(select=[first, {"column": columns("f")}]))
    assert [column.name for column in found.output()] == ["a", "b", "c", "d", "e", "f"]


@pytest.mark.parametrize(
    ("member", "value", "expected"),
    [
        ("valueString", "x", ("string", "x")),
        ("valueBoolean", False, ("boolean", False)),
        ("valueInteger", 3, ("integer", 3)),
        ("valueUnsignedInt", 3, ("unsignedInt", 3)),
        ("valueInteger64", "9007199254740993", ("integer64", "9007199254740993")),
        ("valueDecimal", 1.5, ("decimal", "1.5")),
        ("valueDecimal", Decimal("1.50"), ("decimal", "1.50")),
        ("valueDecimal", 2, ("decimal", "2")),
        ("valueInstant", "2015-02-07T13:28:17.239+02:00", ("instant", "2015-02-07T13:28:17.239+02:00")),
        ("valueUuid", UUID, ("uuid", UUID)),
    ],
)
def test_constants(member: str, value: Any, expected: tuple[str, Any]) -> None:
    parsed = parse_view(view(constant=[{"name": "c", member: value}]))
    assert parsed.constants == (Constant("c", *expected, "/constant/0"),)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        *(("valueDate", "2015"), ("valueDate", "2016-02-29"), ("valueDateTime", "2015-02"), ("valueTime", "23:59:60")),
        *(("valueDateTime", "2015-02-04T14:30:00.5+14:00"), ("valueDateTime", "2015-02-04T14:30:00")),
        *(("valueInstant", "2016-12-31T23:59:60Z"), ("valueTime", "00:00:00.123"), ("valueString", "")),
        *(("valueInteger", -(2**31)), ("valuePositiveInt", 2**31 - 1), ("valueUnsignedInt", 0)),
        *(("valueInteger64", "-9223372036854775808"), ("valueDecimal", 1e-7), ("valueDecimal", -0.5)),
        *(("valueBase64Binary", "YWJj\nYQ=="), ("valueCode", "a b"), ("valueId", "A-1.b"), ("valueOid", "urn:oid:1.2")),
        *(("valueUri", "urn:x"), ("valueUrl", "http://a/b"), ("valueCanonical", "http://a/b|1")),
    ],
)
def test_what_a_constant_may_be(member: str, value: Any) -> None:
    [constant] = parse_view(view(constant=[{"name": "c", member: value}])).constants
    assert str(constant.value) == str(value)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        *(("valueDate", "garbage"), ("valueDate", "2015-02-30"), ("valueDate", "0000"), ("valueDate", "2015-2-4")),
        *(("valueDate", "2015-02-04T10:00:00Z"), ("valueDate", "２０１５"), ("valueDate", "2015\n")),
        *(("valueDateTime", "2020-13"), ("valueDateTime", "2015-02-04T14:30Z"), ("valueDateTime", "2015T10:00:00Z")),
        *(("valueDateTime", "2015-02-04T24:00:00Z"), ("valueDateTime", "2015-02-04T10:00:00+15:00")),
        *(("valueInstant", "2015-02-04"), ("valueInstant", "2015-02-04T14:30:00"), ("valueTime", "14:30")),
        *(("valueTime", "25:00:00"), ("valueTime", "14:30:00Z"), ("valueInteger", 3000000000), ("valueInteger", 1.5)),
        *(("valueInteger", True), ("valuePositiveInt", -1), ("valuePositiveInt", 0), ("valueUnsignedInt", -1)),
        *(("valueInteger64", "9223372036854775808"), ("valueInteger64", "1.5"), ("valueDecimal", float("nan"))),
        *(("valueDecimal", "1.5"), ("valueBoolean", 1), ("valueBase64Binary", "a"), ("valueBase64Binary", "YW=j")),
        *(("valueCode", " a"), ("valueCode", ""), ("valueId", "a_b"), ("valueId", "a" * 65), ("valueUri", "a b")),
        *(("valueOid", "1.2.3"), ("valueUuid", "urn:uuid:1"), ("valueUrl", ""), ("valueCanonical", "a b")),
    ],
)
def test_a_constant_that_is_none_of_its_type(member: str, value: Any) -> None:
    assert faults(view(constant=[{"name": "c", member: value}])) == [("constant_value", f"/constant/0/{member}")]


def test_the_fault_of_a_constant_shows_its_value() -> None:
    with pytest.raises(ViewDefinitionError, match=r"'2020-13' is not a value of type date") as caught:
        parse_view(view(constant=[{"name": "c", "valueDate": "2020-13"}]))
    assert caught.value.diagnostics[0].hint == "as 2015, 2015-02 or 2015-02-04"


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"resourceType": "Patient"}, [("view_resource_type", "/resourceType")]),
        ({"resource": None}, [("view_resource_missing", "/resource")]),
        ({"select": []}, [("view_select_missing", "/select")]),
        ({"select": {}}, [("view_select_missing", "/select"), ("view_not_array", "/select")]),
        ({"select": ["x"]}, [("view_not_object", "/select/0"), ("select_empty", "/select/0")]),
        ({"select": [{"forEach": "name"}]}, [("select_empty", "/select/0")]),
        ({"select": [{"column": [COLUMN], "forEech": "name"}]}, [("view_unknown_member", "/select/0/forEech")]),
        ({"select": [{"column": [COLUMN], "forEach": 1}]}, [("path_not_string", "/select/0/forEach")]),
        (
            {"select": [{"column": [COLUMN], "forEach": "name", "repeat": ["item"]}]},
            [("iteration_ambiguous", "/select/0")],
        ),
        ({"select": [{"column": [COLUMN], "repeat": []}]}, [("repeat_empty", "/select/0/repeat")]),
        ({"select": [{"column": [COLUMN], "repeat": "item"}]}, [("view_not_array", "/select/0/repeat")]),
        ({"select": [{"column": [{"name": "a"}]}]}, [("path_missing", "/select/0/column/0")]),
        ({"select": [{"column": [{"path": "id"}]}]}, [("name_missing", "/select/0/column/0")]),
        ({"select": [{"column": [{"path": "id", "name": "1a"}]}]}, [("sql_name", "/select/0/column/0/name")]),
        ({"select": [{"column": [{"path": 1, "name": "a"}]}]}, [("path_not_string", "/select/0/column/0/path")]),
        (
            {"select": [{"column": [{**COLUMN, "collection": "yes"}]}]},
            [("view_not_boolean", "/select/0/column/0/collection")],
        ),
        (
            {"select": [{"column": [COLUMN]}, {"column": [{"name": "ID", "path": "id"}]}]},
            [("column_duplicate", "/select/0/column/0/name"), ("column_duplicate", "/select/1/column/0/name")],
        ),
        (
            {"select": [{"unionAll": [{"column": [COLUMN]}, {"column": [{"name": "b", "path": "id"}]}]}]},
            [("union_mismatch", "/select/0/unionAll/1")],
        ),
        ({"name": "a-b"}, [("sql_name", "/name")]),
        ({"name": 1}, [("view_not_string", "/name")]),
        ({"fhirVersion": "4.0"}, [("view_not_array", "/fhirVersion")]),
        ({"fhirVersion": [4]}, [("view_not_string", "/fhirVersion/0")]),
        ({"where": [{"description": "d"}]}, [("path_missing", "/where/0")]),
        ({"constant": [{"name": "c"}]}, [("constant_value", "/constant/0")]),
        ({"constant": [{"name": "c", "valueCode": "a", "valueString": "b"}]}, [("constant_value", "/constant/0")]),
        ({"constant": [{"name": "c", "valueInteger": "1"}]}, [("constant_value", "/constant/0/valueInteger")]),
        ({"constant": [{"name": "c", "valueInteger": True}]}, [("constant_value", "/constant/0/valueInteger")]),
        ({"constant": [{"name": "c", "valueQuantity": {}}]}, None),
        ({"constant": [{"valueCode": "a"}]}, [("name_missing", "/constant/0")]),
        ({"constant": [{"name": "resource", "valueCode": "a"}]}, [("constant_reserved", "/constant/0/name")]),
        (
            {"constant": [{"name": "c", "valueCode": "a"}] * 2},
            [("constant_duplicate", "/constant/0"), ("constant_duplicate", "/constant/1")],
        ),
    ],
)
def test_structural_faults(members: dict[str, Any], expected: list[tuple[str, str]] | None) -> None:
    wanted = expected or [("view_unknown_member", "/constant/0/valueQuantity"), ("constant_value", "/constant/0")]
    assert faults(view(**members)) == wanted


def test_all_faults_are_reported_at_once() -> None:
    document = {
        "constant": [{"name": "c"}],
        "where": [{"path": "name."}],
        "select": [{"column": [{"name": "1", "path": "a b"}]}],
    }
    assert faults(document) == [
        ("view_resource_missing", "/resource"),
        ("sql_name", "/select/0/column/0/name"),
        ("fhirpath_syntax", "/select/0/column/0/path"),
        ("fhirpath_syntax", "/where/0/path"),
        ("constant_value", "/constant/0"),
    ]


def test_a_pointer_escapes_what_rfc_6901_says() -> None:
    assert faults(view(select=[{"column": [COLUMN], "a/b~c": 1}])) == [("view_unknown_member", "/select/0/a~1b~0c")]


def test_an_unknown_member_is_offered_a_near_name() -> None:
    with pytest.raises(ViewDefinitionError, match="forEachOrNull"):
        parse_view(view(select=[{"column": [COLUMN], "forEachOrNul": "name"}]))


def test_faults_of_syntax_alone_are_a_syntax_error() -> None:
    with pytest.raises(FhirPathSyntaxError) as caught:
        parse_view(view(where=[{"path": "a."}], select=[{"column": [{"name": "a", "path": "'"}]}]), "v.json")
    assert caught.value.source == "v.json"
    assert len(caught.value.diagnostics) == 2


def test_a_fault_of_syntax_hides_none_of_meaning() -> None:
    document = view(where=[{"path": "active and"}], select=[{"column": [{"name": "a", "path": "nam"}]}])
    with pytest.raises(ViewDefinitionError) as caught:
        parse_view(document)
    assert [fault.code for fault in caught.value.diagnostics] == ["fhirpath_syntax", "unknown_element"]
    assert not isinstance(caught.value, FhirPathSyntaxError)


def test_selects_are_nested_only_so_deep() -> None:
    select: dict[str, Any] = {"column": [COLUMN]}
    for _ in range(MAX_NESTING - 1):
        select = {"select": [select]}
    assert parse_view(view(select=[select]))
    for _ in range(300):
        select = {"select": [select]}
    assert "view_too_deep" in {code for code, _ in faults(view(select=[select]))}


def test_a_view_is_loaded_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "view.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(view(name="v")).encode())
    assert load_view(path).name == "v"
    path.write_text('{"resource":"Patient","constant":[{"name":"c","valueDecimal":1.10}],"select":[{"column":[]}]}')
    with pytest.raises(ViewDefinitionError, match=r"view\.json"):
        load_view(path)


def test_a_loaded_decimal_keeps_its_digits(tmp_path: Path) -> None:
    path = tmp_path / "view.json"
    document = json.dumps(view(constant=[{"name": "c", "valueDecimal": 1.5}])).replace("1.5", "1.10")
    path.write_text(document)
    [constant] = load_view(path).constants
    assert constant.value == "1.10"


@pytest.mark.parametrize(("content", "code"), [("{", "view_not_json"), ("[]", "view_not_object")])
def test_files_that_are_no_view(tmp_path: Path, content: str, code: str) -> None:
    path = tmp_path / "view.json"
    path.write_text(content)
    with pytest.raises(ViewDefinitionError) as caught:
        load_view(path)
    assert caught.value.code == code
