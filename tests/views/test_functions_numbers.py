"""Math over stored numbers, against Python's decimals."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal, localcontext
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lacustre.errors import FhirPathTypeError, UnsupportedFunctionError
from support.stored import M, N, found, numbers
from support.view_runs import evaluate

EXACT = Context(prec=1500)
PATIENT = {"resourceType": "Patient", "id": "p"}
ODD = [
    "0",
    "-0",
    "-0.0",
    "0.5",
    "-0.5",
    "1.5",
    "2.5",
    "-2.5",
    "-1.00",
    "0.49999999999999999999",
    "0.999999999999999999999999999999999999999999",
    "12345678901234567890.123456789012345678901",
    "-9.99",
    "2147483647.9",
    "2147483648",
    "-2147483648.5",
    "-2147483648",
    "-2147483649",
    "1E2",
    "1.5e-3",
    "-25E-1",
    "1E-30",
    "9" * 40 + "." + "9" * 10,
    "1e400",
    "-1e-400",
    "-0.0e5",
    "99999999999999999999999999999999999999.5",
]


def whole(rounding: str) -> Callable[[str], int | None]:
    def rounded(text: str) -> int | None:
        with localcontext(EXACT):
            number = int(Decimal(text).to_integral_value(rounding))
        return number if -(2**31) <= number < 2**31 else None

    return rounded


def half_up(text: str, places: int) -> str:
    with localcontext(EXACT):
        number = Decimal(text)
        if int(number.as_tuple().exponent) < -places:
            number = number.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
        plain = f"{abs(number):f}"
        plain = plain.rstrip("0").rstrip(".") if "." in plain else plain
        return f"-{plain}" if number < 0 else plain


def check(lexemes: list[str]) -> None:
    paths = [
        f"{N}.ceiling()",
        f"{N}.floor()",
        f"{N}.truncate()",
        f"{N}.abs()",
        f"{N}.round()",
        f"{N}.round(3)",
        f"-{N}",
    ]
    rows = found([numbers(text) for text in [*lexemes, None]], *paths)
    ceiling, floor, cut = map(whole, (ROUND_CEILING, ROUND_FLOOR, ROUND_DOWN))
    for text, row in zip(lexemes, rows[:-1], strict=True):
        opposite = text.lstrip("-") if text.startswith("-") or not Decimal(text) else f"-{text}"
        expected = (
            ceiling(text),
            floor(text),
            cut(text),
            text.lstrip("-"),
            half_up(text, 0),
            half_up(text, 3),
            opposite,
        )
        assert row == expected, text
    assert rows[-1] == (None,) * len(paths)


def test_rounding_odd_numbers() -> None:
    check(ODD)


digits = st.text("0123456789", min_size=1, max_size=22)
lexemes = st.builds(
    lambda sign, whole, fraction, exponent: f"{sign}{int(whole)}{fraction}{exponent}",
    st.sampled_from(["", "-"]),
    digits,
    st.just("") | digits.map(lambda text: f".{text}"),
    st.sampled_from(["", "", "", "E2", "e-7", "E+3"]),
)


@settings(max_examples=15)
@given(st.lists(lexemes, min_size=20, max_size=60))
def test_rounding_any_number(values: list[str]) -> None:
    check(values)


def divided(left: str, right: str) -> tuple[int | None, Decimal | None]:
    """Quotient and remainder; None where the dividend or divisor has more than 38 digits, or for what overflows."""
    with localcontext(EXACT):
        a, b = Decimal(left), Decimal(right)
        scale = max(-int(a.as_tuple().exponent), -int(b.as_tuple().exponent))
        aligned = [abs(int(side.scaleb(scale))) for side in (a, b)]
        if not b or max(aligned) >= 2**127:
            return None, None
        quotient = int(a / b)
        remainder = a - b * quotient
    return (quotient if -(2**31) <= quotient < 2**31 else None), remainder


@settings(max_examples=15)
@given(st.lists(st.tuples(lexemes, lexemes | st.sampled_from(["0", "0.0", "1.1", "-3"])), min_size=20, max_size=60))
@example([("-7", "2"), ("7", "-2"), ("5", "0"), ("2.2", "1.8"), ("1" * 38, "0." + "1" * 2), ("-0.0", "3")])
def test_division_of_whole_numbers(values: list[tuple[str, str]]) -> None:
    rows = found([numbers(*pair) for pair in values], f"{N} div {M}", f"{N} mod {M}")
    for pair, (quotient, remainder) in zip(values, rows, strict=True):
        expected, rest = divided(*pair)
        assert quotient == expected, pair
        assert (None if remainder is None else Decimal(remainder)) == rest, pair


def test_integers() -> None:
    """Also at the ends of 32 bits."""
    values = [7, -7, 0, 2**31 - 1, -(2**31)]
    resources = [json.dumps({"resourceType": "Observation", "valueInteger": value}) for value in values]
    n = "value.ofType(integer)"
    paths = [f"{n} div 2", f"{n} mod 2", f"{n} div 0", f"{n} mod 0", f"{n} div -1", f"{n}.abs()", f"{n} + 1"]
    paths += [f"{n} mod -1", f"{n} div 0.5", f"{n} mod 2.5", f"{n} / 2", f"{n}.round(2)", f"{n}.floor()"]
    assert found(resources, *paths) == [
        (3, 1, None, None, -7, 7, 8, 0, 14, "2", "3.5", "7", 7),
        (-3, -1, None, None, 7, 7, -6, 0, -14, "-2", "-3.5", "-7", -7),
        (0, 0, None, None, 0, 0, 1, 0, 0, "0", "0", "0", 0),
        (
            1073741823,
            1,
            None,
            None,
            -(2**31) + 1,
            2**31 - 1,
            None,
            0,
            None,
            "2",
            "1073741823.5",
            "2147483647",
            2**31 - 1,
        ),
        (-(2**30), 0, None, None, None, None, -(2**31) + 1, 0, None, "-0.5", "-1073741824", "-2147483648", -(2**31)),
    ]


def near(text: str | None, exact: Decimal | None, digits: int, places: int = 400) -> bool:
    """Whether a result has so many right digits, or so many right places."""
    if text is None or exact is None:
        return text is None and exact is None
    with localcontext(prec=60):
        unit = Decimal(1).scaleb(max(exact.adjusted() - digits + 1, -places)) if exact else Decimal(0)
        return abs(Decimal(text) - exact) <= unit


def real(function: Callable[[Decimal], Decimal], value: Decimal, *, allowed: bool) -> Decimal | None:
    with localcontext(prec=60):
        return function(value) if allowed else None


def boundary(text: str, places: int, side: int, rounding: str) -> Decimal | None:
    """The number and half a unit of its last digit, to so many places; None where it has more than 37 digits."""
    with localcontext(EXACT):
        number = Decimal(text)
        end = number + side * Decimal(5).scaleb(int(number.as_tuple().exponent) - 1)
        if int(end.as_tuple().exponent) < -places:
            end = end.quantize(Decimal(1).scaleb(-places), rounding)
        return None if len(number.as_tuple().digits) > 37 else end


@pytest.mark.parametrize("places", [0, 8, 31])
def test_boundaries_of_stored_numbers(places: int) -> None:
    rows = found([numbers(text) for text in ODD], f"{N}.lowBoundary({places})", f"{N}.highBoundary({places})")
    for text, row in zip(ODD, rows, strict=True):
        expected = boundary(text, places, -1, ROUND_FLOOR), boundary(text, places, 1, ROUND_CEILING)
        assert tuple(value and Decimal(value) for value in row) == expected, text
    assert found([numbers("1E1001")], f"{N}.lowBoundary({places})") == [(None,)]


positive = st.decimals("0.000001", "1000000", places=6).map(str)


@settings(max_examples=10)
@given(st.lists(positive, min_size=20, max_size=60))
@example(["81", "2", "1", "0.999999999999999", "1.00000000000001", "4E30", "1e-20", "0", "-1"])
def test_roots_and_logarithms(values: list[str]) -> None:
    rows = found([numbers(value) for value in values], f"{N}.sqrt()", f"{N}.ln()", f"{N}.log(10)", f"{N}.log(0.5)")
    for text, (root, natural, common, halves) in zip(values, rows, strict=True):
        number = Decimal(text)
        assert near(root, real(Decimal.sqrt, number, allowed=number >= 0), 15), text
        assert near(natural, real(Decimal.ln, number, allowed=number > 0), 15, 15), text
        assert near(common, real(Decimal.log10, number, allowed=number > 0), 12, 12), text
        halved = real(lambda x: x.ln() / Decimal("0.5").ln(), number, allowed=number > 0)
        assert near(halves, halved, 12, 12), text


@settings(max_examples=10)
@given(st.lists(st.tuples(positive, st.decimals(-30, 30, places=2).map(str)), min_size=20, max_size=60))
def test_powers(values: list[tuple[str, str]]) -> None:
    rows = found([numbers(*pair) for pair in values], f"{N}.power({M})", f"{M}.exp()")
    with localcontext(prec=60):
        for (base, exponent), (power, exponential) in zip(values, rows, strict=True):
            assert near(power, Decimal(base) ** Decimal(exponent), 12), (base, exponent)
            assert near(exponential, Decimal(exponent).exp(), 12), exponent


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("2.power(3)", 8),
        ("2.power(30)", 2**30),
        ("2.power(31)", None),
        ("(-2).power(31)", -(2**31)),
        ("0.power(0)", 1),
        ("2.power(-1)", None),
        ("1.power(-1)", 1),
        ("0.power(-1)", None),
        ("2.0.power(-1)", "0.5"),
        ("2.5.power(2)", "6.25"),
        ("(-1).power(0.5)", None),
        ("(-1).sqrt()", None),
        ("81.sqrt()", "9"),
        ("0.sqrt()", "0"),
        ("(-0.0).exp()", "1"),
        ("1000.exp()", None),
        ("(-1000).exp()", "0"),
        ("0.ln()", None),
        ("(-1).ln()", None),
        ("1.ln()", "0"),
        ("16.log(2)", "4"),
        ("1000.log(10)", "3"),
        ("16.log(1)", None),
        ("16.log(0)", None),
        ("16.log(-2)", None),
        ("1.01.power(100000)", None),
        ("3.14159.round(3)", "3.142"),
        ("(-0.5).round()", "-1"),
        ("1.round()", "1"),
        ("1.ceiling()", 1),
        ("(-5.5).abs()", "5.5"),
        ("-(0.0)", "0.0"),
        ("1 + 2 * 3 div 2", 4),
        ("5 div 2.5", 2),
        ("-5 mod 3", -2),
        ("(1 | 2).first() div {}", None),
        ("{}.abs()", None),
        ("{}.round(2)", None),
        ("1.5.round({})", None),
        ("2.power({})", None),
    ],
)
def test_literals(path: str, expected: Any) -> None:
    assert evaluate(path, PATIENT) == expected


@pytest.mark.parametrize("path", [f"{N}.round({M}.truncate())", "5 'mg' * 2 'mg'", "5 'mg' div 2 'mg'"])
def test_what_is_not_supported(path: str) -> None:
    with pytest.raises(UnsupportedFunctionError):
        found([numbers("1", "2")], path)


@pytest.mark.parametrize(
    "path", ["'a'.abs()", "true.sqrt()", "1.5.round(-1)", "1.5.round(0.5)", "1 div 'a'", "'a' mod 2"]
)
def test_wrong_kinds_are_type_errors(path: str) -> None:
    with pytest.raises(FhirPathTypeError):
        evaluate(path, PATIENT)
