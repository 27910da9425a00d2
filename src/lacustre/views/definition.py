"""The records of a ViewDefinition (SQL on FHIR 2.0.0 and 3.0.0-ballot)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from lacustre.errors import Diagnostic
from lacustre.fhirpath.ast import Expression, Span
from lacustre.views.types import PartialDates, TypeMode

RESOURCE_TYPES = frozenset(
    {
        "ViewDefinition",
        "https://sql-on-fhir.org/ig/StructureDefinition/ViewDefinition",
        "http://hl7.org/fhir/uv/sql-on-fhir/StructureDefinition/ViewDefinition",
    }
)
"""The spellings of `resourceType` in editions 2 and 3; it may also be absent."""

CONSTANT_TYPES = (
    *(
        "base64Binary",
        "boolean",
        "canonical",
        "code",
        "date",
        "dateTime",
        "decimal",
        "id",
        "instant",
        "integer",
    ),
    *("integer64", "oid", "string", "positiveInt", "time", "unsignedInt", "uri", "url", "uuid"),
)
"""The types of `constant.value[x]`."""

IterationKind: TypeAlias = Literal["forEach", "forEachOrNull", "repeat"]
ConstantValue: TypeAlias = bool | int | str


@dataclass(frozen=True, slots=True)
class FhirPath:
    """A FHIRPath expression: its text, its tree and the JSON pointer of where it stands."""

    text: str
    tree: Expression
    pointer: str

    def fault(self, code: str, message: str, span: Span, hint: str | None = None) -> Diagnostic:
        return Diagnostic(code, message, self.pointer, self.text, span.start, span.end, hint)


@dataclass(frozen=True, slots=True)
class Tag:
    name: str
    value: str
    pointer: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Column:
    """`type` is the declared FHIR type without its canonical prefix, or None."""

    name: str
    path: FhirPath
    pointer: str
    type: str | None = None
    collection: bool = False
    description: str | None = None
    tags: tuple[Tag, ...] = ()


@dataclass(frozen=True, slots=True)
class Iteration:
    """What a select runs over; only `repeat` has more than one path."""

    kind: IterationKind
    paths: tuple[FhirPath, ...]


@dataclass(frozen=True, slots=True)
class Select:
    pointer: str
    iteration: Iteration | None = None
    columns: tuple[Column, ...] = ()
    selects: tuple[Select, ...] = ()
    union: tuple[Select, ...] = ()

    def output(self) -> Iterator[Column]:
        """The columns in output order: its own, those of nested selects, then of the first union branch."""
        yield from self.columns
        for select in (*self.selects, *self.union[:1]):
            yield from select.output()


@dataclass(frozen=True, slots=True)
class Constant:
    """A decimal's value is its text."""

    name: str
    type: str
    value: ConstantValue
    pointer: str


@dataclass(frozen=True, slots=True)
class Where:
    path: FhirPath
    description: str | None = None


@dataclass(frozen=True, slots=True)
class ViewDefinition:
    """`definition` is the JSON it was read from, in canonical form; `source` names it in error messages.

    `types` and `partial_dates` are what its extension says of them, which goes before what a build says.
    """

    name: str
    resource: str
    selects: tuple[Select, ...]
    where: tuple[Where, ...]
    constants: tuple[Constant, ...]
    fhir_versions: tuple[str, ...]
    title: str | None
    description: str | None
    url: str | None
    definition: str
    source: str
    types: TypeMode | None = None
    partial_dates: PartialDates | None = None

    def output(self) -> Iterator[Column]:
        """The columns of the view in output order."""
        for select in self.selects:
            yield from select.output()
