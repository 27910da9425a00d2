"""The time of the sample: UTC inside, French local time with its offset where it is written."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Final

# A simulated moment is a naive datetime in UTC.
WINDOW_START: Final = datetime(2023, 1, 2)
EXPORT_TIME: Final = datetime(2026, 1, 2, 2, 30)


@lru_cache(maxsize=256)
def _summer(year: int) -> tuple[datetime, datetime]:
    """Summer time in Europe: from 01:00 UTC on the last Sunday of March to that of October."""
    starts, ends = (
        datetime(year, month, 31, 1) - timedelta(days=(date(year, month, 31).weekday() + 1) % 7) for month in (3, 10)
    )
    return starts, ends


def _offset(moment: datetime) -> int:
    starts, ends = _summer(moment.year)
    return 2 if starts <= moment < ends else 1


@lru_cache(maxsize=1024)
def local_time(moment: datetime) -> str:
    """A dateTime in French local time: `2024-03-02T09:10:00+01:00`."""
    offset = _offset(moment)
    return f"{(moment + timedelta(hours=offset)).isoformat(timespec='seconds')}+0{offset}:00"


def local_date(moment: datetime) -> str:
    """The French calendar date of a moment."""
    return (moment + timedelta(hours=_offset(moment))).date().isoformat()


@lru_cache(maxsize=1024)
def utc_time(moment: datetime) -> str:
    """An instant in UTC, with milliseconds: `2024-03-02T08:10:00.000Z`."""
    return f"{moment.isoformat(timespec='milliseconds')}Z"
