"""The functions over collections: what they give for nothing, one and many, for odd primitives and for choices."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

from lacustre.errors import FhirPathTypeError, UnsupportedFunctionError
from lacustre.fhir.model import load_model
from lacustre.views.compile import compile_view
from lacustre.views.model import parse_view
from support.view_runs import evaluate

PATIENT = """{"resourceType": "Patient", "id": "p", "active": true, "gender": "female",
    "_birthDate": {"extension": [{"url": "u", "valueCode": "unknown"}]},
    "name": [
        {"use": "official", "family": "Curie", "given": ["Marie", null, "Salomea"],
         "_given": [null, {"extension": [{"url": "u", "valueString": "x"}]}, null], "period": {"start": "1895"}},
        {"use": "maiden", "family": "Sklodowska", "given": ["Maria"], "period": {"start": "1867-11-07"}},
        {"use": "official", "family": "Curie", "given": ["Marie", null, "Salomea"],
         "_given": [null, {"extension": [{"url": "u", "valueString": "x"}]}, null], "period": {"start": "1895"}}],
    "contact": [{"name": {"use": "maiden", "family": "Sklodowska", "given": ["Maria"], "period": {"start": "1867-11-07"}}}],
    "generalPractitioner": [{"reference": "Practitioner/1"}, {"reference": "http://h/Organization/2"}, {"display": "x"}],
    "extension": [
        {"url": "b", "valueBoolean": true}, {"url": "b", "valueBoolean": false}, {"url": "d", "valueDecimal": 1.0},
        {"url": "d", "valueDecimal": 1.00}, {"url": "i", "valueInteger": 3}, {"url": "i", "valueInteger": 1},
        {"url": "q", "valueQuantity": {"value": 5.0, "unit": "kg"}}, {"url": "q", "valueQuantity": {"value": 5, "unit": "kg"}},
        {"url": "t", "valueDateTime": "2010-10-10T10:00:00Z"}, {"url": "t", "valueDateTime": "2010-10-10T12:00:00+02:00"},
        {"url": "n", "extension": [{"url": "m", "extension": [{"url": "l", "valueString": "deep"}]}]}]}"""
FORM = """{"resourceType": "QuestionnaireResponse", "id": "q", "status": "completed", "item": [
    {"linkId": "1", "item": [{"linkId": "1.1", "item": [{"linkId": "1.1.1"}]}, {"linkId": "1.2"}]},
    {"linkId": "2", "answer": [{"valueString": "a", "item": [{"linkId": "2.1"}]}]},
    {"linkId": "3", "item": [{"linkId": "1.2"}]}]}"""


def booleans(kind: str) -> str:
    return f"extension('{kind}').value.ofType(boolean)"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        # nothing
        ("link.all(false)", True),
        ("link.exists(true)", False),
        ("link.select(true)", []),
        ("link.skip(1)", "refused"),
        ("link.type.tail()", []),
        ("link.type.distinct()", []),
        ("link.type.isDistinct()", True),
        ("link.subsetOf(link)", True),
        ("link.type.union(name.family).count()", 2),
        ("link.type.combine({})", []),
        ("link.type.intersect(name.family)", []),
        ("name.family.exclude(link.type).count()", 3),
        ("link.type.allTrue()", "refused"),
        ("({}).allTrue()", True),
        ("({}).anyTrue()", False),
        ("({}).hasValue()", False),
        ("link.type.aggregate($total & $this, 'none')", "none"),
        ("link.repeat(other)", "refused"),
        ("iif({}, 1, 2)", 2),
        ("iif(link.exists(), 1)", []),
        # one
        ("gender.select($this & '!')", ["female!"]),
        ("gender.where($index = 0)", ["female"]),
        ("gender.where($index = 1)", []),
        ("gender.tail()", []),
        ("gender.take(1)", ["female"]),
        ("gender.distinct()", ["female"]),
        ("gender.combine('female').count()", 2),
        ("gender.union('female').count()", 1),
        ("gender.subsetOf('female' | 'male')", True),
        ("gender.supersetOf('female' | 'male')", False),
        ("active.allTrue()", True),
        ("active.trace('x', $this)", [True]),
        ("gender.iif(true, 'a')", ["a"]),
        ("name.first().select(iif(use = 'official', family, 'other'))", ["Curie"]),
        # many
        ("name.all(given.exists())", True),
        ("name.all(use = 'official')", False),
        ("name.select(given.count())", [3, 1, 3]),
        ("name.select(family & use)", ["Curieofficial", "Sklodowskamaiden", "Curieofficial"]),
        ("name.select(given | family)", ["Marie", "Salomea", "Curie", "Maria", "Sklodowska", "Marie", "Salomea", "Curie"]),
        ("name.select($index)", [0, 1, 2]),
        ("name.where($index > 0).family", ["Sklodowska", "Curie"]),
        ("name.family.where($index = 1)", ["Sklodowska"]),
        ("name.all($index < 3)", True),
        ("name.select(given.where($index = 2))", ["Salomea", "Salomea"]),
        ("name.skip(1).family", ["Sklodowska", "Curie"]),
        ("name.skip(-1).count()", 3),
        ("name.skip(3).family", []),
        ("name.take(2).skip(1).family", ["Sklodowska"]),
        ("name.take(-1).count()", 0),
        ("name.take({}).count()", 0),
        ("name.tail().tail().use", ["official"]),
        ("name.tail().first().family", ["Sklodowska"]),
        ("name.family.distinct()", ["Curie", "Sklodowska"]),
        ("name.family.isDistinct()", False),
        ("name.use.intersect('official' | 'old')", ["official"]),
        ("name.use.exclude('maiden')", ["official", "official"]),
        ("name.family.combine(name.use).count()", 6),
        ("name.family | name.use", ["Curie", "Sklodowska", "official", "maiden"]),
        ("extension('i').value.ofType(integer).aggregate($this + $total, 0)", 4),
        ("extension('i').value.ofType(integer).aggregate(iif($total.empty() or $this > $total, $this, $total))", 3),
        ("extension.value.ofType(decimal).combine(extension.value.ofType(integer)).aggregate($total + $this, 0)", ["6"]),
        (f"{booleans('b')}.allTrue()", False),
        (f"{booleans('b')}.anyTrue()", True),
        (f"{booleans('b')}.allFalse()", False),
        (f"{booleans('b')}.anyFalse()", True),
        ("name.iif(true, 1, 2)", "refused"),
        ("iif(name.given.exists(), 1, 2)", 1),
        ("iif(false, name.family.single(), 'x')", ["x"]),
        ("iif(active, 1, 2.50)", ["1"]),
        ("iif(active.not(), 1, 2.50)", ["2.50"]),
        ("iif(active, name, contact.name).family", ["Curie", "Sklodowska", "Curie"]),
        # membership
        ("'Marie' in name.given", True),
        ("name.given contains 'Marya'", False),
        ("'a' in {}", False),
        ("({} in name.given).exists()", False),
        ("name.family in 'a'", "several"),
        ("birthDate in @1970", False),
        ("1.0 in extension('d').value.ofType(decimal)", True),
        ("name[0] in name.tail()", True),
        ("name[1] in contact.name", True),
        # logic
        ("active xor active", False),
        ("(active xor {}).exists()", False),
        ("{} implies active", True),
        ("(active implies {}).exists()", False),
        ("active.not() implies {}", True),
    ],
)  # fmt: skip
def test_nothing_one_and_many(path: str, expected: Any) -> None:
    check(path, expected)


def check(path: str, expected: Any, resource: Any = PATIENT) -> None:
    if expected == "refused":
        with pytest.raises((FhirPathTypeError, UnsupportedFunctionError)):
            evaluate(path, resource, collection=True)
    elif expected == "several":
        with pytest.raises(duckdb.InvalidInputException, match="yields several values"):
            evaluate(path, resource, collection=True)
    else:
        assert evaluate(path, resource, collection=True) == (expected if isinstance(expected, list) else [expected])


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("birthDate.exists()", True),
        ("birthDate.hasValue()", False),
        ("birthDate.getValue()", []),
        ("birthDate.select($this.exists())", [True]),
        ("birthDate.select(extension.url)", ["u"]),
        ("birthDate.all(extension.exists())", True),
        ("birthDate.tail().exists()", False),
        ("birthDate.distinct().extension.url", ["u"]),
        ("iif(active, birthDate, @1970).exists()", True),
        ("iif(active, birthDate, @1970).extension.url", ["u"]),
        ("birthDate ~ birthDate", False),
        ("birthDate ~ {}", False),
        ("birthDate in (@1970 | @1971)", False),
        ("name[0].given.count()", 3),
        ("name[0].given.tail()", ["Salomea"]),
        ("name[0].given.tail().count()", 2),
        ("name[0].given.skip(1).first().extension.value.ofType(string)", ["x"]),
        ("name[0].given.take(2).extension.url", ["u"]),
        ("name[0].given.select($index)", [0, 1, 2]),
        ("name[0].given.select($this & '.')", ["Marie.", ".", "Salomea."]),
        ("name[0].given.all($this.hasValue())", False),
        ("name[0].given.where(hasValue()).count()", 2),
        ("name[0].given[1].hasValue()", False),
        ("name.take(1).given.distinct().count()", 3),
        ("name.given.distinct().count()", 5),
        ("name.given.distinct().extension.url", ["u", "u"]),
        ("(name.given | name.use).extension.url", ["u", "u"]),
        ("name.given.combine(name.use).extension.url", ["u", "u"]),
        ("name.given.combine(name.use).count()", 10),
        ("name[0].given.isDistinct()", True),
        ("name[0].given.exclude('Marie').count()", 2),
        ("name[0].given.subsetOf('Marie' | 'Salomea')", False),
        ("name[1].given.subsetOf(name[0].given)", False),
        ("name[0].given ~ ('salomea' | 'MARIE')", False),
        ("name[0].given.tail() ~ name[2].given.tail()", True),
    ],
)
def test_primitives_that_have_extensions_alone(path: str, expected: Any) -> None:
    check(path, expected)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("name[0] = name[2]", True),
        ("name[0] != name[2]", False),
        ("name[0] = name[1]", False),
        ("(name[0] = link[0].other).exists()", "refused"),
        ("(name[0] = name[5]).exists()", False),
        ("name = name", True),
        ("name = name.take(2)", False),
        ("name.take(2) = name.skip(1)", False),
        ("contact.name = name[1]", True),
        ("contact.name = name.skip(1).take(1)", True),
        ("name[0].period = name[1].period", False),
        ("name.distinct().family", ["Curie", "Sklodowska"]),
        ("name.isDistinct()", False),
        ("(name | contact.name).count()", 2),
        ("name.combine(contact.name).use", ["official", "maiden", "official", "maiden"]),
        ("name.intersect(contact.name).family", ["Sklodowska"]),
        ("name.exclude(contact.name).family", ["Curie", "Curie"]),
        ("contact.name.subsetOf(name)", True),
        ("name.subsetOf(contact.name)", False),
        ("extension('d').value.ofType(decimal).isDistinct()", False),
        ("extension('d')[0] = extension('d')[1]", True),
        ("extension('t')[0] = extension('t')[1]", True),
        ("extension('q')[0] = extension('q')[1]", True),
        ("extension('d').distinct().count()", 1),
        ("extension('i')[0] = extension('d')[0]", False),
        ("extension('b').distinct().count()", 2),
        ("%resource = %resource", "refused"),
        ("name ~ name", "refused"),
        ("name < name", "refused"),
    ],
)
def test_elements_are_equal_member_by_member(path: str, expected: Any) -> None:
    check(path, expected)


def test_a_partial_date_leaves_the_equality_of_elements_open() -> None:
    names = [{"use": "old", "period": {"start": "1895"}}, {"use": "old", "period": {"start": "1895-07"}}]
    patient = {"resourceType": "Patient", "id": "p", "name": names}
    assert evaluate("name[0] = name[1]", patient) is None
    assert evaluate("name.distinct().count()", patient) == 2
    names[1]["use"] = "usual"
    assert evaluate("name[0] = name[1]", patient) is False


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("'a b' ~ 'A\\tB'", True),
        ("'ab' ~ 'a b'", False),
        ("'é' ~ 'É'", True),
        ("gender !~ 'FEMALE'", False),
        ("1.2 / 1.8 ~ 0.67", True),
        ("1.2 / 1.8 ~ 0.66", False),
        ("1.05 ~ 1.1", True),
        ("-1.05 ~ -1.1", True),
        ("-0.04 ~ 0.0", True),
        ("1.10 ~ 1.1", True),
        ("9.96 ~ 10.0", True),
        ("100 ~ 100.4", True),
        ("100 ~ 100.5", False),
        ("1 ~ 2", False),
        ("{} ~ {}", True),
        ("{} ~ 1", False),
        ("link ~ {}", "refused"),
        ("link.type ~ {}", True),
        ("@2012 ~ @2012-01", False),
        ("@2012-01-01T10:00:00Z ~ @2012-01-01T11:00:00+01:00", True),
        ("@T10:00 ~ @T10:00:00", False),
        ("active ~ true", True),
        ("name.family ~ ('sklodowska' | 'curie').combine('CURIE')", True),
        ("name.family ~ ('sklodowska' | 'curie')", False),
        ("name.use ~ 'official'", False),
        ("name.take(1).use ~ 'Official'", True),
        ("extension('i').value.ofType(integer) ~ (1 | 3)", True),
        ("extension('d').value.ofType(decimal) ~ extension('d').value.ofType(decimal)", "refused"),
        ("gender ~ 1", "refused"),
    ],
)
def test_equivalence(path: str, expected: Any) -> None:
    check(path, expected)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("active is boolean", True),
        ("active is Boolean", False),
        ("active is System.Boolean", False),
        ("true is Boolean", True),
        ("true is boolean", False),
        ("gender is code", True),
        ("gender is string", True),
        ("gender is System.Patient", False),
        ("gender is System.Zork", "refused"),
        ("gender.ofType(String)", "refused"),
        ("(1 | 2).where($this is Integer).count()", 2),
        ("active.getValue() is Boolean", True),
        ("(active | true).first() is Boolean", "refused"),
        ("4 'mg' is System.Quantity", True),
        ("4 'mg' is Quantity", "refused"),
        ("4 'mg' is FHIR.Quantity", False),
        ("extension('q').value is Quantity", "several"),
        ("extension('q')[0].value is Quantity", True),
        ("1.type().name", ["Integer"]),
        ("active.type().name", ["boolean"]),
        ("name.type().name.distinct()", ["HumanName"]),
        ("link.type.type().name", []),
        ("extension.where(url = 'd' or url = 'b').value.type().name.distinct()", ["boolean", "decimal"]),
        ("deceased.type().name", []),
        ("contact.type().name", "refused"),
        ("1 | 2 is Integer", "refused"),
        ("1 | (2 is Integer).toInteger()", [1]),
        ("1 + 1 is Integer", True),
        ("true and 1 is Integer", True),
    ],
)
def test_types_have_namespaces(path: str, expected: Any) -> None:
    check(path, expected)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("extension.where(url = 'b').value.hasValue()", "refused"),
        ("extension('i').value.skip(1)", "refused"),
        ("extension('i').value.distinct()", "refused"),
        ("extension('i').select(value.exists())", [True, True]),
        ("extension.value.where(exists()).count()", 10),
        ("extension.where(value is Quantity).count()", 2),
        ("extension.value.where($this is integer).ofType(integer)", [3, 1]),
        ("extension('i').select(value.ofType(integer) + 1)", [4, 2]),
        ("extension.select(iif(value is integer, value.ofType(integer).toString(), url))",
         ["b", "b", "d", "d", "3", "1", "q", "q", "t", "t", "n"]),
    ],
)  # fmt: skip
def test_choice_elements(path: str, expected: Any) -> None:
    check(path, expected)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("repeat(item).linkId", ["1", "1.1", "1.1.1", "1.2", "2", "3"]),
        ("repeat(item).count()", 6),
        ("item.repeat(item).linkId", ["1.1", "1.1.1", "1.2"]),
        ("repeat(item).where(item.exists()).linkId", ["1", "1.1", "3"]),
        ("repeat(item).answer.item.linkId", ["2.1"]),
        ("item.repeat(item | answer.item).linkId", ["1.1", "1.1.1", "1.2", "2.1"]),
        ("repeat(item).exists(linkId = '1.1.1')", True),
        ("repeat(item).last().linkId", ["3"]),
        ("repeat(item[0]).linkId", ["1", "1.1", "1.1.1"]),
        ("repeat($this)", "refused"),
        ("repeat(%resource.item)", "refused"),
        ("repeat(item.linkId)", "refused"),
    ],
)
def test_repeat(path: str, expected: Any) -> None:
    check(path, expected, FORM)


def test_repeat_over_extensions_goes_as_deep_as_the_table() -> None:
    check("repeat(extension).count()", 10)  # three are equal to others
    check("repeat(extension).value.ofType(string)", ["deep"])
    check("extension('n').repeat(extension).url", ["m", "l"])


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("generalPractitioner.resolve().getResourceKey()", ["1", "2"]),
        ("generalPractitioner.resolve().id", ["1", "2"]),
        ("generalPractitioner.resolve().ofType(Practitioner).id", ["1"]),
        ("generalPractitioner.resolve().ofType(Patient).id", []),
        ("generalPractitioner.resolve().ofType(Practitioner).ofType(Organization).id", []),
        ("generalPractitioner.where(resolve() is Organization).reference", ["http://h/Organization/2"]),
        ("generalPractitioner.select(resolve() is Practitioner)", [True, False]),
        ("generalPractitioner[2].resolve().id", []),
        ("generalPractitioner.resolve().exists()", "refused"),
        ("generalPractitioner.resolve().count()", "refused"),
        ("generalPractitioner.resolve().name.family", "refused"),
        ("generalPractitioner.resolve() is DomainResource", "refused"),
        ("gender.resolve()", "refused"),
    ],
)
def test_resolve_tells_what_the_text_of_a_reference_tells(path: str, expected: Any) -> None:
    check(path, expected)


def test_canonicals_of_fhir() -> None:
    check("%`vs-administrative-gender`", ["http://hl7.org/fhir/ValueSet/administrative-gender"])
    check("%`ext-patient-birthTime`", ["http://hl7.org/fhir/StructureDefinition/patient-birthTime"])


@pytest.mark.parametrize("path", ["$this.aggregate($total + 1, 0)", "%resource.where(active).combine($this).count()"])
def test_lists_of_the_resource_itself_are_refused(path: str) -> None:
    view = {"resource": "Patient", "name": "v", "select": [{"column": [{"name": "a", "path": path}]}]}
    with pytest.raises(UnsupportedFunctionError, match="of the resource itself is not supported"):
        compile_view(parse_view(view), load_model(), {"active": {}})
