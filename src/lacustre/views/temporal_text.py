"""The texts of FHIRPath's dates and times (FHIRPath §5.5.5 to §5.5.7): partial ones, and without `@`."""

from __future__ import annotations

import re

from lacustre.fhirpath import is_in_calendar

_YEAR = "(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])"
_MONTH = "(?:0[1-9]|1[0-2])"
_DAY = "(?:0[1-9]|[12][0-9]|3[01])"
DATE_FORM = f"{_YEAR}(?:-{_MONTH}(?:-{_DAY})?)?"
TIME_FORM = "(?:[01][0-9]|2[0-3])(?::[0-5][0-9](?::[0-5][0-9](?:[.][0-9]+)?)?)?"
_ZONE = "(?:Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9]|[+-]14:00)"
DATE_TIME_FORM = f"{_YEAR}(?:-{_MONTH}(?:-{_DAY}(?:T{TIME_FORM}{_ZONE}?)?)?)?"
"""Forms that Python and RE2 read alike; that there is such a day is not of the form."""


def read_date(text: str) -> str | None:
    """The date of a text; None where it is none."""
    return text if re.fullmatch(DATE_FORM, text) and is_in_calendar(text) else None


def read_date_time(text: str) -> str | None:
    """The dateTime of a text; None where it is none."""
    return text if re.fullmatch(DATE_TIME_FORM, text) and is_in_calendar(text[:10]) else None


def read_time(text: str) -> str | None:
    """The time of a text; None where it is none."""
    return text if re.fullmatch(TIME_FORM, text) else None
