"""Dates and times for the oracle: comparison (FHIRPath N1 §6.1, §6.2) and boundaries (FHIRPath §5.6)."""

from __future__ import annotations

import calendar
import re
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal

DATE_TIME = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d)"
    r"(?:T(?P<hour>\d\d)(?::(?P<minute>\d\d)(?::(?P<second>\d\d(?:\.\d+)?))?)?(?P<zone>Z|[+-]\d\d:\d\d)?)?)?)?"
)
DATE = re.compile(r"\d{4}(?:-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01]))?)?")
TIME = re.compile(r"(?P<hour>\d\d)(?::(?P<minute>\d\d)(?::(?P<second>\d\d(?:\.\d+)?))?)?")


def compare(left: str, right: str, zone: tzinfo = UTC) -> int | None:
    """-1, 0 or 1 for two dates or date-times; None where a missing precision leaves it open or one is no date.

    What has seconds is a moment. Else components are compared one by one: a time with an offset is first moved to
    `zone`; one without is read there.
    """
    moments = moment(left, zone), moment(right, zone)
    if None not in moments:
        return compare_components(*([each] for each in moments if each is not None))
    return compare_components(components(left, zone), components(right, zone))


def moment(text: str, zone: tzinfo) -> Decimal | None:
    """The seconds since 1970 of what has seconds; the later ones where clocks show a time twice."""
    match = DATE_TIME.fullmatch(text)
    if match is None or match["second"] is None:
        return None
    local = datetime(*(int(match[name]) for name in ("year", "month", "day", "hour", "minute")))
    if match["zone"]:
        utc = local - offset_delta(match["zone"])
    else:
        utc = max(local - (local.replace(tzinfo=zone, fold=fold).utcoffset() or timedelta()) for fold in (0, 1))
    return Decimal(int((utc - datetime(1970, 1, 1)) / timedelta(seconds=1))) + Decimal(match["second"])


def compare_times(left: str, right: str) -> int | None:
    return compare_components(time_components(left), time_components(right))


def compare_components(left: list[Decimal] | None, right: list[Decimal] | None) -> int | None:
    if left is None or right is None:
        return None
    for a, b in zip(left, right, strict=False):
        if a != b:
            return -1 if a < b else 1
    return 0 if len(left) == len(right) else None


def time_components(text: str) -> list[Decimal] | None:
    match = TIME.fullmatch(text)
    if match is None:
        return None
    return [Decimal(part) for part in match.group("hour", "minute", "second") if part is not None]


def components(text: str, zone: tzinfo) -> list[Decimal] | None:
    match = DATE_TIME.fullmatch(text)
    if match is None:
        return None
    parts = match.group("year", "month", "day", "hour", "minute", "second")
    found = [Decimal(part) for part in parts if part is not None]
    return shift(found, match["zone"], zone) if match["zone"] else found


def shift(parts: list[Decimal], offset: str, zone: tzinfo) -> list[Decimal]:
    year, month, day, hour, minute, *_ = [int(part) for part in parts] + [0]
    utc = datetime(year, month, day, hour, minute, tzinfo=UTC) - offset_delta(offset)
    local = utc.astimezone(zone)
    moved = [local.year, local.month, local.day, local.hour, local.minute]
    return [Decimal(part) for part in moved[: len(parts)]] + parts[5:]


def offset_delta(offset: str) -> timedelta:
    if offset == "Z":
        return timedelta()
    delta = timedelta(hours=int(offset[1:3]), minutes=int(offset[4:6]))
    return -delta if offset[0] == "-" else delta


DATE_DIGITS = {4: 4, 6: 7, 8: 10}
"""Digits of precision to characters of text."""
TIME_DIGITS = {2: 2, 4: 5, 6: 8, 9: 12}


def date_boundary(text: str, high: bool, digits: int | None) -> str | None:
    """The first or last day that a date can mean, cut to `digits` of precision (8 by default)."""
    length = DATE_DIGITS.get(8 if digits is None else digits)
    return fill_date(text, high)[:length] if length is not None and DATE.fullmatch(text) else None


def date_time_boundary(text: str, high: bool, digits: int | None) -> str | None:
    """The first or last millisecond that a date-time can mean; an open offset is +14:00 or -12:00."""
    digits = 17 if digits is None else digits
    if digits in DATE_DIGITS:
        return date_boundary(text[:10], high, digits)
    if digits != 17:
        return None
    match = DATE_TIME.fullmatch(text)
    if match is None:
        return None
    time = ":".join(part for part in match.group("hour", "minute", "second") if part is not None)
    offset = match["zone"] or ("-12:00" if high else "+14:00")
    return f"{fill_date(text[:10], high)}T{fill_time(time, high)}{offset}"


def time_boundary(text: str, high: bool, digits: int | None) -> str | None:
    length = TIME_DIGITS.get(9 if digits is None else digits)
    return fill_time(text, high)[:length] if length is not None and TIME.fullmatch(text) else None


def fill_date(text: str, high: bool) -> str:
    if len(text) == 4:
        text += "-12" if high else "-01"
    if len(text) == 7:
        last = calendar.monthrange(int(text[:4]), int(text[5:7]))[1]
        text += f"-{last}" if high else "-01"
    return text


def fill_time(text: str, high: bool) -> str:
    full = "23:59:59.999" if high else "00:00:00.000"
    fraction = text[9:]
    return f"{text[:8]}.{fraction:{'9' if high else '0'}<3.3}" if fraction else text + full[len(text) :]
