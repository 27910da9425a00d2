"""Conversion of stored values of every kind."""

from __future__ import annotations

import json
import re
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lacustre.errors import FhirPathTypeError, UnsupportedFunctionError
from support.stored import N, S, found, holding, numbers, texts
from support.view_runs import evaluate

PATIENT = {"resourceType": "Patient", "id": "p", "name": [{"family": "x"}]}
NAMES = ("Boolean", "Integer", "Decimal", "String", "Date", "DateTime", "Time", "Quantity")

BOOLEANS = dict.fromkeys(["true", "T", "yes", "Y", "1", "1.0", "TRUE"], True)
BOOLEANS |= dict.fromkeys(["false", "F", "no", "N", "0", "0.0", "False"], False)

STRINGS: list[tuple[str, dict[str, Any]]] = [
    ("12", {"Integer": 12, "Decimal": "12", "Quantity": "12 '1'", "Time": "12"}),
    ("+012", {"Integer": 12, "Decimal": "12", "Quantity": "12 '1'"}),
    ("-0", {"Integer": 0, "Decimal": "-0", "Quantity": "-0 '1'"}),
    ("2147483648", {"Decimal": "2147483648", "Quantity": "2147483648 '1'"}),
    ("-2147483648", {"Integer": -(2**31), "Decimal": "-2147483648", "Quantity": "-2147483648 '1'"}),
    ("1.50", {"Decimal": "1.50", "Quantity": "1.50 '1'"}),
    ("-00.5", {"Decimal": "-0.5", "Quantity": "-0.5 '1'"}),
    ("1" * 40 + ".5", {"Decimal": "1" * 40 + ".5", "Quantity": "1" * 40 + ".5 '1'"}),
    (".5", {}),
    ("1.", {}),
    ("1e2", {}),
    (" 1", {}),
    ("1 ", {}),
    ("0x1", {}),
    ("١", {}),
    ("", {}),
    ("2015", {"Integer": 2015, "Decimal": "2015", "Date": "2015", "DateTime": "2015", "Quantity": "2015 '1'"}),
    ("0000", {"Integer": 0, "Decimal": "0", "Quantity": "0 '1'"}),
    ("2015-02", {"Date": "2015-02", "DateTime": "2015-02"}),
    ("2015-13", {}),
    ("2015-02-28", {"Date": "2015-02-28", "DateTime": "2015-02-28"}),
    ("2015-02-29", {}),
    ("2016-02-29", {"Date": "2016-02-29", "DateTime": "2016-02-29"}),
    ("2015-2-4", {}),
    ("2015-02-04T", {}),
    ("2015-02-04T14", {"DateTime": "2015-02-04T14"}),
    ("2015-02-04T14:34", {"DateTime": "2015-02-04T14:34"}),
    ("2015-02-04T14:34:28", {"DateTime": "2015-02-04T14:34:28"}),
    ("2015-02-04T14:34:28.123", {"DateTime": "2015-02-04T14:34:28.123"}),
    ("2015-02-04T14:34:28Z", {"DateTime": "2015-02-04T14:34:28Z"}),
    ("2015-02-04T14:34:28+10:00", {"DateTime": "2015-02-04T14:34:28+10:00"}),
    ("2015-02-04T14:34:28+15:00", {}),
    ("2015-02-04T24:00:00", {}),
    ("2015-02-04 14:34:28", {}),
    ("14", {"Integer": 14, "Decimal": "14", "Time": "14", "Quantity": "14 '1'"}),
    ("14:34", {"Time": "14:34"}),
    ("14:34:28", {"Time": "14:34:28"}),
    ("14:34:28.123", {"Time": "14:34:28.123"}),
    ("24:00", {}),
    ("T14:34", {}),
    ("14:34Z", {}),
    ("4 days", {"Quantity": "4 days"}),
    ("+4.50  'mg'", {"Quantity": "4.50 'mg'"}),
    ("1'mg'", {"Quantity": "1 'mg'"}),
    ("1 wk", {}),
    ("1 'wk'", {"Quantity": "1 'wk'"}),
    ("1.a", {}),
    ("1 ''", {}),
    ("1 dayss", {}),
    ("unknown", {}),
]


def test_strings() -> None:
    resources = [texts(text) for text, _ in STRINGS]
    for name in NAMES:
        rows = found([*resources, texts(None)], f"{S}.to{name}()", f"{S}.convertsTo{name}()")
        for (text, results), row in zip(STRINGS, rows, strict=False):
            expected = BOOLEANS.get(text) if name == "Boolean" else text if name == "String" else results.get(name)
            assert row == (expected, expected is not None), (text, name)
        assert rows[-1] == (None, None)


@pytest.mark.parametrize("text", BOOLEANS)
def test_strings_that_are_booleans(text: str) -> None:
    assert found([texts(text), texts("x")], f"{S}.toBoolean()", f"{S}.convertsToBoolean()") == [
        (BOOLEANS[text], True),
        (None, False),
    ]


KINDS: list[tuple[str, Any, str, dict[str, Any]]] = [
    ("boolean", True, "Boolean", {"Integer": 1, "Decimal": "1.0", "String": "true", "Quantity": "1.0 '1'"}),
    ("boolean", False, "Boolean", {"Integer": 0, "Decimal": "0.0", "String": "false", "Quantity": "0.0 '1'"}),
    ("integer", 1, "Integer", {"Boolean": True, "Decimal": "1", "String": "1", "Quantity": "1 '1'"}),
    ("integer", -5, "Integer", {"Decimal": "-5", "String": "-5", "Quantity": "-5 '1'"}),
    ("dateTime", "2015-02", "DateTime", {"Date": "2015-02", "String": "2015-02"}),
    (
        "dateTime",
        "2015-02-04T23:30:00-05:00",
        "DateTime",
        {"Date": "2015-02-04", "String": "2015-02-04T23:30:00-05:00"},
    ),
    ("time", "14:34:28", "Time", {"String": "14:34:28"}),
]


@pytest.mark.parametrize(("type_", "value", "own", "results"), KINDS)
def test_kinds(type_: str, value: Any, own: str, results: dict[str, Any]) -> None:
    resource = holding(f"value{type_[0].upper()}{type_[1:]}", value)
    source = f"value.ofType({type_})"
    paths = [f"{source}.to{name}()" for name in NAMES] + [f"{source}.convertsTo{name}()" for name in NAMES]
    [row] = found([resource], *paths)
    expected = [value if name == own else results.get(name) for name in NAMES]
    assert list(row) == expected + [entry is not None for entry in expected]


@pytest.mark.parametrize(
    ("lexeme", "boolean", "text"),
    [
        ("1.0", True, "1.0"),
        ("10E-1", True, "1.0"),
        ("0.00", False, "0.00"),
        ("-0.0", False, "-0.0"),
        ("1.5", None, "1.5"),
        ("1.00000000000000000001", None, "1.00000000000000000001"),
        ("1.50E3", None, "1500"),
        ("12E-3", None, "0.012"),
    ],
)
def test_decimals(lexeme: str, boolean: bool | None, text: str) -> None:
    paths = [f"{N}.toBoolean()", f"{N}.toInteger()", f"{N}.toDecimal()", f"{N}.toString()", f"{N}.toQuantity()"]
    assert found([numbers(lexeme)], *paths) == [(boolean, None, lexeme, text, f"{lexeme} '1'")]


def test_instants_are_date_times() -> None:
    resource = json.dumps({"resourceType": "Observation", "issued": "2015-02-04T14:34:28.5Z"})
    paths = ["issued.toDateTime()", "issued.toDate()", "issued.convertsToTime()", "issued.toString()"]
    assert found([resource], *paths) == [("2015-02-04T14:34:28.5Z", "2015-02-04", False, "2015-02-04T14:34:28.5Z")]


@settings(max_examples=15)
@given(st.lists(st.text("0123456789-+.:T Ze'd", max_size=11), min_size=20, max_size=60))
def test_any_text(values: list[str]) -> None:
    rows = found([texts(value) for value in values], f"{S}.toInteger()", f"{S}.toDecimal()", f"{S}.toDate()")
    for text, (number, decimal, day) in zip(values, rows, strict=True):
        is_integer = re.fullmatch(r"[+-]?[0-9]+", text) and -(2**31) <= int(text) < 2**31
        assert number == (int(text) if is_integer else None), text
        is_decimal = re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?", text)
        assert (None if decimal is None else Decimal(decimal)) == (Decimal(text) if is_decimal else None), text
        assert day == (text if is_date(text) else None), text


@settings(max_examples=15)
@given(st.lists(st.from_regex(r"[0-2][0-9]{3}-[01][0-9]-[0-3][0-9]", fullmatch=True), min_size=20, max_size=60))
def test_days_of_the_calendar(values: list[str]) -> None:
    rows = found([texts(value) for value in values], f"{S}.toDate()", f"{S}.convertsToDateTime()")
    assert rows == [(value if is_date(value) else None, is_date(value)) for value in values]


def is_date(text: str) -> bool:
    if not re.fullmatch(r"[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?", text):
        return False
    try:
        date.fromisoformat(text + "-01-01"[len(text) - 4 :])
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("2015-02-04T14", "= @2015-02-04T14", True),
        ("2015-02-04T14", "= @2015-02-04T14:30", None),
        ("2015-02-04T14", "< @2015-02-04T15:30", True),
        ("2015-02-04T14", "<= @2015-02-04T14", True),
        ("2015-02-04T14", "!= @2015-02-04T15", True),
        ("2015-02-04T14:30", "< @2015-02-04T14:30:10", None),
        ("2015-02-04T14:30", "> @2015-02-04T14:29:59.9", True),
        ("2015-02-04T14:30+02:00", "= @2015-02-04T13:30", True),
        ("2015-02-04T14:30:00.10", "= @2015-02-04T14:30:00.1", True),
        ("2015-02-04T14:30:00.1234567", "< @2015-02-04T14:30:00.1234568", True),
        ("2015-02-04T14", "> @2015-02-03", True),
        ("2015-02-04T14", "> @2015-02-04", None),
        ("2015-02-03T23:30Z", "= @2015-02-04", None),
        ("2015-02-03T23:30Z", "> @2015-02-03", True),
        ("2015-02", "< @2015-02-04T14", None),
        ("2015-01", "< @2015-02-04T14", True),
        ("2015", "< @2016", True),
        ("2015", "= @2015", True),
        ("x", "< @2015-02-04T14", None),
        ("2015-02-30", "< @2016", None),
    ],
)
def test_a_converted_moment_keeps_its_precision(text: str, path: str, expected: bool | None) -> None:
    assert found([texts(text)], f"{S}.toDateTime() {path}", zone="Europe/Paris") == [(expected,)]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("'2015-02-04T14'.toDateTime() < @2015-02-04T15", True),
        ("'2015'.toDate()", "2015"),
        ("'2015-02-30'.toDate()", None),
        ("'14:30'.toTime() < @T14:31", True),
        ("{}.toInteger()", None),
        ("{}.convertsToInteger()", None),
        ("4 'mg'.toString()", "4 'mg'"),
        ("4 days.toQuantity()", "4 days"),
        ("4 'mg'.convertsToQuantity()", True),
        ("4 'mg'.convertsToInteger()", False),
    ],
)
def test_literals(path: str, expected: Any) -> None:
    assert evaluate(path, PATIENT) == expected


def test_elements_without_a_value_do_not_convert() -> None:
    patient = {"resourceType": "Patient", "_birthDate": {"extension": [{"url": "u", "valueCode": "x"}]}}
    other = {"resourceType": "Patient", "birthDate": "1970"}
    rows = found([json.dumps(patient), json.dumps(other)], "birthDate.convertsToDate()", "birthDate.toString()")
    assert rows == [(None, None), (True, "1970")]


@pytest.mark.parametrize("path", ["'1'.toQuantity('mg')", "1.convertsToQuantity('mg')"])
def test_what_is_not_supported(path: str) -> None:
    with pytest.raises(UnsupportedFunctionError):
        evaluate(path, PATIENT)


@pytest.mark.parametrize("path", ["name.first().toString()", "name.first().convertsToInteger()", "name.toQuantity()"])
def test_elements_are_type_errors(path: str) -> None:
    with pytest.raises(FhirPathTypeError):
        evaluate(path, PATIENT)
