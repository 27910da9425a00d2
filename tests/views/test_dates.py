"""Dates and times when they run: comparison in every precision, and boundaries."""

from __future__ import annotations

import pytest

from lacustre.errors import UnsupportedFunctionError
from support.view_runs import evaluate

PATIENT = {"resourceType": "Patient", "id": "p1"}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("@2015-02-04 = @2015-02-04", True),
        ("@2015-02 = @2015-02-04", None),
        ("@2015-01 = @2015-02-04", False),
        ("@2015 < @2015-02", None),
        ("@2014 < @2015-02", True),
        ("@2015-02 <= @2015-02", True),
        ("@2015-02-04T10:00:00Z = @2015-02-04T11:00:00+01:00", True),
        ("@2015-02-04T10:00:00Z < @2015-02-04T11:00:00+02:00", False),
        ("@2015-02-04T10:00:00.0Z = @2015-02-04T10:00:00Z", True),
        ("@2015-02-04T10:00:00.1234567Z = @2015-02-04T10:00:00.1234568Z", False),
        ("@2015-02-04T10:00:00.1234567Z < @2015-02-04T10:00:00.1234568Z", True),
        ("@2015-02-05 > @2015-02-04T10:00:00Z", True),
        ("@2015-02-04T23:30:00Z < @2015-02-05", None),
        ("@2015-02-04T22:30:00Z < @2015-02-05", True),
        ("@2015-02-04T10:00:00 = @2015-02-04T09:00:00Z", True),
        ("@2015-02-04T10 = @2015-02-04T10:00:00", None),
        ("@2015-02-04T09 < @2015-02-04T10:00:00", True),
        ("@2015-02-04T14 < @2015-02-04T15", True),
        ("@2015-02-04T15 < @2015-02-04T14", False),
        ("@2015-02-04T14 <= @2015-02-04T14", True),
        ("@2015-02-04T14 != @2015-02-04T14", False),
        ("@2015-02-04T14 < @2015-02-04T14:30", None),
        ("@2015-02-04T14:30 > @2015-02-04T14:29", True),
        ("@2015-02-04T14:30 = @2015-02-04T14:30", True),
        ("@2015-02-04T14Z = @2015-02-04T15+01:00", True),
        ("@2015-02-04T14 = @2015-02-04", None),
        ("@2015-02-03 < @2015-02-04T14", True),
        ("@2016-12-31T23:59:60Z < @2017-01-01T00:00:00Z", True),
        ("@2016-12-31T23:59:60Z > @2016-12-31T23:59:59.5Z", True),
        ("@2015-02-04T10:30 != @2015-02-04T10:31:00", True),
        ("@T10:30 = @T10:30:00", None),
        ("@T10:30 < @T10:31:00", True),
        ("@T10:30:00 = @T10:30:00.000", True),
        ("@T10:30:00.5 > @T10:30:00.45", True),
    ],
)
def test_dates_of_different_precision(path: str, expected: bool | None) -> None:
    """The session's zone is an hour ahead of UTC."""
    assert evaluate(path, PATIENT, zone="Europe/Paris") is expected


@pytest.mark.parametrize(
    ("born", "path", "expected"),
    [
        ("1970-06", "birthDate < @1970-07", True),
        ("1970-06", "birthDate < @1970-06-15", None),
        ("1970-06", "birthDate < @1970-07-01", True),
        ("1970-06-15", "birthDate >= @1970-06", None),
        ("1970-06-15", "@1970-06-14 < birthDate", True),
        ("1970", "birthDate = @1970", True),
        ("1970-06-15", "birthDate < @1970-06-16T10:00:00Z", True),
        ("not a date", "birthDate < @1970-06-16T10:00:00Z", None),
        ("garbage", "birthDate > @2016", None),
        ("garbage", "birthDate != @2016-01-01", None),
        ("garbage", "birthDate < birthDate", None),
        ("15/06/1970", "birthDate > @1969", None),
        ("1970-13-01", "birthDate > @1969", None),
    ],
)
def test_dates_against_literals(born: str, path: str, expected: bool | None) -> None:
    assert evaluate(path, {**PATIENT, "birthDate": born}) is expected


@pytest.mark.parametrize(
    ("effective", "path", "expected"),
    [
        ("2010-10-10T23:30:00Z", "effective.ofType(dateTime) > @2010-10-10", True),
        ("2010-10-10T21:30:00Z", "effective.ofType(dateTime) > @2010-10-10", None),
        ("2010-10-09T21:59:59Z", "effective.ofType(dateTime) < @2010-10-10", True),
        ("2010-10-10T21:30:00Z", "effective.ofType(dateTime) >= @2010", None),
        ("2010-10-10", "effective.ofType(dateTime) < @2010-10-10T10:00:00Z", None),
        ("2010", "effective.ofType(dateTime) < @2011-01-02T10:00:00Z", True),
        ("2010-10-10T10:00:00", "effective.ofType(dateTime) = @2010-10-10T08:00:00Z", True),
        ("nonsense at all", "effective.ofType(dateTime) > @2010-10-10", None),
        ("nonsense", "effective.ofType(dateTime) > @2010-10-10", None),
        ("nonsense", "effective.ofType(dateTime) < @2010-10-10T10:00:00Z", None),
        ("nonsense", "effective.ofType(dateTime) = issued", None),
        ("9999-12-31", "effective.ofType(dateTime) < @9999-12-31T10:00:00Z", None),
        ("2010-10-10T10:00:00Z", "effective.ofType(dateTime) < @9999", True),
        ("2010-10-10 10:00:00Z", "effective.ofType(dateTime) > @2010-10-09", None),
        ("2010-10-10 10:00:00Z", "effective.ofType(dateTime) = issued", None),
        ("2010-10-10 (BC)", "effective.ofType(dateTime) < @2010-10-10T10:00:00Z", None),
        ("infinity     ", "effective.ofType(dateTime) > today()", None),
        ("2010-10-10T10:00Z", "effective.ofType(dateTime) = issued", None),
        ("2010-10-10T10:00Z", "effective.ofType(dateTime) <= issued", None),
        ("2010-10-10T10:01Z", "effective.ofType(dateTime) > issued", True),
        ("2010-10-10T10:00Z", "effective.ofType(dateTime) = @2010-10-10T10:00:00Z", None),
        ("2010-10-10T10:00Z", "effective.ofType(dateTime) < @2010-10-10T10:00:30Z", None),
        ("2010-10-10T10:00Z", "effective.ofType(dateTime) > @2010-10-10T09:59:59Z", True),
        ("2010-10-10T10:00Z", "effective.ofType(dateTime) = @2010-10-10T10:00Z", True),
        ("2010-10-10T10:00Z", "effective.ofType(dateTime) < @2010-10-10T10:00Z", False),
        ("2010-10-10T10:00Z", "effective.ofType(dateTime) = @2010-10-10T10Z", None),
        ("2010-10-10T10:00Z", "effective.ofType(dateTime) = effective.ofType(dateTime)", True),
    ],
)
def test_date_times_against_literals(effective: str, path: str, expected: bool | None) -> None:
    """A zone-less time and the days of partial dates are those of the session's zone."""
    issued = "2010-10-10T10:00:00Z"
    resource = {"resourceType": "Observation", "id": "o", "effectiveDateTime": effective, "issued": issued}
    assert evaluate(path, resource, zone="Europe/Paris") is expected


@pytest.mark.parametrize(
    ("path", "low", "high"),
    [
        ("1.0", "0.95", "1.05"),
        ("(-1.0)", "-1.05", "-0.95"),
        ("1", "0.5", "1.5"),
        ("1.587", "1.5865", "1.5875"),
        ("98.72432064115141", "98.72432064", "98.72432065"),
        ("@2014", "2014-01-01", "2014-12-31"),
        ("@2016-02", "2016-02-01", "2016-02-29"),
        ("@2014-01-02", "2014-01-02", "2014-01-02"),
        ("@2014T", "2014-01-01T00:00:00.000+14:00", "2014-12-31T23:59:59.999-12:00"),
        ("@2010-10-10T", "2010-10-10T00:00:00.000+14:00", "2010-10-10T23:59:59.999-12:00"),
        ("@2010-10-10T10:00:00", "2010-10-10T10:00:00.000+14:00", "2010-10-10T10:00:00.999-12:00"),
        ("@2010-10-10T10:00:00.5Z", "2010-10-10T10:00:00.500Z", "2010-10-10T10:00:00.599Z"),
        ("@T12:34", "12:34:00.000", "12:34:59.999"),
        ("@T12:34:00", "12:34:00.000", "12:34:00.999"),
        ("@T12:34:00.5", "12:34:00.500", "12:34:00.599"),
    ],
)
def test_boundaries(path: str, low: str, high: str) -> None:
    assert evaluate(f"{path}.lowBoundary()", PATIENT) == low
    assert evaluate(f"{path}.highBoundary()", PATIENT) == high


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("1.587.lowBoundary(2)", "1.58"),
        ("1.587.highBoundary(2)", "1.59"),
        ("(-1.587).lowBoundary(2)", "-1.59"),
        ("1.587.lowBoundary(0)", "1"),
        ("1.587.lowBoundary(-1)", None),
        ("@2014.lowBoundary(6)", "2014-01"),
        ("@2014.highBoundary(4)", "2014"),
        ("@2014.highBoundary(5)", None),
        ("@2014-01-01T08:05:30Z.lowBoundary(8)", "2014-01-01"),
        ("@T10:30.highBoundary(4)", "10:30"),
        ("@T10:30.highBoundary(6)", "10:30:59"),
    ],
)
def test_boundaries_of_a_precision(path: str, expected: str | None) -> None:
    assert evaluate(path, PATIENT) == expected


@pytest.mark.parametrize("path", ["birthDate = @1970-06-15T10:00:00Z", "@2015-02-04 = @2015-02-04T10:00:00Z"])
def test_a_date_is_not_equated_with_a_moment_in_a_zone(path: str) -> None:
    with pytest.raises(UnsupportedFunctionError, match="a date and a moment in a time zone"):
        evaluate(path, {"resourceType": "Patient", "id": "a", "birthDate": "1970-06-15"})


@pytest.mark.parametrize(
    ("member", "text", "path"),
    [
        *(("birthDate", text, "birthDate") for text in ("unknown", "1970/06/15", "1970-13", "70")),
        *(
            ("deceasedDateTime", text, "deceased.ofType(dateTime)")
            for text in ("unknown", "1970/06/15", "1970-06-15 10:00", "1970-13-01T10:00:00Z", "1970-06-15T25:00:00Z")
        ),
    ],
)
def test_what_is_no_date_has_no_boundaries_and_is_not_moved(member: str, text: str, path: str) -> None:
    resource = {"resourceType": "Patient", "id": "p", member: text}
    for asked in ("lowBoundary()", "highBoundary()", "precision()"):
        assert evaluate(f"{path}.{asked}", resource) is None, asked
    assert evaluate(f"{path} + 1 day", resource) is None


def test_what_is_no_date_has_none() -> None:
    for text, day in (("unknown", None), ("1970/06/15", None), ("1970-06-15T10:00:00Z", "1970-06-15")):
        resource = {"resourceType": "Patient", "id": "p", "deceasedDateTime": text}
        assert evaluate("deceased.ofType(dateTime).toDate()", resource) == day


def test_what_is_no_time_has_no_boundaries() -> None:
    resource = {"resourceType": "Observation", "id": "o", "valueTime": "noon"}
    for asked in ("lowBoundary()", "highBoundary()", "precision()"):
        assert evaluate(f"value.ofType(time).{asked}", resource) is None, asked


def test_times_that_are_none_do_not_compare() -> None:
    resource = {"resourceType": "Observation", "id": "o", "valueTime": "noon"}
    assert evaluate("value.ofType(time) > @T10:00", resource) is None
    assert evaluate("value.ofType(time) > @T10:00", {**resource, "valueTime": "12:00:00"}) is True
