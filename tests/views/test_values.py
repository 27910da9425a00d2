"""What expressions give when they run: one expression on one resource."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

from support.view_runs import evaluate

PATIENT = {
    "resourceType": "Patient",
    "id": "p1",
    "active": True,
    "gender": "female",
    "birthDate": "1970-06-15",
    "name": [
        {"use": "official", "family": "Curie", "given": ["Marie", "Salomea"]},
        {"use": "maiden", "family": "Sklodowska", "given": ["Maria"]},
        {"use": "nickname"},
    ],
    "telecom": [{"system": "phone", "value": "0102030405", "rank": 2}],
    "deceasedDateTime": "1934-07-04",
}
OBSERVATION = """{"resourceType": "Observation", "id": "o1", "status": "final", "code": {"coding": [
    {"system": "http://loinc.org", "code": "8480-6", "display": "SBP"}, {"system": "urn:x", "code": "s"}]},
    "subject": {"reference": "Patient/p1"}, "issued": "2010-10-10T12:00:00.123456789+02:00",
    "effectiveDateTime": "2010-10-10", "valueQuantity": {"value": 1.10, "unit": "mm"},
    "component": [{"code": {"text": "a"}, "valueInteger": 2}, {"code": {"text": "b"}, "valueString": "x"},
                  {"code": {"text": "c"}, "valueInteger": 5}]}"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("name.family.first()", "Curie"),
        ("name.given.first()", "Marie"),
        ("name.last().use", "nickname"),
        ("name.family.last()", "Sklodowska"),
        ("name[1].given[0]", "Maria"),
        ("name[7].family", None),
        ("name[-1].family", None),
        ("gender[-1]", None),
        ("gender[1]", None),
        ("multipleBirth[1].ofType(integer)", None),
        ("contact[-1].extension.value.ofType(string)", None),
        ("name.first().given[1]", "Salomea"),
        ("name.given[2]", "Maria"),
        ("Patient.name.family.first()", "Curie"),
        ("name.where(use = 'maiden').family", "Sklodowska"),
        ("name.where(use = 'maiden').given.single()", "Maria"),
        ("name.where(given.exists()).count()", 2),
        ("name.where(given.where($this = 'Maria').exists()).use", "maiden"),
        ("name.exists(family = 'Curie')", True),
        ("name.exists(family = 'Nobody')", False),
        ("name.family.exists()", True),
        ("name.suffix.exists()", False),
        ("name.suffix.empty()", True),
        ("name.count()", 3),
        ("name.family.count()", 2),
        ("name.given.count()", 3),
        ("gender.count()", 1),
        ("maritalStatus.count()", 0),
        ("where(active).name.family.first()", "Curie"),
        ("where(active.not()).name.family.first()", None),
        ("where(gender = 'male').exists()", False),
        ("%resource.gender", "female"),
        ("%context.gender", "female"),
        ("name.where(use = %resource.gender).exists()", False),
        ("%rowIndex", 0),
        ("%sct", "http://snomed.info/sct"),
        ("$this.gender", "female"),
        ("gender.where($this = 'female')", "female"),
        ("{}", None),
        ("{}.exists()", False),
        ("true and {}", None),
        ("false and {}", False),
        ("true or {}", True),
        ("({} = 1).not()", None),
        ("active and gender", True),
        ("maritalStatus and active", None),
        ("gender != 'male'", True),
        ("gender = {}", None),
        ("name.given = 'Marie'", False),
        ("name.first().given = name.first().given", True),
        ("name.first().given != name[1].given", True),
        ("name.suffix = 'x'", None),
        ("name.where(use = 'maiden').given = 'Maria'", True),
        ("name.where(use = 'maiden').given != 'Maria'", False),
        ("gender < 'male'", True),
        ("telecom.rank >= 2", True),
        ("telecom.rank < 2.5", True),
        ("deceased.exists()", True),
        ("deceased is dateTime", True),
        ("deceased.is(boolean)", False),
        ("multipleBirth is boolean", None),
        ("(deceased as dateTime)", "1934-07-04"),
        ("deceased.as(boolean)", None),
        ("gender is string", True),
        ("gender.is(System.Integer)", False),
        ("gender.ofType(string)", "female"),
        ("name.given.join(', ')", "Marie, Salomea, Maria"),
        ("name.suffix.join(',')", None),
        ("gender.join(',')", "female"),
        ("(name.given | name.family).count()", 5),
        ("('a' | 'b' | 'a').count()", 2),
        ("getResourceKey()", "p1"),
        ("id & '-' & gender", "p1-female"),
        ("id + '-' + gender", "p1-female"),
        ("id & maritalStatus.text", "p1"),
        ("id + maritalStatus.text", None),
        ("-telecom.rank", -2),
        ("+telecom.rank", 2),
    ],
)
def test_paths_logic_and_collections(path: str, expected: Any) -> None:
    assert evaluate(path, PATIENT) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("name.family", ["Curie", "Sklodowska"]),
        ("name.given", ["Marie", "Salomea", "Maria"]),
        ("name.suffix", []),
        ("gender", ["female"]),
        ("maritalStatus.text", []),
        ("name.given | name.family", ["Marie", "Salomea", "Maria", "Curie", "Sklodowska"]),
        ("'b' | 'a' | 'b'", ["b", "a"]),
        ("name.where(use = 'official').given", ["Marie", "Salomea"]),
        ("name.family.where($this.startsWith('S'))", ["Sklodowska"]),
        ("name.family.exists()", [True]),
    ],
)
def test_collections(path: str, expected: list[Any]) -> None:
    assert evaluate(path, PATIENT, collection=True) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("value.ofType(Quantity).value", "1.10"),
        ("value.ofType(Quantity).value = 1.1", True),
        ("value.ofType(Quantity).value > 1.1", False),
        ("value.value", "1.10"),
        ("value.unit", "mm"),
        ("value is Quantity", True),
        ("component.value.ofType(integer).first()", 2),
        ("component.value.ofType(integer)[1]", 5),
        ("component.value.exists()", True),
        ("component.value.count()", 3),
        ("component.where(value is integer).code.text.last()", "c"),
        ("component.where(value.ofType(integer) > 3).code.text", "c"),
        ("component.value.where($this is string).count()", 1),
        ("component.value.where($this is string) is string", True),
        ("component.value.where($this is string).single().ofType(string)", "x"),
        ("component.value.where($this is string) as integer", None),
        ("component.value[0].ofType(integer)", 2),
        ("component.value[0].ofType(string)", None),
        ("component.value[1].ofType(string)", "x"),
        ("component.value[9].ofType(string)", None),
        ("component.value[-1].ofType(string)", None),
        ("component.value.first().ofType(integer)", 2),
        ("component.value.last() is integer", True),
        ("component.value.last().ofType(integer)", 5),
        ("component.value[1].exists()", True),
        ("component.value[3].exists()", False),
        ("component.where(code.text = 'b').value is string", True),
        ("component.where(code.text = 'd').value is string", None),
        ("component.where(code.text = 'c').value.first().ofType(integer)", 5),
        ("code.coding.where(system = 'http://loinc.org').code", "8480-6"),
        ("code.coding.code = '8480-6'", False),
        ("code.coding.first().code = '8480-6'", True),
        ("subject.getReferenceKey()", "p1"),
        ("subject.getReferenceKey(Patient)", "p1"),
        ("subject.getReferenceKey(Group)", None),
        ("component.value.ofType(integer).first() + component.value.ofType(integer).last()", 7),
    ],
)
def test_choices_codings_and_references(path: str, expected: Any) -> None:
    assert evaluate(path, OBSERVATION) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("3 / 2", "1.5"),
        ("4 / 2", "2"),
        ("1 / 0", None),
        ("1.0 / 0.0", None),
        ("5 / 1000000000", "0.000000005"),
        ("1.2 / 1.8", "0.6666666666666666666666666667"),
        ("2 * 3", 6),
        ("2 - 5", -3),
        ("1 + 0.50", "1.5"),
        ("0.1 + 0.2", "0.3"),
        ("1.10 * 1.10", "1.21"),
        ("0.1 - 0.1", "0"),
        ("-1.50", "-1.50"),
        ("-(1.5 - 3)", "1.5"),
        ("2147483647 + 1", None),
        ("2147483647 * 2147483647", None),
        ("-2147483647 - 1", -2147483648),
        ("123456789012345678901234567890.1 + 1", "123456789012345678901234567891.1"),
        ("1.10 = 1.1", True),
        ("123456789012345678901234567890.1 = 123456789012345678901234567890.2", False),
        ("0.0000001 > 0", True),
        ("1 = 1.0", True),
        ("1 + {}", None),
        ("'42'.toInteger()", 42),
        ("'+42'.toInteger()", 42),
        ("'4.2'.toInteger()", None),
        ("'99999999999'.toInteger()", None),
        ("true.toInteger()", 1),
        ("1.5.toInteger()", None),
        ("(1 = 1).toString()", "true"),
        ("12.toString()", "12"),
        ("1.50.toString()", "1.50"),
        ("@2015-01-01.toString()", "2015-01-01"),
        ("'abcdef'.substring(2)", "cdef"),
        ("'abcdef'.substring(2, 3)", "cde"),
        ("'abcdef'.substring(2, 99)", "cdef"),
        ("'abcdef'.substring(6)", None),
        ("'abcdef'.substring(-1)", None),
        ("'abcdef'.substring(2, 0)", ""),
        ("'abcdef'.substring(2, -1)", ""),
        ("'abcdef'.substring(2, {})", "cdef"),
        ("'é😀x'.substring(1, 1)", "😀"),
        ("'abc'.startsWith('ab')", True),
        ("'abc'.startsWith('')", True),
        ("'abc'.endsWith('bc')", True),
        ("'abc'.contains('_')", False),
        ("'a%c'.contains('%')", True),
        ("'abc'.contains({})", None),
        (r"'it\'s \"\\ \n'", "it's \"\\ \n"),
    ],
)
def test_literals_arithmetic_and_strings(path: str, expected: Any) -> None:
    assert evaluate(path, PATIENT) == expected


COMPANIONS = {
    "resourceType": "Patient",
    "id": "p1",
    "_birthDate": {"extension": [{"url": "u", "valueCode": "unknown"}]},
    "gender": "male",
    "_gender": {"id": "g1"},
    "name": [
        {"given": [None, "B", "C"], "_given": [{"extension": [{"url": "u", "valueString": "x"}]}, None, {"id": "c"}]},
        {"_family": {"extension": [{"url": "v", "valueString": "y"}]}},
        {"family": "Z"},
    ],
}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("birthDate", None),
        ("birthDate.exists()", True),
        ("birthDate.empty()", False),
        ("birthDate.count()", 1),
        ("birthDate.extension('u').value.ofType(code)", "unknown"),
        ("birthDate.extension('none').exists()", False),
        ("birthDate < @2000", None),
        ("birthDate.id", None),
        ("gender.id", "g1"),
        ("name.given.count()", 3),
        ("name.given.first()", None),
        ("name.given[1]", "B"),
        ("name.given.extension('u').value.ofType(string)", "x"),
        ("name.given[0].extension('u').value.ofType(string)", "x"),
        ("name.given[2].id", "c"),
        ("name.given.where($this = 'C').id", "c"),
        ("name.given.where($this.empty()).count()", 0),
        ("name.given.where(extension.exists()).count()", 1),
        ("name.given.where(extension('u').exists()).extension.url", "u"),
        ("name.family.count()", 2),
        ("name.family.first()", None),
        ("name.family.last()", "Z"),
        ("name.family.exists()", True),
        ("name[1].family.exists()", True),
        ("name.family", "Z"),
        ("name.given.join('')", "BC"),
        ("(name.given | name.family).count()", 5),
        ("name[1].family = 'Z'", None),
        ("name.given = 'B'", False),
        ("getResourceKey()", "p1"),
    ],
)
def test_primitives_that_have_extensions(path: str, expected: Any) -> None:
    """A primitive without a value is an item; columns leave it out, operators take it as empty."""
    assert evaluate(path, COMPANIONS) == expected


def test_a_collection_leaves_out_what_has_no_value() -> None:
    assert evaluate("name.given", COMPANIONS, collection=True) == ["B", "C"]
    assert evaluate("name.given | name.family", COMPANIONS, collection=True) == ["B", "C", "Z"]


EXTENSIONS = """{"resourceType": "Patient", "id": "p", "extension": [
    {"url": "a", "valueDecimal": 1.0}, {"url": "b", "valueDecimal": 1.00}, {"url": "i", "valueInteger": 1},
    {"url": "c", "valueDateTime": "2010-10-10T10:00:00Z"}, {"url": "d", "valueDateTime": "2010-10-10T12:00:00+02:00"},
    {"url": "t", "valueTime": "12:00:00"}, {"url": "t", "valueTime": "12:00:00.0"},
    {"url": "s", "valueString": "text"}, {"url": "s", "valueCode": "code"},
    {"url": "n", "extension": [{"url": "m", "valueCode": "inner"}]}]}"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("extension('a').value.ofType(decimal) = extension('b').value.ofType(decimal)", True),
        ("extension('c').value.ofType(dateTime) = extension('d').value.ofType(dateTime)", True),
        ("extension('t').value.ofType(time) = extension('a').value.ofType(decimal)", "refused"),
        ("(extension.value.ofType(decimal) | extension.value.ofType(integer)).count()", 1),
        ("(extension.value.ofType(dateTime) | {}).count()", 1),
        ("(extension.value.ofType(time) | {}).count()", 1),
        ("extension('s').value.ofType(string).count()", 2),
        ("extension('s').value.ofType(code)", "code"),
        ("extension('n').extension('m').value.ofType(code)", "inner"),
        ("extension('s').value.exists()", True),
        ("extension('n').value.exists()", False),
        ("extension.where(url = 'n').extension.url", "m"),
    ],
)
def test_values_are_compared_by_value_in_collections(path: str, expected: Any) -> None:
    if expected == "refused":
        with pytest.raises(Exception, match="never equal"):
            evaluate(path, EXTENSIONS)
    else:
        assert evaluate(path, EXTENSIONS) == expected


def test_constants_are_compared_as_their_type() -> None:
    constants = [{"name": "born", "valueDate": "1970-06"}, {"name": "n", "valueInteger": 1}]
    assert evaluate("birthDate = %born", PATIENT, constant=constants) is None
    assert evaluate("name[%n].family", PATIENT, constant=constants) == "Sklodowska"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("1.0 | 1.00", "1.0"),
        ("'a' | 'a'", "a"),
        ("@T10:00:00 | @T10:00:00.0", "10:00:00"),
        ("@2015-02-04T10:00:00Z | @2015-02-04T11:00:00+01:00", "2015-02-04T10:00:00Z"),
    ],
)
def test_equal_literals_are_one_value(path: str, expected: str) -> None:
    assert evaluate(path, PATIENT) == expected


@pytest.mark.parametrize(
    ("path", "resource"),
    [
        ("photo.data", {"resourceType": "Patient", "photo": [{"data": "YWJj"}]}),
        (
            "content.attachment.data",
            {"resourceType": "DocumentReference", "content": [{"attachment": {"data": "YWJj"}}]},
        ),
        (
            "extension.value.ofType(base64Binary)",
            {"resourceType": "Patient", "extension": [{"url": "u", "valueBase64Binary": "YWJj"}]},
        ),
    ],
)
def test_the_only_binary_of_a_list(path: str, resource: dict[str, Any]) -> None:
    assert evaluate(path, resource) == b"abc"


def test_of_several_binaries_none_is_taken() -> None:
    resource = {"resourceType": "Patient", "id": "p", "photo": [{"data": "YWJj"}, {"data": "YWJj"}]}
    with pytest.raises(duckdb.InvalidInputException, match="several values"):
        evaluate("photo.data", resource)


@pytest.mark.parametrize("path", ["value is integer", "value.single().ofType(integer)", "value as integer"])
def test_a_type_test_of_several_values_is_an_error(path: str) -> None:
    with pytest.raises(duckdb.InvalidInputException, match="several values"):
        evaluate(f"component.{path}", OBSERVATION)


def test_what_a_filter_reads_is_not_what_its_items_hold() -> None:
    """Here only answers have items, and none of the elements that the filter keeps."""
    item = {"linkId": "1", "answer": [{"valueString": "a", "item": [{"linkId": "1.1"}]}]}
    resource = {"resourceType": "QuestionnaireResponse", "id": "q", "item": [item]}
    assert evaluate("item.where(answer.exists()).item.linkId", resource) is None
    assert evaluate("item.where(answer.exists()).answer.item.linkId", resource) == "1.1"
