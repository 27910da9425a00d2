"""The syntax tree of FHIRPath: what an expression says, before any type is known.

Every node carries the span of the text it was read from, so that a later stage can point at it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal as OneOf
from typing import TypeAlias, assert_never

LiteralKind: TypeAlias = OneOf["boolean", "string", "integer", "decimal", "date", "dateTime", "time"]
TypeOperator: TypeAlias = OneOf["is", "as"]
ChainOperator: TypeAlias = OneOf["and", "or", "|"]
Variable: TypeAlias = OneOf["$this", "$index", "$total"]
Sign: TypeAlias = OneOf["+", "-"]


@dataclass(frozen=True, slots=True)
class Span:
    """Character offsets into the expression, the end exclusive."""

    start: int
    end: int

    def to(self, other: Span) -> Span:
        return Span(self.start, other.end)


@dataclass(frozen=True, slots=True)
class Literal:
    """`text` is the value itself: unescaped for a string, without `@` for a date or time."""

    kind: LiteralKind
    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Quantity:
    """`4 'mg'` or `4 days`; `calendar` tells the keyword from the quoted UCUM unit."""

    value: str
    unit: str
    calendar: bool
    span: Span


@dataclass(frozen=True, slots=True)
class EmptySet:
    """`{}`."""

    span: Span


@dataclass(frozen=True, slots=True)
class Constant:
    """`%name`, `%'name'` or `` %`name` ``."""

    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class Special:
    """`$this`, `$index` or `$total`."""

    name: Variable
    span: Span


@dataclass(frozen=True, slots=True)
class Member:
    """`source.name`; without a source the name stands on the focus. `name_span` covers the name alone."""

    source: Expression | None
    name: str
    name_span: Span
    span: Span


@dataclass(frozen=True, slots=True)
class Call:
    """`source.name(arguments)`; without a source the function is called on the focus."""

    source: Expression | None
    name: str
    arguments: tuple[Expression, ...]
    name_span: Span
    span: Span


@dataclass(frozen=True, slots=True)
class Indexer:
    source: Expression
    index: Expression
    span: Span


@dataclass(frozen=True, slots=True)
class Polarity:
    sign: Sign
    operand: Expression
    span: Span


@dataclass(frozen=True, slots=True)
class Binary:
    """A binary operator other than those of `Chain` and `TypeTest`; `operator_span` covers its symbol."""

    operator: str
    left: Expression
    right: Expression
    operator_span: Span
    span: Span


@dataclass(frozen=True, slots=True)
class Chain:
    """`a or b or c`: an associative operator over two operands or more.

    One flat node, so that a list of a thousand codes is not a tree a thousand deep.
    """

    operator: ChainOperator
    operands: tuple[Expression, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class TypeTest:
    """`operand is T` or `operand as T`; `type_name` may be qualified (`FHIR.Quantity`).

    `beside` is the operator of which this is the right operand, without parentheses, where editions of the grammar
    do not agree on which of the two binds more tightly: `|` or a comparison.
    """

    operator: TypeOperator
    operand: Expression
    type_name: str
    type_span: Span
    span: Span
    beside: str | None = None


Expression: TypeAlias = (
    Literal | Quantity | EmptySet | Constant | Special | Member | Call | Indexer | Polarity | Binary | Chain | TypeTest
)


def child_expressions(node: Expression) -> tuple[Expression, ...]:
    """The direct operands of a node, in the order they are written."""
    children: tuple[Expression | None, ...] = ()
    match node:
        case Member(source=source):
            children = (source,)
        case Call(source=source, arguments=arguments):
            children = (source, *arguments)
        case Indexer(source=source, index=index):
            children = (source, index)
        case Polarity(operand=operand) | TypeTest(operand=operand):
            children = (operand,)
        case Binary(left=left, right=right):
            children = (left, right)
        case Chain(operands=operands):
            children = operands
        case Literal() | Quantity() | EmptySet() | Constant() | Special():
            pass
        case _:
            assert_never(node)
    return tuple(child for child in children if child is not None)
