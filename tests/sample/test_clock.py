"""French time without a time zone database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from lacustre.sample.clock import local_date, local_time, utc_time

PARIS = ZoneInfo("Europe/Paris")


@pytest.mark.parametrize("year", [1997, 2016, 2023, 2024, 2025, 2026])
def test_local_time_is_that_of_paris(year: int) -> None:
    moment = datetime(year, 1, 1)
    while moment.year == year:
        expected = moment.replace(tzinfo=UTC).astimezone(PARIS)
        assert local_time(moment) == expected.isoformat(timespec="seconds")
        assert local_date(moment) == expected.date().isoformat()
        moment += timedelta(hours=7)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (datetime(2024, 3, 31, 0, 59, 59), "2024-03-31T01:59:59+01:00"),
        (datetime(2024, 3, 31, 1), "2024-03-31T03:00:00+02:00"),
        (datetime(2024, 10, 27, 0, 59, 59), "2024-10-27T02:59:59+02:00"),
        (datetime(2024, 10, 27, 1), "2024-10-27T02:00:00+01:00"),
    ],
)
def test_the_hours_of_the_change(moment: datetime, expected: str) -> None:
    assert local_time(moment) == expected


def test_utc_time_has_milliseconds() -> None:
    assert utc_time(datetime(2024, 3, 2, 8, 10)) == "2024-03-02T08:10:00.000Z"
