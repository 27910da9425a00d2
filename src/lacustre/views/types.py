"""What the compiler knows of FHIR's primitive types: how they are stored, compared and put out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal[
    "boolean", "integer", "integer64", "decimal", "text", "date", "dateTime", "instant", "time", "quantity", "complex"
]
"""Families of types that behave alike in expressions.

Text, decimals, dates, times and computed quantities are worked with as text.
"""

TypeMode: TypeAlias = Literal["spec", "native"]
"""How FHIR types become SQL types: as the specification maps them, or as SQL has them."""

PartialDates: TypeAlias = Literal["null", "start"]
"""What a partial date becomes where a type needs more: null, or its first moment. Both are counted or said."""

SYSTEM_QUANTITY = "System.Quantity"
"""The type of a quantity that is no element: its magnitude and its unit in one text, `4 'mg'` or `4 days`."""

SYSTEM_DATE_TIME = "System.DateTime"
"""The type of a dateTime that may be without minutes or seconds, which no element is."""

UNKNOWN = ""
"""The type of a value of which nothing is known: `{}`, or what follows a fault."""

CHOICE = "*"
"""The type of a choice element (`value[x]`) before `ofType` has chosen."""

RECORD = "record"
"""The type of an item of a `repeat`, of which only the values that the view needs are kept."""

_TEXTS: dict[str, Kind] = dict.fromkeys(
    ("base64Binary", "canonical", "code", "id", "markdown", "oid", "string", "uri", "url", "uuid", "xhtml"),
    "text",
)
_KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        **_TEXTS,
        "boolean": "boolean",
        "integer": "integer",
        "positiveInt": "integer",
        "unsignedInt": "integer",
        "integer64": "integer64",
        "decimal": "decimal",
        "date": "date",
        "dateTime": "dateTime",
        "instant": "instant",
        "time": "time",
        SYSTEM_QUANTITY: "quantity",
        SYSTEM_DATE_TIME: "dateTime",
    }
)
_NUMBERS = frozenset({"integer", "integer64", "decimal"})
_MOMENTS = frozenset({"date", "dateTime", "instant"})
_COMMON_TYPES: tuple[tuple[frozenset[Kind], str], ...] = (
    (frozenset({"text"}), "string"),
    (frozenset({"integer"}), "integer"),
    (frozenset({"integer", "decimal"}), "decimal"),
    (frozenset({"date", "dateTime", "instant"}), "dateTime"),
)
_SPEC_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "boolean": "BOOLEAN",
        "integer": "INTEGER",
        "positiveInt": "INTEGER",
        "unsignedInt": "INTEGER",
        "integer64": "BIGINT",
        "base64Binary": "BLOB",
        "instant": "TIMESTAMP WITH TIME ZONE",
    }
)
NATIVE_DECIMAL = "DECIMAL(38,18)"
"""Holds each decimal without exponent that FHIR R5 allows: 18 digits before the point, 17 after it."""

_NATIVE_TYPES: Mapping[str, str] = MappingProxyType(
    {
        **_SPEC_TYPES,
        "date": "DATE",
        "dateTime": "TIMESTAMP WITH TIME ZONE",
        "time": "TIME",
        "decimal": NATIVE_DECIMAL,
    }
)


@dataclass(frozen=True, slots=True)
class Typing:
    """How the columns of a view are typed; `partial` holds wherever a column is of dates, times or moments."""

    mode: TypeMode = "spec"
    partial: PartialDates = "null"

    def overridden(self, mode: TypeMode | None, partial: PartialDates | None) -> Typing:
        """This typing with what a view says of its own."""
        return Typing(mode or self.mode, partial or self.partial)


SPEC = Typing()
"""The specification's mapping, which holds where nothing else is said."""


@dataclass(frozen=True, slots=True)
class SqlType:
    """DuckDB's type of one value; a text or binary of more than `length` characters or bytes does not fit."""

    name: str
    length: int | None = None


def fhir_type_of(type_: str) -> str:
    """The FHIR type of a column of computed values: there is none for a quantity, which leaves as its text."""
    return {SYSTEM_QUANTITY: "string", SYSTEM_DATE_TIME: "dateTime"}.get(type_, type_)


def kind_of(type_: str) -> Kind:
    """The family of a FHIR type; every type that is not primitive is complex."""
    return _KINDS.get(type_, "complex")


def are_comparable(left: str, right: str) -> bool:
    """Whether two primitive types have an order, or at least an equality, between them."""
    kinds = {kind_of(left), kind_of(right)}
    return "complex" not in kinds and (len(kinds) == 1 or kinds <= _NUMBERS or kinds <= _MOMENTS)


def common_type(left: str, right: str) -> str | None:
    """The type of a collection that holds both types, or None where there is none."""
    if right in (left, UNKNOWN):
        return left
    if left == UNKNOWN:
        return right
    kinds = {kind_of(left), kind_of(right)}
    if SYSTEM_DATE_TIME in (left, right) and kinds <= _MOMENTS:
        return SYSTEM_DATE_TIME
    for members, common in _COMMON_TYPES:
        if kinds <= members:
            return common
    return None


def can_be_put_out(type_: str, declared: str) -> bool:
    """Whether a value of a primitive type fits a column that declares another one."""
    found, wanted = kind_of(type_), kind_of(declared)
    widened = {
        ("integer", "integer64"),
        ("integer", "decimal"),
        ("integer64", "decimal"),
        ("date", "dateTime"),
        ("instant", "dateTime"),
    }
    return type_ == UNKNOWN or found == wanted or declared == "string" or (found, wanted) in widened


def default_type(type_: str, mode: TypeMode = "spec") -> SqlType:
    """The SQL type of a FHIR type; of mode `spec`, SQL on FHIR 3.0.0-ballot, default type mappings."""
    types = _NATIVE_TYPES if mode == "native" else _SPEC_TYPES
    return SqlType(types.get(type_, "VARCHAR"))


def column_type(type_: SqlType, *, collection: bool) -> str:
    """DuckDB's type of a column: a collection is a list."""
    return f"{type_.name}[]" if collection else type_.name
