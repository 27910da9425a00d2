"""Quantities: literals, and stored elements of every unit, comparator and system."""

from __future__ import annotations

import json
import operator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lacustre.errors import FhirPathTypeError, UnsupportedFunctionError
from lacustre.views.units import measure_of
from support.stored import S, found, texts
from support.view_runs import evaluate

PATIENT = {"resourceType": "Patient", "id": "p"}
UCUM = "http://unitsofmeasure.org"
Q = "value.ofType(Quantity)"
OPERATORS = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def measured(value: str | None, code: str | None, *, system: str | None = UCUM, **members: Any) -> str:
    """An Observation of a quantity; its value is spelled as given."""
    quantity = {"system": system, "code": code, "unit": code, **members}
    entries = [f"{json.dumps(name)}: {json.dumps(member)}" for name, member in quantity.items() if member is not None]
    entries += [] if value is None else [f'"value": {value}']
    return f'{{"resourceType": "Observation", "valueQuantity": {{{", ".join(entries)}}}}}'


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("4.0000 'g' = 4000.0 'mg'", True),
        ("4 'g' != 4040 'mg'", True),
        ("4 'g' ~ 4000 'mg'", True),
        ("4 'g' ~ 4040 'mg'", True),
        ("4 'g' !~ 4040 'mg'", False),
        ("4.0 'g' ~ 4040 'mg'", True),
        ("4.1 'g' ~ 4040 'mg'", False),
        ("7 days = 1 week", True),
        ("7 days = 1 'wk'", True),
        ("1 second = 1000 'ms'", True),
        ("6 days < 1 week", True),
        ("8 days > 1 week", True),
        ("1 year = 1 years", True),
        ("2 months > 1 month", True),
        ("185 '[lb_av]' = 83.91458845 'kg'", True),
        ("1 'mm[Hg]' = 133.322 'Pa'", True),
        ("5 'foo' < 6 'foo'", True),
        ("5.0 'foo' = 5 'foo'", True),
        ("-(5 'mg') < 5 'mg'", True),
        ("(-5.5 'mg').abs() = 5.5 'mg'", True),
        ("5 'mg' + 0.50 'mg'", "5.50 'mg'"),
        ("5 days - 1 day", "4 days"),
        ("4 'mg' = {}", None),
        ("{} < 4 'mg'", None),
        ("4 'mg'.exists()", True),
        ("(4 'mg' | 4.0 'mg').count()", 1),
        ("(4 'mg' | 4.0 'g').count()", 2),
    ],
)
def test_literals(path: str, expected: Any) -> None:
    assert evaluate(path, PATIENT) == expected


@pytest.mark.parametrize(
    "path",
    [
        "1 year = 1 'a'",
        "1 year = 12 months",
        "1 'kg' = 1 'm'",
        "1 'kg' < 1 'foo'",
        "1 '%' = 10 'mg/g'",
        "1 'mmol/L' = 1 'meq/L'",
        "1 'mL/min/{1.73_m2}' = 1 'mL/min'",
        "2 'cm' * 2 'm'",
        "2 'cm' / 1 'cm'",
        "5 'mg' + 5 'g'",
        f"{Q} + 5 'mg'",
        "value < 5 'mg'",
        "component.value.ofType(Quantity) = 5 'mg'",
    ],
)
def test_what_is_not_known_is_not_supported(path: str) -> None:
    resource = measured("1", "g")
    with pytest.raises(UnsupportedFunctionError) as refused:
        found([resource], path)
    assert refused.value.diagnostics[0].start is not None


@pytest.mark.parametrize("path", ["5 'mg' = 5", "5 'mg' < '5 mg'", "5 'mg' + 5", "5 '' = 5 'mg'", f"{Q} > 5"])
def test_other_kinds_do_not_compare(path: str) -> None:
    with pytest.raises((FhirPathTypeError, UnsupportedFunctionError)):
        found([measured("1", "g")], path)


STORED = [
    measured("5.40", "g"),
    measured("5400", "mg"),
    measured("0.0054", "kg"),
    measured("5.4E3", "mg"),
    measured("5399.99999999999999999999", "mg"),
    measured("5.4", "g", comparator="<"),
    measured("5.4", "g", system="http://example.org"),
    measured("5.4", "g", system=None),
    measured("5.4", None),
    measured(None, "g"),
    measured("5.4", "m"),
    measured("5.4", "{g}"),
    '{"resourceType": "Observation", "valueString": "5.4 g"}',
]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"{Q} = 5.4 'g'", [True] * 4 + [False] + [None] * 8),
        (f"{Q} != 5.4 'g'", [False] * 4 + [True] + [None] * 8),
        (f"{Q} < 5.4 'g'", [False] * 4 + [True] + [None] * 8),
        (f"5.4 'g' > {Q}", [False] * 4 + [True] + [None] * 8),
        (f"5.4 'g' <= {Q}", [True] * 4 + [False] + [None] * 8),
        (f"{Q} >= 5400 'mg'", [True] * 4 + [False] + [None] * 8),
        (f"{Q} = 5.4 'm'", [None] * 10 + [True] + [None] * 2),
        (f"{Q} = 5.4 '{{g}}'", [None] * 11 + [True, None]),
        (f"{Q} ~ 5 'g'", [True] * 5 + [False] * 8),
        (f"{Q} ~ 5400 'mg'", [True] * 5 + [False] * 8),
        (f"{Q} !~ 5.4 'g'", [False] * 5 + [True] * 8),
        ("value = 5.4 'g'", [True] * 4 + [False] + [None] * 7 + [False]),
        ("value != 5.4 'g'", [False] * 4 + [True] + [None] * 7 + [True]),
        (
            f"{Q}.toString()",
            ["5.40 'g'", "5400 'mg'", "0.0054 'kg'", "5.4E3 'mg'", "5399.99999999999999999999 'mg'"]
            + [None] * 5
            + ["5.4 'm'", "5.4 '{g}'", None],
        ),
        (f"{Q}.convertsToQuantity()", [True] * 5 + [None] * 5 + [True, True, None]),
        (f"{Q} <= {Q}", [True] * 5 + [None] * 5 + [True, True, None]),
    ],
)
def test_stored_quantities(path: str, expected: list[Any]) -> None:
    assert [value for (value,) in found(STORED, path)] == expected


def test_elements_in_years_are_calendar_years() -> None:
    """FHIR reads the codes a and mo of elements as calendar durations."""
    rows = [measured("18", "a"), measured("17", "a"), measured("240", "mo"), measured("7000", "d"), measured("2", "wk")]
    assert found(rows, f"{Q} >= 18 years", f"{Q} >= 18 'a'", f"{Q} > 12 months", f"{Q} = 14 days") == [
        (True, True, None, None),
        (False, False, None, None),
        (None, None, True, None),
        (None, None, None, False),
        (None, None, None, True),
    ]


def test_converted_texts() -> None:
    rows = [texts("5.4 'g'"), texts("2 weeks"), texts("1 year"), texts("5400 'mg'"), texts("x")]
    paths = [f"{S}.toQuantity() = 5.4 'g'", f"{S}.toQuantity() > 13 days", f"{S}.toQuantity() = 1 year"]
    paths += [f"{S}.toQuantity() = {S}.toQuantity()"]
    assert found(rows, *paths) == [
        (True, None, None, True),
        (None, True, None, True),
        (None, None, True, True),
        (True, None, None, True),
        (None, None, None, None),
    ]


def test_equivalence_where_a_ratio_has_no_end_of_digits() -> None:
    stored = [("24", "h"), ("12", "h"), ("11", "h"), ("1440", "min"), ("86400", "s"), ("7", "d"), ("1", "wk")]
    rows = [measured(value, unit) for value, unit in stored]
    paths = [f"{Q} ~ 1 'd'", f"{Q} ~ 24 'h'", f"{Q} ~ 1 week", f"{Q} !~ 7 days"]
    assert list(zip(*found(rows, *paths), strict=True)) == [
        (True, True, False, True, True, False, False),
        (True, False, False, True, True, False, False),
        (False, False, False, False, False, True, True),
        (True, True, True, True, True, False, False),
    ]
    grams = [measured(value, "g") for value in ("998", "1000", "1050")]
    assert found(grams, f"{Q} ~ 2.2 '[lb_av]'") == [(True,), (True,), (False,)]


def test_millimetres_of_mercury_are_those_of_ucum() -> None:
    """133.322 Pa in the table of UCUM 2.1, though the conventional one has 133.322387415."""
    assert found([measured("140", "mm[Hg]")], f"{Q} = 18.66508 'kPa'", f"{Q} >= 18.66508 'kPa'") == [(True, True)]


def test_minutes_and_seconds_of_arc_are_two_units() -> None:
    low = [{"low": {"value": 6, "system": UCUM, "code": "'"}}]
    rows = [json.loads(measured("5", code)) | {"referenceRange": low} for code in ("'", "''")]
    assert found([json.dumps(row) for row in rows], f"{Q} < referenceRange.first().low") == [(True,), (None,)]


MASSES = {"kg": Fraction(1000), "g": Fraction(1), "mg": Fraction(1, 1000), "ug": Fraction(1, 10**6)}
MASSES |= {"[lb_av]": Fraction("453.59237"), "[oz_av]": Fraction("28.349523125")}
amounts = st.tuples(st.decimals(0, 10**6, places=4), st.sampled_from(sorted(MASSES)))


@settings(max_examples=15)
@given(st.lists(amounts, min_size=10, max_size=40), amounts)
def test_masses_compare_by_what_they_weigh(values: list[tuple[Decimal, str]], literal: tuple[Decimal, str]) -> None:
    paths = [f"{Q} {symbol} {literal[0]:f} '{literal[1]}'" for symbol in OPERATORS]
    rows = found([measured(f"{value:f}", unit) for value, unit in values], *paths)
    bound = Fraction(literal[0]) * MASSES[literal[1]]
    for (value, unit), row in zip(values, rows, strict=True):
        weight = Fraction(value) * MASSES[unit]
        assert row == tuple(compare(weight, bound) for compare in OPERATORS.values()), (value, unit, literal)


@pytest.mark.parametrize(
    ("unit", "factor", "dimension"),
    [
        ("mg/dL", "10", {"g": 1, "m": -3}),
        ("kg.m/s2", "1000", {"g": 1, "m": 1, "s": -2}),
        ("10*9/L", "1000000000000", {"m": -3}),
        ("cm[H2O]", "98066.5", {"g": 1, "m": -1, "s": -2}),
        ("k[iU]/mL", "1000000000", {"[iU]": 1, "m": -3}),
        ("%", "0.01", {}),
        ("1", "1", {}),
        ("/min", "1/60", {"s": -1}),
        ("mmol/mol", "0.001", {"ratio of mol": 1}),
    ],
)
def test_units(unit: str, factor: str, dimension: dict[str, int]) -> None:
    measure = measure_of(unit)
    assert measure is not None
    assert (measure.factor, dict(measure.dimension)) == (Fraction(factor), dimension)


@pytest.mark.parametrize("unit", ["", "foo", "mg/", "m//s", ".m", "mCel", "m(s)", "{tablets}", "mL/{h}", "k%"])
def test_units_that_are_not_known(unit: str) -> None:
    assert measure_of(unit) is None
