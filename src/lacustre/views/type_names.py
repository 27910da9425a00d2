"""Type specifiers and the two namespaces of types (FHIRPath §10; FHIR, §FHIRPath).

Elements are of FHIR's types, literals and what is computed of the types of the system: `active` is a
`FHIR.boolean`, `true` and `active.exists()` are a `System.Boolean`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal as OneOf
from typing import TypeAlias

from lacustre.fhir.model import FhirModel
from lacustre.views.ir import (
    Choice,
    Coalesce,
    Filter,
    Guard,
    Literal,
    Map,
    Member,
    Nothing,
    Pick,
    Single,
    Union,
    Value,
    Variable,
)
from lacustre.views.items import Choose, Combine, Distinct, Resolved, Slice
from lacustre.views.records import Companion
from lacustre.views.types import SYSTEM_DATE_TIME, SYSTEM_QUANTITY

Namespace: TypeAlias = OneOf["FHIR", "System"]

TYPE_INFO = "System.TypeInfo"
"""The type of what `type()` gives: a literal of namespace and name."""

SYSTEM_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "Boolean": "boolean",
        "String": "string",
        "Integer": "integer",
        "Decimal": "decimal",
        "Date": "date",
        "DateTime": "dateTime",
        "Time": "time",
        "Quantity": SYSTEM_QUANTITY,
    }
)
"""The names of the system's types, with the types that their values have in the intermediate form."""

_SYSTEM_NAMES = {type_: name for name, type_ in SYSTEM_TYPES.items()} | {SYSTEM_DATE_TIME: "DateTime"}


@dataclass(frozen=True, slots=True)
class TypeName:
    """`FHIR.Quantity`, `System.String`: `type` is how values of it are typed here."""

    namespace: Namespace
    name: str

    @property
    def type(self) -> str:
        return SYSTEM_TYPES.get(self.name, self.name) if self.namespace == "System" else self.name

    def __str__(self) -> str:
        return f"{self.namespace}.{self.name}"


def read_type(specifier: str, model: FhirModel) -> TypeName:
    """The type that a specifier names; without a namespace it is FHIR's before it is the system's."""
    namespace, _, name = specifier.rpartition(".")
    if namespace == "System" or (not namespace and name in SYSTEM_TYPES and not model.has_type(name)):
        return TypeName("System", name)
    return TypeName("FHIR", name if namespace == "FHIR" else specifier)


def type_name(value: Value, sources: Mapping[str, Value]) -> TypeName | None:
    """The type of the items of a value; None where they come from both namespaces.

    `sources` tells of variables what they stand for the items of.
    """
    namespaces = _namespaces(value, sources.get)
    if len(namespaces) > 1:
        return None
    if namespaces == {"System"} and value.type in _SYSTEM_NAMES:
        return TypeName("System", _SYSTEM_NAMES[value.type])
    return TypeName("FHIR", value.type)


def _namespaces(value: Value, source_of: Callable[[str], Value | None]) -> set[Namespace]:
    """The namespaces of the values that the items come from, each looked at once."""
    found: set[Namespace] = set()
    seen: set[int] = set()
    pending = [value]
    while pending:
        part = pending.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        origins = _passed_on(part, source_of)
        pending += origins
        if not origins:
            found.add(_namespace(part))
    return found


def _namespace(value: Value) -> Namespace:
    """Of what comes from no other value: elements are FHIR's, and so are constants of FHIR's own types."""
    match value:
        case Member() | Choice() | Companion() | Coalesce() | Resolved() | Nothing() | Variable():
            return "FHIR"
        case Literal(type=type_) if type_ not in _SYSTEM_NAMES:
            return "FHIR"
        case _:
            return "System"


def _passed_on(value: Value, source_of: Callable[[str], Value | None]) -> tuple[Value, ...]:
    """The values whose items, or results, a value has."""
    found: tuple[Value, ...] = ()
    match value:
        case Variable(key=key):
            source = source_of(key)
            found = () if source is None else (source,)
        case Map(body=body):
            found = (body,)
        case Guard(value=guarded):
            found = (guarded,)
        case Filter(source=source) | Pick(source=source) | Single(source=source):
            found = (source,)
        case Slice(source=source) | Distinct(source=source):
            found = (source,)
        case Union(operands=operands) | Combine(operands=operands):
            found = operands
        case Choose(then=then, otherwise=otherwise):
            found = (then, otherwise)
    there = tuple(part for part in found if not isinstance(part, Nothing))
    return there or found[:1]
