"""Dates and times moved by durations, the clock of a run, and what a value of a precision may stand for."""

from __future__ import annotations

import json
from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lacustre.errors import FhirPathTypeError, UnsupportedFunctionError
from lacustre.fhir.model import load_model
from lacustre.views.compile import compile_view
from lacustre.views.duckdb.clock import fixed_at
from lacustre.views.model import parse_view
from support.stored import found, holding
from support.typed_tables import load_tables
from support.view_runs import evaluate, run_view

PATIENT = {"resourceType": "Patient", "id": "p"}
D, T = "value.ofType(dateTime)", "value.ofType(time)"


def born(text: str | None) -> str:
    return json.dumps({"resourceType": "Patient", "birthDate": text} if text else {"resourceType": "Patient"})


def plus_months(day: date, months: int) -> date | None:
    """The same day of another month, or its last one."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    if not 1 <= year <= 9999:
        return None
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def plus_days(day: date, days: int) -> date | None:
    try:
        return day + timedelta(days=days)
    except OverflowError:
        return None


@settings(max_examples=15)
@given(st.lists(st.dates(), min_size=20, max_size=60), st.integers(-3000, 3000))
def test_days_are_moved_by_the_calendar(days: list[date], number: int) -> None:
    sign, count = "+-"[number < 0], abs(number)
    paths = [f"birthDate {sign} {count} {unit}" for unit in ("years", "months", "weeks", "days", "'wk'", "'d'")]
    rows = found([born(day.isoformat()) for day in days] + [born(None)], *paths)
    for day, row in zip(days, rows, strict=False):
        weeks, later = plus_days(day, 7 * number), plus_days(day, number)
        expected = [plus_months(day, 12 * number), plus_months(day, number), weeks, later, weeks, later]
        assert row == tuple(moved and moved.isoformat() for moved in expected), day
    assert rows[-1] == (None,) * len(paths)


@settings(max_examples=15)
@given(
    st.lists(st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1)), min_size=20, max_size=60),
    st.integers(-(10**6), 10**6),
)
def test_moments_are_moved_in_their_own_zone(moments: list[datetime], number: int) -> None:
    zones = ["", "Z", "+05:30", "-11:00"]
    values = [f"{m.isoformat(timespec='milliseconds')}{zones[i % 4]}" for i, m in enumerate(moments)]
    sign, count = "+-"[number < 0], abs(number)
    units = {"hours": 3600, "minutes": 60, "seconds": 1, "'ms'": 0.001, "days": 86400}
    rows = found([holding("valueDateTime", value) for value in values], *(f"{D} {sign} {count} {u}" for u in units))
    for value, row in zip(values, rows, strict=True):
        zone = value[23:]
        for seconds, moved in zip(units.values(), row, strict=True):
            step = timedelta(milliseconds=round(number * seconds * 1000))
            expected = shifted(datetime.fromisoformat(value[:23]), step)
            assert moved == (expected and f"{expected.isoformat(timespec='milliseconds')}{zone}"), (value, seconds)


def shifted(moment: datetime, step: timedelta) -> datetime | None:
    try:
        return moment + step
    except OverflowError:
        return None


@pytest.mark.parametrize(
    ("value", "duration", "expected"),
    [
        ("2016-02-29", "+ 1 year", "2017-02-28"),
        ("2016-02-29", "+ 4 years", "2020-02-29"),
        ("2016-03-31", "- 1 month", "2016-02-29"),
        ("2015-01-31", "+ 1 month", "2015-02-28"),
        ("1973-12-25", "+ 7 days", "1974-01-01"),
        ("1973-12-25", "+ 7.9 days", "1974-01-01"),
        ("1973-12-25", "- 1.9 months", "1973-11-25"),
        ("2014", "+ 24 months", "2016"),
        ("2014", "+ 23 months", "2015"),
        ("2014", "- 11 months", "2014"),
        ("2014", "- 13 months", "2013"),
        ("2016", "+ 365 days", "2017"),
        ("2016", "+ 364 days", "2016"),
        ("2016", "+ 52 weeks", "2016"),
        ("2016", "+ 53 weeks", "2017"),
        ("2016-01", "+ 29 days", "2016-01"),
        ("2016-01", "+ 30 days", "2016-02"),
        ("2016-01", "- 13 months", "2014-12"),
        ("2016-01", "+ 1 year", "2017-01"),
        ("9999-12-31", "+ 1 day", None),
        ("9999", "+ 1 year", None),
        ("0001-01-01", "- 1 day", None),
        ("0001", "- 1 year", None),
        ("unknown", "+ 1 day", None),
        ("2015-02-30", "+ 1 day", None),
        ("15/06/1970", "+ 1 day", None),
    ],
)
def test_dates(value: str, duration: str, expected: str | None) -> None:
    assert found([born(value)], f"birthDate {duration}") == [(expected,)]


@pytest.mark.parametrize(
    ("value", "duration", "expected"),
    [
        ("2015", "+ 8760 hours", "2016"),
        ("2015-02-28", "+ 23 hours", "2015-02-28"),
        ("2015-02-28", "+ 24 hours", "2015-03-01"),
        ("2015-02-28", "- 1441 minutes", "2015-02-27"),
        ("2015-02-28T23:30:00Z", "+ 45 minutes", "2015-03-01T00:15:00Z"),
        ("2015-03-29T01:30:00+01:00", "+ 1 hour", "2015-03-29T02:30:00+01:00"),
        ("2015-01-31T10:00:00.123456789-05:00", "+ 1 month", "2015-02-28T10:00:00.123456789-05:00"),
        ("2015-01-31T10:00:00.123456789-05:00", "+ 1 second", "2015-01-31T10:00:01.123456789-05:00"),
        ("2015-01-31T10:00:00.123456789-05:00", "+ 1 'ms'", None),
        ("2015-01-31T10:00:00", "+ 10 'ms'", "2015-01-31T10:00:00.010"),
        ("2015-01-31T10:00:00.5Z", "+ 0.75 's'", "2015-01-31T10:00:01.250Z"),
        ("2015-01-31T10:00:00.5Z", "+ 0.0001 's'", "2015-01-31T10:00:00.500100Z"),
        ("2015-01-31T10:00:00Z", "+ 1.5 hours", "2015-01-31T11:00:00Z"),
        ("2016-12-31T23:59:60Z", "+ 1 day", None),
        ("9999-12-31T23:59:59Z", "+ 1 second", None),
        ("noon", "+ 1 second", None),
    ],
)
def test_moments(value: str, duration: str, expected: str | None) -> None:
    assert found([holding("valueDateTime", value)], f"{D} {duration}") == [(expected,)]


@pytest.mark.parametrize(
    ("value", "duration", "expected"),
    [
        ("23:30:00", "+ 45 minutes", "00:15:00"),
        ("00:15:00.5", "- 30 minutes", "23:45:00.5"),
        ("10:00:00", "+ 25 hours", "11:00:00"),
        ("10:00:00", "+ 1.5 's'", "10:00:01.500"),
        ("noon", "+ 1 hour", None),
    ],
)
def test_times_go_round(value: str, duration: str, expected: str | None) -> None:
    assert found([holding("valueTime", value)], f"{T} {duration}") == [(expected,)]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("@2014 + 24 months = @2016", True),
        ("@1973-12-25T00:00:00.000+10:00 + 7 days = @1974-01-01T00:00:00.000+10:00", True),
        ("@2015-02-04T14 + 90 minutes", "2015-02-04T15"),
        ("@2015-02-04T14 + 90 minutes = @2015-02-04T15", True),
        ("@2015-02-04T14 + 90 minutes = @2015-02-04T15:30", None),
        ("@2015-02-04T14:30Z - 90 seconds", "2015-02-04T14:29Z"),
        ("@T10 + 90 minutes", "11"),
        ("@T10:20 - 30 minutes", "09:50"),
        ("@2015 + {}", None),
        ("(@2015-01-31 + 1 month) + 1 month", "2015-03-28"),
        ("today() + 1 day > today()", True),
    ],
)
def test_literals(path: str, expected: Any) -> None:
    assert evaluate(path, PATIENT) == expected


@pytest.mark.parametrize(
    "path",
    [
        "@2015 + 1 'mo'",
        "@2015 + 1 'a'",
        "@2015 + 1 'mg'",
        "@2015-01-01 + 1 hour",
        "@T10:00 + 1 day",
        "@2015 + 1",
        "@T10:00 + 1 month",
        "@2015-01-01T10:00:00 + 0.0000001 's'",
        "@2015 + 1000000 years",
        "1 day + @2015",
    ],
)
def test_durations_that_do_not_move(path: str) -> None:
    with pytest.raises((FhirPathTypeError, UnsupportedFunctionError)):
        evaluate(path, PATIENT)


def test_a_duration_of_the_data_is_not_supported() -> None:
    with pytest.raises(UnsupportedFunctionError):
        found([holding("valueQuantity", {"value": 1})], "@2015 + value.ofType(Quantity)")


def test_components_of_dates_are_not_supported() -> None:
    for name in ("yearOf", "monthOf", "dayOf", "hourOf", "timezoneOffsetOf", "dateOf", "timeOf"):
        with pytest.raises(UnsupportedFunctionError):
            evaluate(f"@2015-02-04T10:00:00.{name}()", PATIENT)


CLOCK = [{"name": name, "path": f"{name}()"} for name in ("today", "now", "timeOfDay")]


def at(moment: str, zone: str) -> tuple[Any, ...]:
    """The clock of a run that is fixed."""
    model = load_model()
    with duckdb.connect() as connection:
        connection.execute(f"SET TimeZone = '{zone}'")
        connection.execute(fixed_at(datetime.fromisoformat(moment)))
        shape = load_tables(connection, [born("1970")], model)["Patient"]
        view = parse_view({"resource": "Patient", "select": [{"column": CLOCK}]})
        row = connection.execute(compile_view(view, model, shape).sql).fetchone()
    assert row is not None
    return row


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("Europe/Paris", ("2026-01-01", "2026-01-01T00:30:00.500+01:00", "00:30:00.500")),
        ("UTC", ("2025-12-31", "2025-12-31T23:30:00.500+00:00", "23:30:00.500")),
        ("Asia/Kolkata", ("2026-01-01", "2026-01-01T05:00:00.500+05:30", "05:00:00.500")),
        ("America/New_York", ("2025-12-31", "2025-12-31T18:30:00.500-05:00", "18:30:00.500")),
    ],
)
def test_the_clock_is_that_of_the_run_and_of_the_tenant(zone: str, expected: tuple[str, ...]) -> None:
    assert at("2025-12-31T23:30:00.5Z", zone) == expected


def test_without_a_run_the_clock_is_that_of_the_query() -> None:
    resources = [born("1970-01-01")] * 3000
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    rows = run_view({"resource": "Patient", "select": [{"column": CLOCK}]}, resources)
    [(today, now, time)] = {tuple(row.values()) for row in rows}
    assert before <= datetime.fromisoformat(now) <= datetime.now(UTC)
    assert now[:10] == today and now[11:23] == time


def test_the_clock_is_warned_of() -> None:
    view = {"resource": "Patient", "select": [{"column": [{"name": "c", "path": "birthDate < today()"}]}]}
    compiled = compile_view(parse_view(view), load_model(), {})
    [warning] = compiled.warnings
    assert compiled.depends_on_clock
    assert (warning.code, warning.start) == ("depends_on_clock", len("birthDate < "))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("@2014-01-01T08.lowBoundary(17)", "2014-01-01T08:00:00.000+14:00"),
        ("@2014-01-01T08.highBoundary(17)", "2014-01-01T08:59:59.999-12:00"),
        ("@2014-01-01T08:05.highBoundary()", "2014-01-01T08:05:59.999-12:00"),
        ("@2014-01-01T08:05:06.5+01:00.highBoundary(14)", "2014-01-01T08:05:06+01:00"),
        ("@2014-01-01T08:05:06.5+01:00.highBoundary(12)", "2014-01-01T08:05+01:00"),
        ("@2014-01-01T08:05:06.5+01:00.lowBoundary(10)", "2014-01-01T08+01:00"),
        ("@2014-01-01T08:05:06.5+01:00.lowBoundary(8)", "2014-01-01"),
        ("@2014-01-01T08:05:06.5+01:00.lowBoundary(9)", None),
        ("@2014-01-01T08:05:06.5+01:00.lowBoundary(18)", None),
        ("@2014.lowBoundary(6)", "2014-01"),
        ("@2014.highBoundary(6)", "2014-12"),
        ("@T10.lowBoundary(9)", "10:00:00.000"),
        ("@T10.highBoundary()", "10:59:59.999"),
        ("@T10:30.highBoundary(6)", "10:30:59"),
        ("1.587 'mg'.lowBoundary(4)", "1.5865 'mg'"),
        ("1.587.highBoundary(2)", "1.59"),
        ("1.58700.precision()", 5),
        ("3.precision()", 0),
        ("@2014.precision()", 4),
        ("@2014-02.precision()", 6),
        ("@2014-01-05T10:30:00.000.precision()", 17),
        ("@2014-01-05T10:30:00.000+01:00.precision()", 17),
        ("@2014-01-05T10:30:00-01:00.precision()", 14),
        ("@T10:30.precision()", 4),
        ("@T10:30:00.000.precision()", 9),
        ("{}.precision()", None),
    ],
)
def test_boundaries_and_precision(path: str, expected: Any) -> None:
    assert evaluate(path, PATIENT) == expected


def test_precision_of_stored_values() -> None:
    quantity = '{"resourceType": "Observation", "valueQuantity": {"value": 1.50E1}}'
    assert found([quantity], "value.ofType(Quantity).value.precision()") == [(1,)]
    values = ["2014", "2014-02", "2014-02-03", "2014-01-05T10:30:00Z", "2014-01-05T10:30:00.1234-01:00"]
    rows = found([holding("valueDateTime", value) for value in values], f"{D}.precision()", f"{D}.lowBoundary(10)")
    assert rows == [
        (4, "2014-01-01T00+14:00"),
        (6, "2014-02-01T00+14:00"),
        (8, "2014-02-03T00+14:00"),
        (14, "2014-01-05T10Z"),
        (18, "2014-01-05T10-01:00"),
    ]
