"""What the compiler knows of FHIR's primitive types: how they are stored, compared and put out."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal[
    "boolean", "integer", "integer64", "decimal", "text", "date", "dateTime", "instant", "time", "complex"
]
"""Families of types that behave alike in expressions. Text, decimals, dates and times are stored as text."""

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
_SYSTEM_TYPES = {"String": "string", "Boolean": "boolean", "Integer": "integer", "Decimal": "decimal"} | {
    "Date": "date",
    "DateTime": "dateTime",
    "Time": "time",
}
_SQL_TYPES: Mapping[str, str] = MappingProxyType(
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


def kind_of(type_: str) -> Kind:
    """The family of a FHIR type; every type that is not primitive is complex."""
    return _KINDS.get(type_, "complex")


def fhir_type_name(specifier: str) -> str:
    """The FHIR type that a type specifier names: `FHIR.Quantity`, `System.String` or `String`, `code`."""
    namespace, _, name = specifier.rpartition(".")
    if namespace in ("", "System") and name in _SYSTEM_TYPES:
        return _SYSTEM_TYPES[name]
    return name if namespace == "FHIR" else specifier


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


def sql_type(type_: str, *, collection: bool = False) -> str:
    """The DuckDB type of an output column (SQL on FHIR 3.0.0-ballot, default type mappings)."""
    name = _SQL_TYPES.get(type_, "VARCHAR")
    return f"{name}[]" if collection else name
