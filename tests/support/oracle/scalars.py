"""The oracle's functions of one string, number, date or time (FHIRPath N1 §5.5 to §5.7)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_UP, Decimal, localcontext
from typing import Any

from support.oracle.nodes import SYSTEM_TYPES, Node, Nodes, boolean, integer, number, optional, plain, scalar, string
from support.oracle.temporal import DATE as STORED_DATE
from support.oracle.temporal import DATE_TIME, TIME

DIGITS = 1500
TRUTHS = dict.fromkeys(("true", "t", "yes", "y", "1", "1.0"), True) | dict.fromkeys(
    ("false", "f", "no", "n", "0", "0.0"), False
)
SPACES = "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
DATE = re.compile(r"\d{4}(-\d\d(-\d\d)?)?", re.ASCII)


def of_text(function: Callable[..., Any], make: Callable[[Any], Node], arguments: int = 0) -> Any:
    """A function of a string and of so many other strings."""

    def apply(nodes: Nodes, *others: Nodes) -> Nodes:
        values = [scalar(each, "String") for each in (nodes, *others)]
        return [] if None in values else optional(make, function(*values))

    return apply, range(arguments, arguments + 1)


def split(nodes: Nodes, separator: Nodes) -> Nodes:
    text, between = scalar(nodes, "String"), scalar(separator, "String")
    return [string(each) for each in text.split(between)] if text is not None and between else []


def to_chars(nodes: Nodes) -> Nodes:
    return [string(character) for character in scalar(nodes, "String") or ""]


def whole(rounding: str) -> Callable[[Nodes], Nodes]:
    def apply(nodes: Nodes) -> Nodes:
        value = scalar(nodes, "Integer", "Decimal")
        if not isinstance(value, Decimal):
            return optional(integer, value)
        with localcontext(prec=DIGITS):
            found = int(value.to_integral_value(rounding))
        return [integer(found)] if -(2**31) <= found < 2**31 else []

    return apply


def rounded(nodes: Nodes, places: Nodes | None = None) -> Nodes:
    value = scalar(nodes, "Integer", "Decimal")
    count = 0 if places is None else scalar(places, "Integer")
    if value is None or count is None:
        return []
    with localcontext(prec=DIGITS):
        found = Decimal(value)
        if int(found.as_tuple().exponent) < -count:
            found = found.quantize(Decimal(1).scaleb(-count), ROUND_HALF_UP)
    return [number(found)]


def absolute(nodes: Nodes) -> Nodes:
    value = scalar(nodes, "Integer", "Decimal")
    if isinstance(value, int) and abs(value) >= 2**31:
        return []
    return optional(number, None if value is None else value.copy_abs() if isinstance(value, Decimal) else abs(value))


def in_calendar(text: str) -> bool:
    try:
        date.fromisoformat(text[:10] + "0001-01-01"[len(text[:10]) :])
    except ValueError:
        return False
    return True


def to_boolean(node: Node) -> bool | None:
    match node.kind, plain(node):
        case "Boolean", value:
            return bool(value)
        case "Integer" | "Decimal", value:
            return {1: True, 0: False}.get(value)
        case "String", value:
            return TRUTHS.get(value.lower())
    return None


def to_integer(node: Node) -> int | None:
    match node.kind, plain(node):
        case "Boolean" | "Integer", value:
            found = int(value)
        case "String", value if re.fullmatch(r"[+-]?[0-9]+", value):
            found = int(value)
        case _:
            return None
    return found if -(2**31) <= found < 2**31 else None


def to_decimal(node: Node) -> Decimal | None:
    match node.kind, plain(node):
        case "Boolean" | "Integer" | "Decimal", value:
            return Decimal(value)
        case "String", value if re.fullmatch(r"[+-]?[0-9]+([.][0-9]+)?", value):
            return Decimal(value)
    return None


def to_date(node: Node) -> str | None:
    match node.kind, node.value:
        case "Date", value:
            return str(value)
        case "DateTime", value:
            return str(value[:10]) if STORED_DATE.fullmatch(value[:10]) else None
        case "String", value if DATE.fullmatch(value) and in_calendar(value):
            return str(value)
    return None


def to_date_time(node: Node) -> str | None:
    match node.kind, node.value:
        case "Date" | "DateTime", value:
            return str(value)
        case "String", value if DATE_TIME.fullmatch(value) and in_calendar(value):
            return str(value)
    return None


def to_time(node: Node) -> str | None:
    known = node.kind == "Time" or (node.kind == "String" and TIME.fullmatch(node.value))
    return str(node.value) if known else None


def temporal(kind: str) -> Callable[[Any], Node]:
    return lambda text: Node(text, f"System.{kind}")


CONVERSIONS: dict[str, tuple[Callable[[Node], Any], Callable[[Any], Node]]] = {
    "Boolean": (to_boolean, boolean),
    "Integer": (to_integer, integer),
    "Decimal": (to_decimal, number),
    "Date": (to_date, temporal("Date")),
    "DateTime": (to_date_time, temporal("DateTime")),
    "Time": (to_time, temporal("Time")),
}


def converted(name: str) -> Callable[[Nodes], Nodes]:
    function, make = CONVERSIONS[name]
    return lambda nodes: optional(make, None if value_of(nodes) is None else function(nodes[0]))


def convertible(name: str) -> Callable[[Nodes], Nodes]:
    function, _ = CONVERSIONS[name]
    return lambda nodes: [] if value_of(nodes) is None else [boolean(function(nodes[0]) is not None)]


def value_of(nodes: Nodes) -> Any:
    return scalar(nodes, *SYSTEM_TYPES)


def precision(nodes: Nodes) -> Nodes:
    value = scalar(nodes, "Integer", "Decimal", "Date", "DateTime", "Time")
    match value:
        case None:
            return []
        case int():
            return [integer(0)]
        case Decimal():
            return [integer(max(-int(value.as_tuple().exponent), 0))]
    if not any(form.fullmatch(value) for form in (STORED_DATE, DATE_TIME, TIME)):
        return []
    stem = re.sub(r"(?<=T).*", lambda time: re.sub(r"(Z|[+-]\d\d:\d\d)$", "", time[0]), value)
    return [integer(sum(character.isdigit() for character in stem))]


def divide_whole(a: int | Decimal, b: int | Decimal) -> int | None:
    with localcontext(prec=DIGITS):
        return int(Decimal(a) / Decimal(b)) if b else None


def remainder(a: int | Decimal, b: int | Decimal) -> int | Decimal | None:
    """The sign is that of the dividend."""
    if not b:
        return None
    with localcontext(prec=DIGITS):
        found = Decimal(a) - Decimal(b) * int(Decimal(a) / Decimal(b))
    return int(found) if isinstance(a, int) and isinstance(b, int) else found


SCALARS: dict[str, tuple[Callable[..., Nodes], range]] = {
    "length": of_text(len, integer),
    "indexOf": of_text(str.find, integer, 1),
    "trim": of_text(lambda text: text.strip(SPACES), string),
    "replace": of_text(str.replace, string, 2),
    "matches": of_text(lambda text, form: bool(re.search(form, text, re.DOTALL | re.ASCII)), boolean, 1),
    "matchesFull": of_text(lambda text, form: bool(re.fullmatch(form, text, re.DOTALL | re.ASCII)), boolean, 1),
    "split": (split, range(1, 2)),
    "toChars": (to_chars, range(1)),
    "abs": (absolute, range(1)),
    "ceiling": (whole(ROUND_CEILING), range(1)),
    "floor": (whole(ROUND_FLOOR), range(1)),
    "truncate": (whole(ROUND_DOWN), range(1)),
    "round": (rounded, range(2)),
    "precision": (precision, range(1)),
} | {f"to{name}": (converted(name), range(1)) for name in CONVERSIONS}
SCALARS |= {f"convertsTo{name}": (convertible(name), range(1)) for name in CONVERSIONS}
