"""Semantic faults: each with its place in the expression, all of a view at once."""

from __future__ import annotations

from typing import Any

import pytest

from lacustre.errors import (
    Diagnostic,
    FhirPathTypeError,
    UnsupportedFunctionError,
    ViewDefinitionError,
)
from lacustre.fhir.model import load_model
from lacustre.views.bind import bind_view
from lacustre.views.bound import BoundView
from lacustre.views.model import parse_view


def bind(document: dict[str, Any], version: str = "4.0.1") -> BoundView:
    return bind_view(parse_view(document), load_model(version))


def columns(*paths: str, resource: str = "Observation", **members: Any) -> dict[str, Any]:
    found = [{"name": f"c{index}", "path": path} for index, path in enumerate(paths)]
    return {"resource": resource, "select": [{"column": found}], **members}


def faults(document: dict[str, Any], version: str = "4.0.1") -> tuple[Diagnostic, ...]:
    with pytest.raises(ViewDefinitionError) as caught:
        bind(document, version)
    return caught.value.diagnostics


@pytest.mark.parametrize(
    ("path", "code", "place", "hint"),
    [
        ("statuss", "unknown_element", "statuss", "did you mean `status`?"),
        ("code.codng.code", "unknown_element", "codng", "did you mean `coding`?"),
        ("valueQuantity.value", "unknown_element", "valueQuantity", "write `value.ofType(Quantity)`"),
        ("status.code", "unknown_element", "code", None),
        ("contained.id", "contained_not_stored", "contained", "load them as resources of their own"),
        ("value.unit2", "unknown_element", "unit2", None),
        ("value.extension.exists()", "choice_unresolved", "extension", None),
        ("value = 5", "choice_unresolved", "value = 5", None),
        ("component.value = 5", "choice_unresolved", "component.value = 5", None),
        ("component.value + 1", "choice_unresolved", "component.value + 1", None),
        ("component.value.join()", "choice_unresolved", "join", None),
        ("component.value.first().toString()", "choice_unresolved", "toString", None),
        ("component.value[0]", "choice_unresolved", "component.value[0]", "add ofType(…)"),
        ("component.value.single()", "choice_unresolved", "component.value.single()", "add ofType(…)"),
        ("component.value.first().ofType(Patient)", "type_never", "Patient", None),
        ("value.ofType(Quantty)", "unknown_type", "Quantty", None),
        ("value.ofType(Patient)", "type_never", "Patient", None),
        ("code.ofType(Quantity)", "type_never", "Quantity", None),
        ("value.ofType('x')", "type_argument", "'x'", None),
        ("(value as Nothing)", "unknown_type", "Nothing", None),
        ("status.startsWth('a')", "unknown_function", "startsWth", "did you mean `startsWith`?"),
        ("status.memberOf('x')", "unsupported_function", "memberOf", None),
        ("component.descendants()", "unsupported_function", "descendants", None),
        (
            "component.skip(status.length())",
            "unsupported_function",
            "status.length()",
            "write the number, or a constant",
        ),
        ("component.extension.repeat(extension.url)", "unsupported_function", "repeat", None),
        ("component.repeat($this)", "repeat_endless", "repeat", "begin with an element of the item"),
        ("iif(status = 'final', status, 1)", "unsupported_function", "iif", "both results have one type"),
        ("component.iif(exists(), code.text)", "unsupported_function", "iif", "write select(iif(…))"),
        ("status.iif(exists(), $this)", "unsupported_function", "$this", "write select(iif(…))"),
        ("iif(status, 1, 2)", "criteria_not_boolean", "status", "compare it, or ask exists()"),
        ("component.aggregate(code, {})", "unsupported_function", "aggregate", "give the total one primitive type"),
        ("status.allTrue()", "type_mismatch", "allTrue", None),
        ("status.subsetOf(1)", "unsupported_operator", "subsetOf", None),
        ("code.type().version", "unsupported_function", "version", None),
        ("component.type().name", "unsupported_function", "type", None),
        ("subject.resolve().name", "unsupported_function", "name", None),
        ("subject.resolve().exists()", "unsupported_function", "subject.resolve().exists()", None),
        ("subject.resolve() is Resource", "unsupported_function", "Resource", None),
        ("status.resolve()", "unsupported_function", "resolve", "it takes a Reference"),
        ("status.first(1)", "wrong_arity", "status.first(1)", None),
        ("status in (1 | 2)", "unsupported_operator", "in", None),
        ("category ~ code", "unsupported_operator", "~", "compare its elements"),
        ("1 > 2 is Boolean", "unsupported_operator", "2 is Boolean", None),
        ("$index", "unsupported_variable", "$index", None),
        ("$total", "unsupported_variable", "$total", None),
        ("@2015-02-04 = @2015-02-04T10:00:00Z", "unsupported_operator", "=", "write @2015-02-04"),
        ("%undefined", "undefined_constant", "%undefined", None),
        ("%rowindex", "undefined_constant", "%rowindex", "did you mean `rowIndex`?"),
        ("status = 5", "unsupported_operator", "=", None),
        ("issued > '2015-01-01'", "not_comparable", ">", "write @2015-01-01"),
        ("value.ofType(boolean) = 'true'", "unsupported_operator", "=", "write true without quotes"),
        ("value.ofType(boolean) > true", "not_comparable", ">", None),
        ("code > code", "not_comparable", ">", "compare its elements"),
        ("status + 1", "type_mismatch", "+", None),
        ("1 & 'a'", "type_mismatch", "&", None),
        ("-status", "type_mismatch", "-status", None),
        ("value.ofType(integer).substring(1)", "type_mismatch", "substring", "toString() first"),
        ("status.substring('a')", "type_mismatch", "'a'", None),
        ("code.toString()", "type_mismatch", "toString", None),
        ("status.lowBoundary()", "type_mismatch", "lowBoundary", None),
        ("component.value.ofType(integer).join()", "type_mismatch", "join", None),
        ("code.getReferenceKey()", "not_a_reference", "getReferenceKey", "ofType(Reference) picks it from a choice"),
        ("subject.getReferenceKey(Pateint)", "unknown_type", "Pateint", "did you mean `Patient`?"),
        ("code.getResourceKey()", "not_a_resource", "getResourceKey", None),
        ("component.where(code).exists()", "criteria_not_boolean", "code", "compare it, or ask exists()"),
        ("component.exists(code.text)", "criteria_not_boolean", "code.text", "compare it, or ask exists()"),
        ("component[status]", "index_not_fixed", "status", None),
        ("3000000000", "integer_too_large", "3000000000", "write a decimal"),
        ("status | 1", "unsupported_operator", "status | 1", "a collection has one type"),
        ("category | subject", "unsupported_operator", "category | subject", None),
        ("value", "choice_unresolved", "value", "add ofType(…)"),
        ("code", "complex_column", "code", "select its elements"),
        ("'a' | 'b'", "collection_not_single", "'a' | 'b'", "set collection to true, or take first()"),
    ],
)
def test_a_fault_is_shown_at_its_place(path: str, code: str, place: str, hint: str | None) -> None:
    [fault] = faults(columns(path))
    assert fault.code == code
    assert fault.pointer == "/select/0/column/0/path"
    assert path[fault.start : fault.end] == place
    if hint is not None:
        assert fault.hint == hint


def test_all_faults_of_a_view_are_reported_at_once() -> None:
    document = columns(
        "nam + %one and coding.exists()",
        "id",
        resource="Patient",
        where=[{"path": "name.family"}],
        constant=[{"name": "two", "valueInteger": 2}],
    )
    document["select"].append({"forEach": "adress", "column": [{"name": "city", "path": "anything.at.all"}]})
    found = [(fault.pointer, fault.code) for fault in faults(document)]
    assert found == [
        ("/where/0/path", "where_not_boolean"),
        ("/select/0/column/0/path", "unknown_element"),
        ("/select/0/column/0/path", "undefined_constant"),
        ("/select/0/column/0/path", "unknown_element"),
        ("/select/1/forEach", "unknown_element"),
    ]


def test_a_message_has_file_pointer_caret_and_hint() -> None:
    with pytest.raises(FhirPathTypeError) as caught:
        bind_view(parse_view(columns("name.famly", resource="Patient"), source="patient.json"), load_model())
    assert str(caught.value).splitlines() == [
        "unknown_element: patient.json: 1 fault",
        "unknown_element at /select/0/column/0/path: HumanName has no element famly",
        "    name.famly",
        "         ^^^^^",
        "    hint: did you mean `family`?",
    ]


@pytest.mark.parametrize(
    ("paths", "error"),
    [
        (("status.memberOf('x')", "status.foo()"), UnsupportedFunctionError),
        (("statuss", "value"), FhirPathTypeError),
        (("statuss", "status.memberOf('x')"), ViewDefinitionError),
        (("%undefined",), ViewDefinitionError),
    ],
)
def test_the_class_of_the_error_says_what_all_faults_are(paths: tuple[str, ...], error: type) -> None:
    with pytest.raises(ViewDefinitionError) as caught:
        bind(columns(*paths))
    assert type(caught.value) is error


@pytest.mark.parametrize("versions", [["4.0"], ["4.0.1"], ["R4"], ["5.0.0", "4.0.1"], []])
def test_a_view_for_this_release(versions: list[str]) -> None:
    assert bind(columns("id", fhirVersion=versions)).resource == "Observation"


def test_a_view_for_another_release() -> None:
    [fault] = faults(columns("id", fhirVersion=["5.0.0"]))
    assert (fault.code, fault.pointer) == ("fhir_version", "/fhirVersion")
    assert bind(columns("id", fhirVersion=["5.0.0"]), "5.0.0").resource == "Observation"


def test_an_unknown_resource_type() -> None:
    [fault] = faults(columns("id", resource="Pateint"))
    assert (fault.code, fault.pointer, fault.hint) == ("unknown_resource", "/resource", "did you mean `Patient`?")
    [fault] = faults(columns("id", resource="HumanName"))
    assert fault.code == "unknown_resource"


@pytest.mark.parametrize(
    ("path", "declared"),
    [
        ("status", "string"),
        ("status", "uri"),
        ("value.ofType(integer)", "decimal"),
        ("value.ofType(integer)", "string"),
        ("issued", "dateTime"),
        ("value.ofType(Quantity).value", "string"),
        ("{}", "integer"),
        ("status.count()", "integer64"),
        ("@2010-10-10T12:00:00Z", "instant"),
    ],
)
def test_types_that_fit(path: str, declared: str) -> None:
    document = columns(path)
    document["select"][0]["column"][0]["type"] = declared
    [column] = bind(document).output()
    assert column.type == declared


@pytest.mark.parametrize(
    ("path", "declared", "code"),
    [
        ("status", "integer", "column_type"),
        ("value.ofType(Quantity).value", "integer", "column_type"),
        ("effective.ofType(dateTime)", "instant", "column_type"),
        ("effective.ofType(dateTime)", "date", "column_type"),
        ("status", "boolean", "column_type"),
        ("status", "nonsense", "unknown_type"),
    ],
)
def test_types_that_do_not_fit(path: str, declared: str, code: str) -> None:
    document = columns(path)
    document["select"][0]["column"][0]["type"] = declared
    [fault] = faults(document)
    assert fault.code == code


def test_a_column_without_type_has_that_of_its_path() -> None:
    types = [column.type for column in bind(columns("status", "issued", "value.ofType(Quantity).value", "{}")).output()]
    assert types == ["code", "instant", "decimal", "string"]


def test_union_branches_agree_in_types_and_collections() -> None:
    def union(*branches: dict[str, Any]) -> dict[str, Any]:
        found = [{"column": [{"name": "a", **branch}]} for branch in branches]
        return {"resource": "Observation", "select": [{"unionAll": found}]}

    assert bind(union({"path": "status"}, {"path": "code.text"}))
    [fault] = faults(union({"path": "status"}, {"path": "value.ofType(integer)"}))
    assert (fault.code, fault.pointer) == ("union_mismatch", "/select/0/unionAll/1")
    [fault] = faults(union({"path": "status", "collection": True}, {"path": "status"}))
    assert fault.code == "union_mismatch"


def test_unions_multiply_only_so_far() -> None:
    def union(name: str) -> dict[str, Any]:
        return {"unionAll": [{"column": [{"name": name, "path": "id"}]}] * 3}

    assert bind({"resource": "Patient", "select": [union(name) for name in "abcde"]})
    [fault] = faults({"resource": "Patient", "select": [union(name) for name in "abcdefghijklmnopqrstuvwxyz"]})
    assert fault.code == "too_many_branches"


def test_constants_are_seen_in_every_expression() -> None:
    document = columns("name.where(use = %u).family", resource="Patient", where=[{"path": "gender = %u"}])
    document["select"] += [{"forEach": "name.where(use = %u)", "column": [{"name": "f", "path": "%u"}]}]
    assert bind({**document, "constant": [{"name": "u", "valueCode": "usual"}]})
    assert [fault.code for fault in faults(document)] == ["undefined_constant"] * 4


def test_a_choice_is_resolved_by_the_only_type_with_the_element() -> None:
    document = columns("value.coding.code.first()", "medication.coding.code.first()", resource="MedicationRequest")
    [fault] = faults(document)
    assert fault.code == "unknown_element"
    assert bind(columns("value.coding.code.first()", "value.ofType(Quantity).unit", "value.is(Quantity)"))


def test_the_paths_of_a_repeat() -> None:
    def repeat(*paths: str) -> dict[str, Any]:
        select = {"repeat": list(paths), "column": [{"name": "id", "path": "linkId"}]}
        return {"resource": "QuestionnaireResponse", "select": [select]}

    assert bind(repeat("item", "answer.item")).warnings == ()
    [warning] = bind(repeat("item", "jurisdiction")).warnings
    assert (warning.code, warning.pointer) == ("repeat_path_empty", "/select/0/repeat/1")
    for endless in ("%resource.item", "$this", "$this.where(true)", "%resource.item.where(linkId = %context.linkId)"):
        fault = faults(repeat("item", endless))[0]
        assert (fault.code, fault.pointer) == ("repeat_endless", "/select/0/repeat/1")
    assert bind(repeat("item.where(linkId = %resource.id)", "item.first()", "item[-1]"))
    [fault] = faults(repeat("item", "subject"))
    assert fault.code == "repeat_types"
    found = faults({**repeat("status"), "resource": "QuestionnaireResponse"})
    assert "repeat_types" in {fault.code for fault in found}
