"""The part of the intermediate form that has no counterpart in FHIRPath: records that the compiler makes.

A primitive that may have extensions is worked with as a pair of its value and its companion. The items of a
`repeat` are kept as records of what the view needs of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from lacustre.views.types import RECORD

if TYPE_CHECKING:
    from lacustre.views.ir import Value, Variable


@dataclass(frozen=True, slots=True)
class Companion:
    """What carries the id and the extensions of a primitive item: for `birthDate` the member `_birthDate`."""

    many: ClassVar[bool] = False
    type: ClassVar[str] = "Element"
    source: Value


@dataclass(frozen=True, slots=True)
class Stored:
    """Whether a member is there in the table, be it a value or a companion."""

    many: ClassVar[bool] = False
    type: ClassVar[str] = "boolean"
    source: Value


@dataclass(frozen=True, slots=True)
class Pair:
    """A primitive item with its companion, as a record of `v` and `c`."""

    many: ClassVar[bool] = False
    type: ClassVar[str] = RECORD
    value: Value
    companion: Value


@dataclass(frozen=True, slots=True)
class Zip:
    """The pairs of a repeating primitive and of the list of companions beside it."""

    many: ClassVar[bool] = True
    type: ClassVar[str] = RECORD
    values: Value
    companions: Value


@dataclass(frozen=True, slots=True)
class PairValues:
    """The values of pairs, null where an item has none: unlike in other lists, such a null is an item."""

    many: ClassVar[bool] = True
    type: str
    source: Value


@dataclass(frozen=True, slots=True)
class Field:
    """A named value of a `Shred`."""

    name: str
    value: Value


@dataclass(frozen=True, slots=True)
class Walk:
    """The items of a `repeat`, each as a record of `fields` (which stand on `variable`).

    `seeds` stand on what is around the repeat, `steps` on `item`. Planning turns it into a `Shred`, because
    the columns of a table reach only so deep.
    """

    many: ClassVar[bool] = True
    type: ClassVar[str] = RECORD
    seeds: tuple[Value, ...]
    item: Variable
    steps: tuple[Value, ...]
    variable: Variable
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Level:
    """The items of `source`, each followed by those of `below`, which stand on `item`."""

    source: Value
    item: Variable
    fields: tuple[Field, ...]
    below: tuple[Level, ...] = ()


@dataclass(frozen=True, slots=True)
class Shred:
    """Items of several levels laid end to end in pre-order, as records of one type."""

    many: ClassVar[bool] = True
    type: ClassVar[str] = RECORD
    levels: tuple[Level, ...]
