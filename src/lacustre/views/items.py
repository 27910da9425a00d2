"""The part of the intermediate form that stands on the items of whole collections: cuts, unions, equality.

Two items are compared by a `same`, a value that stands on two variables; of primitives it is a `Compare`, of
elements an `Alike`, which planning takes apart into the members that the table holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from lacustre.fhir.model import FhirModel

if TYPE_CHECKING:
    from lacustre.views.ir import Value, Variable


@dataclass(frozen=True, slots=True)
class Position:
    """`$index`: the position, from 0, of the item `key` of a `Map` or `Filter`."""

    many: ClassVar[bool] = False
    type: ClassVar[str] = "integer"
    key: str


@dataclass(frozen=True, slots=True)
class Slice:
    """The items from one position (from 0) to another, that one excluded; None is the end."""

    many: ClassVar[bool] = True
    source: Value
    start: int
    end: int | None = None

    @property
    def type(self) -> str:
        return self.source.type


@dataclass(frozen=True, slots=True)
class Combine:
    """The items of all operands, in order."""

    many: ClassVar[bool] = True
    type: str
    operands: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Distinct:
    """The items of which none before is the `same`."""

    many: ClassVar[bool] = True
    source: Value
    left: Variable
    right: Variable
    same: Value

    @property
    def type(self) -> str:
        return self.source.type


@dataclass(frozen=True, slots=True)
class ComparePairs:
    """`=` or `!=` of elements: as many items on both sides, each the `same` as its counterpart."""

    many: ClassVar[bool] = False
    type: ClassVar[str] = "boolean"
    left: Value
    right: Value
    left_item: Variable
    right_item: Variable
    same: Value
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Alike:
    """Whether two elements are equal, member by member (FHIRPath §6.1.1)."""

    many: ClassVar[bool] = False
    type: ClassVar[str] = "boolean"
    left: Value
    right: Value
    model: FhirModel


@dataclass(frozen=True, slots=True)
class Identical:
    """Whether two stored values are spelled alike; what is not there is like what is not there."""

    many: ClassVar[bool] = False
    type: ClassVar[str] = "boolean"
    left: Value
    right: Value


@dataclass(frozen=True, slots=True)
class Choose:
    """`then` where the condition is true, else `otherwise`; a `type` for both."""

    type: str
    condition: Value
    then: Value
    otherwise: Value

    @property
    def many(self) -> bool:
        return self.then.many or self.otherwise.many


@dataclass(frozen=True, slots=True)
class Equivalent:
    """`~` of two single values; false where one has no value. Lists are compared in any order."""

    many: ClassVar[bool] = False
    type: ClassVar[str] = "boolean"
    left: Value
    right: Value


@dataclass(frozen=True, slots=True)
class HasValue:
    """Whether a single primitive item has a value, not extensions alone."""

    many: ClassVar[bool] = False
    type: ClassVar[str] = "boolean"
    source: Value


@dataclass(frozen=True, slots=True)
class Total:
    """`$total`: what came of the items before; unlike an item it may be nothing."""

    many: ClassVar[bool] = False
    key: str
    type: str


@dataclass(frozen=True, slots=True)
class Aggregate:
    """`body`, which stands on `item` and `total`, over the items one after the other, from `initial` on."""

    many: ClassVar[bool] = False
    type: str
    source: Value
    item: Variable
    total: Total
    initial: Value
    body: Value


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a Reference of a `container` refers to, of which only what its text tells is known; never put out.

    `target` is the resource type that `ofType` asked for.
    """

    many: ClassVar[bool] = False
    type: ClassVar[str] = "Resource"
    source: Value
    container: Value
    target: str | None = None
