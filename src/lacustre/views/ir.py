"""The typed intermediate form of FHIRPath: every value knows its FHIR type and whether it may be many.

There is one way to say each thing. `Member`, `Guard` and `Apply` stand on single items only; what is done to
each item of a collection is the body of a `Map`. A choice element never reaches SQL: `ofType` picks a member
of it, and `exists` asks for any.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeAlias
from typing import Literal as OneOf

from lacustre.views.items import (
    Aggregate,
    Alike,
    Choose,
    Combine,
    ComparePairs,
    Distinct,
    Equivalent,
    HasValue,
    Identical,
    Position,
    Resolved,
    Slice,
    Total,
)
from lacustre.views.records import Companion, Pair, PairValues, Shred, Stored, Walk, Zip
from lacustre.views.types import CHOICE

CompareOperator: TypeAlias = OneOf["=", "!=", "<", "<=", ">", ">="]
LogicOperator: TypeAlias = OneOf["and", "or"]
ArithmeticOperator: TypeAlias = OneOf["+", "-", "*", "/", "div", "mod"]
TextFunction: TypeAlias = OneOf[
    "indexOf",
    "substring",
    "startsWith",
    "endsWith",
    "contains",
    "upper",
    "lower",
    "trim",
    "length",
    "replace",
    "matches",
    "matchesFull",
    "replaceMatches",
    "encode",
    "decode",
    "escape",
    "unescape",
]
NumberFunction: TypeAlias = OneOf[
    "abs",
    "ceiling",
    "floor",
    "round",
    "truncate",
    "sqrt",
    "exp",
    "ln",
    "log",
    "power",
]
Conversion: TypeAlias = OneOf[
    "toBoolean",
    "toInteger",
    "toDecimal",
    "toString",
    "toDate",
    "toDateTime",
    "toTime",
    "toQuantity",
]
FunctionName: TypeAlias = (
    TextFunction
    | NumberFunction
    | Conversion
    | OneOf[
        "converts",
        "add",
        "quantity",
        "magnitude",
        "unit",
        "bound",
        "lowBoundary",
        "highBoundary",
        "precision",
        "getReferenceKey",
        "getValue",
    ]
)
"""Beside the functions of FHIRPath: `converts` asks whether a conversion (its argument) has a result, `add` moves
a date or time by a duration; `quantity` joins a magnitude and a unit, which `magnitude` and `unit` take apart, and
`bound` is the magnitude of a literal quantity (its argument) in a unit."""


@dataclass(frozen=True, slots=True)
class Variable:
    """One item: the resource (`ROOT`), the focus of a select, or an item inside a `Map` or `Filter`."""

    many: ClassVar[bool] = False
    key: str
    type: str


ROOT = "r"
"""The key of the resource."""


@dataclass(frozen=True, slots=True)
class RowIndex:
    """The position of the focus `key` among its siblings, from 0."""

    many: ClassVar[bool] = False
    type: ClassVar[str] = "integer"
    key: str


@dataclass(frozen=True, slots=True)
class Present:
    """Whether the focus `key` of a `forEachOrNull` is an item, not the row of nulls that stands for none."""

    many: ClassVar[bool] = False
    type: ClassVar[str] = "boolean"
    key: str


@dataclass(frozen=True, slots=True)
class Literal:
    """Decimals, dates and times carry their text."""

    many: ClassVar[bool] = False
    type: str
    value: bool | int | str


@dataclass(frozen=True, slots=True)
class Nothing:
    """The empty collection, which still has a type where one was known."""

    type: str
    many: bool = False


@dataclass(frozen=True, slots=True)
class Member:
    """A JSON member of one item."""

    source: Value
    name: str
    type: str
    many: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """A choice element of one item: its JSON member names with their types.

    `certain` where the item was picked because it has the element, so that it is there wherever the item is.
    """

    many: ClassVar[bool] = False
    type: ClassVar[str] = CHOICE
    source: Value
    element: str
    options: tuple[tuple[str, str], ...]
    certain: bool = False


@dataclass(frozen=True, slots=True)
class Map:
    """`body` for each item; empty bodies add nothing, bodies of many items are laid end to end."""

    many: ClassVar[bool] = True
    source: Value
    item: Variable
    body: Value

    @property
    def type(self) -> str:
        return self.body.type


@dataclass(frozen=True, slots=True)
class Filter:
    """The items for which `criteria` is true."""

    many: ClassVar[bool] = True
    source: Value
    item: Variable
    criteria: Value

    @property
    def type(self) -> str:
        return self.source.type


@dataclass(frozen=True, slots=True)
class Guard:
    """`value` where `condition` is true, else nothing."""

    condition: Value
    value: Value

    @property
    def type(self) -> str:
        return self.value.type

    @property
    def many(self) -> bool:
        return self.value.many


@dataclass(frozen=True, slots=True)
class Coalesce:
    """The first option that is there: of the members of a choice there is at most one."""

    type: str
    options: tuple[Value, ...]

    @property
    def many(self) -> bool:
        return any(option.many for option in self.options)


@dataclass(frozen=True, slots=True)
class Pick:
    """The item at an index from 0; -1 is the last."""

    many: ClassVar[bool] = False
    source: Value
    index: int

    @property
    def type(self) -> str:
        return self.source.type


@dataclass(frozen=True, slots=True)
class Single:
    """The only item; more than one is an error at run time, reported under `label`.

    With `valued`, items that have extensions but no value are not counted.
    """

    many: ClassVar[bool] = False
    source: Value
    label: str
    valued: bool = False

    @property
    def type(self) -> str:
        return self.source.type


@dataclass(frozen=True, slots=True)
class Exists:
    """Whether there is an item, or with `negated` whether there is none."""

    many: ClassVar[bool] = False
    type: ClassVar[str] = "boolean"
    source: Value
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Count:
    many: ClassVar[bool] = False
    type: ClassVar[str] = "integer"
    source: Value


@dataclass(frozen=True, slots=True)
class Compare:
    """Two single values of comparable types."""

    many: ClassVar[bool] = False
    type: ClassVar[str] = "boolean"
    operator: CompareOperator
    left: Value
    right: Value


@dataclass(frozen=True, slots=True)
class CompareLists:
    """`=` or `!=` of collections: the same number of items, each equal to its counterpart."""

    many: ClassVar[bool] = False
    type: ClassVar[str] = "boolean"
    left: Value
    right: Value
    negated: bool


@dataclass(frozen=True, slots=True)
class Logic:
    """Kleene's and, or."""

    many: ClassVar[bool] = False
    type: ClassVar[str] = "boolean"
    operator: LogicOperator
    operands: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Not:
    many: ClassVar[bool] = False
    type: ClassVar[str] = "boolean"
    operand: Value


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`type` is integer, or decimal where an operand is or where the operator is `/`."""

    many: ClassVar[bool] = False
    type: str
    operator: ArithmeticOperator
    left: Value
    right: Value


@dataclass(frozen=True, slots=True)
class Negate:
    many: ClassVar[bool] = False
    operand: Value

    @property
    def type(self) -> str:
        return self.operand.type


@dataclass(frozen=True, slots=True)
class Concat:
    """String `+` where `strict` (an empty operand empties the result), else `&`."""

    many: ClassVar[bool] = False
    type: ClassVar[str] = "string"
    operands: tuple[Value, Value]
    strict: bool


@dataclass(frozen=True, slots=True)
class Union:
    """`|`: the distinct items of the operands, in the order of their first occurrence."""

    many: ClassVar[bool] = True
    type: str
    operands: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Join:
    many: ClassVar[bool] = False
    type: ClassVar[str] = "string"
    source: Value
    separator: Value


@dataclass(frozen=True, slots=True)
class Apply:
    """A function of one item and of single arguments; an empty item or argument gives nothing."""

    many: ClassVar[bool] = False
    function: FunctionName
    type: str
    source: Value
    arguments: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class Split:
    """The parts of a text between separators; with the empty separator, its characters."""

    many: ClassVar[bool] = True
    type: ClassVar[str] = "string"
    source: Value
    separator: Value


@dataclass(frozen=True, slots=True)
class Clock:
    """The moment of the run: its `date` (today), `dateTime` (now) or `time` (of the day), in the tenant's zone."""

    many: ClassVar[bool] = False
    type: str


Value: TypeAlias = (
    Variable
    | RowIndex
    | Present
    | Walk
    | Shred
    | Companion
    | Stored
    | Pair
    | Zip
    | PairValues
    | Literal
    | Nothing
    | Member
    | Choice
    | Map
    | Filter
    | Guard
    | Coalesce
    | Pick
    | Single
    | Exists
    | Count
    | Compare
    | CompareLists
    | Logic
    | Not
    | Arithmetic
    | Negate
    | Concat
    | Union
    | Join
    | Apply
    | Position
    | Slice
    | Combine
    | Distinct
    | ComparePairs
    | Alike
    | Identical
    | Choose
    | Equivalent
    | HasValue
    | Total
    | Aggregate
    | Resolved
    | Split
    | Clock
)

TRUE = Literal("boolean", True)
FALSE = Literal("boolean", False)
