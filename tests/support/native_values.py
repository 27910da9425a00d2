"""What the texts of dates, times and numbers are worth, worked out in Python alone: the judge of native types.

Moments are microseconds since 1970 in UTC, so that what lies outside of Python's years has its value too.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Literal, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

Rule: TypeAlias = Literal["null", "start"]

MOMENT = re.compile(
    r"(?P<day>\d{4}(-\d\d(-\d\d)?)?)((?<=-\d\d-\d\d)T(?P<hour>\d\d)(:(?P<minute>\d\d)(:(?P<second>\d\d)([.](?P<fraction>\d+))?)?)?"
    r"(?P<zone>Z|[+-]\d\d:\d\d)?)?",
    re.ASCII,
)
NUMBER = re.compile(r"[+-]?\d+([.]\d+)?([eE][+-]?\d+)?", re.ASCII)
DAY_SECONDS = 86_400
EPOCH = date(1970, 1, 1).toordinal()


class Native(NamedTuple):
    """A value and what is noted of it: `misfit`, `partial`, `cut` or nothing."""

    value: object
    note: str = ""


MISFIT = Native(None, "misfit")
PARTIAL = Native(None, "partial")


def native_date(text: str, rule: Rule) -> Native:
    found = re.fullmatch(r"(\d{4})(?:-(\d\d))?(?:-(\d\d))?", text, re.ASCII)
    if found is None:
        return MISFIT
    try:
        day = date(int(found[1]), int(found[2] or 1), int(found[3] or 1))
    except ValueError:
        return MISFIT
    return Native(day) if found[3] or rule == "start" else PARTIAL


def native_time(text: str, rule: Rule) -> Native:
    found = re.fullmatch(r"(\d\d)(?::(\d\d))?(?::(\d\d)(?:[.](\d+))?)?", text, re.ASCII)
    if found is None:
        return MISFIT
    fraction = found[4] or ""
    try:
        moment = time(int(found[1]), int(found[2] or 0), int(found[3] or 0), int(fraction[:6].ljust(6, "0")))
    except ValueError:
        return MISFIT
    if found[3] is None:
        return Native(moment) if rule == "start" else PARTIAL
    return Native(moment, "cut" if fraction[6:].strip("0") else "")


def native_moment(text: str, rule: Rule, zone: ZoneInfo, *, instant: bool = False) -> Native:
    """The microsecond of a dateTime, or of an instant, which has no partial form.

    An instant always has its zone; without it, it is taken as comparisons take it, the later of two moments.
    """
    found = MOMENT.fullmatch(text)
    local = _local_microseconds(found) if found else None
    offset = _offset(found["zone"]) if found and found["zone"] else 0
    if found is None or local is None or offset is None:
        return MISFIT
    whole = found["second"] is not None
    if not whole and (instant or rule == "null"):
        return MISFIT if instant else PARTIAL
    note = "cut" if (found["fraction"] or "")[6:].strip("0") else ""
    if found["zone"]:
        return Native(local - offset, note)
    moments = sorted(_moments_at(local, zone))
    if not moments:
        return MISFIT if whole and not instant else Native(_after_gap(local, zone), note)
    if len(moments) > 1 and not instant and rule == "null":
        return PARTIAL
    return Native(moments[-1] if instant else moments[0], note)


def native_decimal(text: str, digits: int = 38, scale: int = 18) -> Native:
    if NUMBER.fullmatch(text) is None:
        return MISFIT
    sign, found, exponent = Decimal(text).as_tuple()
    assert isinstance(exponent, int)
    value, shift = int("".join(map(str, found))), exponent + scale
    scaled, left_out = (value * 10**shift, 0) if shift >= 0 else divmod(value, 10**-shift)
    if left_out or scaled >= 10**digits:
        return MISFIT
    return Native(Decimal((sign, tuple(map(int, str(scaled))), -scale)))


def _local_microseconds(found: re.Match[str]) -> int | None:
    """The clock's time as if it were UTC, of a partial one its start; None where there is no such day or time."""
    year, month, day = (*map(int, found["day"].split("-")), 1, 1)[:3]
    hour, minute, second = (int(found[name] or 0) for name in ("hour", "minute", "second"))
    try:
        ordinal = date(year, month, day).toordinal()
    except ValueError:
        return None
    if hour > 23 or minute > 59 or second > 59:
        return None
    fraction = int((found["fraction"] or "")[:6].ljust(6, "0"))
    seconds = (ordinal - EPOCH) * DAY_SECONDS + hour * 3600 + minute * 60 + second
    return seconds * 1_000_000 + fraction


def _offset(zone: str) -> int | None:
    if zone == "Z":
        return 0
    hours, minutes = int(zone[1:3]), int(zone[4:])
    if minutes > 59 or hours * 60 + minutes > 14 * 60:
        return None
    return (hours * 60 + minutes) * 60_000_000 * (-1 if zone[0] == "-" else 1)


def _moments_at(local: int, zone: ZoneInfo) -> set[int]:
    """The moments at which clocks of a zone show a time: none, one or two."""
    naive = datetime(1970, 1, 1) + timedelta(microseconds=local)
    moments = set()
    for fold in (0, 1):
        offset = naive.replace(tzinfo=zone, fold=fold).utcoffset()
        assert offset is not None
        moment = local - offset // timedelta(microseconds=1)
        if _shown_at(moment, zone) == local:
            moments.add(moment)
    return moments


def _shown_at(moment: int, zone: ZoneInfo) -> int:
    """What clocks of a zone show at a moment; at the ends of Python's years, with the offset of a day within."""
    year_ends = (-62_135_596_800_000_000 + DAY_SECONDS * 10**6, 253_402_214_400_000_000)
    within = min(max(moment, year_ends[0]), year_ends[1])
    aware = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=within)
    offset = aware.astimezone(zone).utcoffset()
    assert offset is not None
    return moment + offset // timedelta(microseconds=1)


def _after_gap(local: int, zone: ZoneInfo) -> int:
    """The moment that clocks go to over a gap: with the offset from before it."""
    naive = datetime(1970, 1, 1) + timedelta(microseconds=local)
    offset = naive.replace(tzinfo=zone, fold=0).utcoffset()
    assert offset is not None
    return local - offset // timedelta(microseconds=1)
