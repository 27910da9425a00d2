"""Values of parameters: of their type, whole, and never told."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lacustre.errors import InputError
from lacustre.query.library import PARAMETER_TYPES, Parameter
from lacustre.query.parameters import bind_values, without_values

PARIS = timezone(timedelta(hours=2))


def bound(type_: str, value: object) -> object:
    return bind_values([Parameter("p", type_)], {"p": value})["p"]


@pytest.mark.parametrize(
    ("type_", "value", "expected"),
    [
        ("string", "", ""),
        ("string", "'; DROP TABLE t --", "'; DROP TABLE t --"),
        ("code", "4548-4", "4548-4"),
        ("uri", "http://loinc.org", "http://loinc.org"),
        ("integer", "-12", -12),
        ("integer", 12, 12),
        ("integer64", "9223372036854775807", 2**63 - 1),
        ("positiveInt", "1", 1),
        ("boolean", "true", True),
        ("boolean", False, False),
        ("decimal", "7.50", Decimal("7.50")),
        ("decimal", "1e-7", Decimal("1E-7")),
        ("decimal", 7.1, Decimal("7.1")),
        ("decimal", 7, Decimal(7)),
        ("decimal", Decimal("0.1"), Decimal("0.1")),
        ("date", "2024-02-29", date(2024, 2, 29)),
        ("date", date(2024, 2, 29), date(2024, 2, 29)),
        ("dateTime", "2024-02-29T12:00:00+02:00", datetime(2024, 2, 29, 10, tzinfo=UTC)),
        ("dateTime", datetime(2024, 2, 29, 12, tzinfo=PARIS), datetime(2024, 2, 29, 10, tzinfo=UTC)),
        ("instant", "2024-02-29T12:00:00.123456Z", datetime(2024, 2, 29, 12, 0, 0, 123456, UTC)),
        ("time", "12:30:00", time(12, 30)),
    ],
)
def test_values_of_their_type(type_: str, value: object, expected: object) -> None:
    found = bound(type_, value)
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        *(("integer", value) for value in ("1.0", "1e3", " 1", "١", "0x1", "", "2147483648", 1.0, True, Decimal(1))),
        *(("positiveInt", "0"), ("unsignedInt", "-1"), ("integer64", "9223372036854775808")),
        *(("boolean", value) for value in ("True", "1", "yes", "", 1, 0)),
        *(("decimal", value) for value in ("1,5", "+1", ".5", "1.", "NaN", "Infinity", "1_0", float("nan"), True)),
        *(("decimal", value) for value in ("1e-38", f"0.0{'1' * 37}", Decimal("12E-38"))),
        *(("decimal", value) for value in ("1" * 39, "1e38", "1e-39", "1e999999", Decimal("Infinity"))),
        *(("date", value) for value in ("2024", "2024-02", "2023-02-29", "2024-2-9", "2024-02-29T00:00:00Z", 20240229)),
        *(("date", value) for value in (datetime(2024, 2, 29), "20240229", "2024-W09-4")),
        *(("dateTime", value) for value in ("2024", "2024-02-29", "2024-02-29T12:00:00", "2024-02-29 12:00:00Z")),
        *(("dateTime", value) for value in (datetime(2024, 2, 29), date(2024, 2, 29), "2024-02-29T12:00:60Z")),
        *(("instant", value) for value in ("2024-02-29T12:00:00.1234567Z", "2024-02-29T25:00:00Z")),
        *(("instant", value) for value in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:00:00-12:00")),
        *(("dateTime", value) for value in (datetime(1, 1, 1, tzinfo=PARIS), "9999-12-31T23:59:59-01:00")),
        *(("time", value) for value in ("12:30", "24:00:00", "12:30:00Z", "12:30:00.0000001")),
        *(
            ("string", 5),
            ("string", b"x"),
            ("string", "\udcff"),
            ("code", ""),
            ("code", " a"),
            ("id", "a b"),
            ("uri", "a b"),
            ("uuid", "x"),
        ),
    ],
)
def test_what_is_of_another_type_is_refused_without_being_told(type_: str, value: object) -> None:
    with pytest.raises(InputError) as caught:
        bound(type_, value)
    assert caught.value.code == "parameter_mistyped"
    assert caught.value.message == f"the value of p is no {type_}"


def test_every_fault_is_told_at_once_and_no_value() -> None:
    parameters = [Parameter("since", "date"), Parameter("code", "code", "A LOINC code"), Parameter("n", "integer")]
    with pytest.raises(InputError) as caught:
        bind_values(parameters, {"since": "Dupont", "cod": "Durand", "n": None})
    text = str(caught.value)
    for said in ("no parameter cod", "did you mean code?", "since is no date", "code has no value (A LOINC code)"):
        assert said in text
    assert "n has no value" in text
    assert "Dupont" not in text
    assert "Durand" not in text


def test_every_declared_type_can_be_given() -> None:
    values = {"boolean": "true", "date": "2024-01-01", "dateTime": "2024-01-01T00:00:00Z", "time": "10:00:00"}
    values |= {"oid": "urn:oid:1.2", "uuid": "urn:uuid:00000000-0000-0000-0000-000000000000"}
    values["instant"] = values["dateTime"]
    for type_ in PARAMETER_TYPES:
        assert bound(type_, values.get(type_, "1")) is not None


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**15), max_value=10**15, places=9))
def test_decimals_are_bound_as_they_are_written(number: Decimal) -> None:
    value = bound("decimal", format(number, "f"))
    assert duckdb.sql("SELECT $p, $p::VARCHAR", params={"p": value}).fetchall()[0][0] == number


@pytest.mark.parametrize("text", ["1e-37", f"0.{'1' * 38}", f"-0.{'9' * 38}", "1e37", "9" * 38, f"1.{'0' * 37}"])
def test_decimals_of_all_the_digits_are_decimals(text: str) -> None:
    value = bound("decimal", text)
    ((found, kind),) = duckdb.sql("SELECT $p, typeof($p)", params={"p": value}).fetchall()
    assert (found, kind.startswith("DECIMAL(3")) == (Decimal(text), True)


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(PARIS)))
def test_instants_are_bound_as_they_are_written(moment: datetime) -> None:
    value = bound("dateTime", moment.isoformat())
    assert duckdb.sql("SELECT epoch_us($p)", params={"p": value}).fetchall() == [
        ((moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1),)
    ]


def test_messages_lose_the_values() -> None:
    message = "Could not convert string 'Dupont' to INT32: Dupontel"
    assert without_values(message, {"a": "Dupont", "b": "", "c": None}) == (
        "Could not convert string '…' to INT32: …el"
    )
