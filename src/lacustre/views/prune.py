"""Cuts a value down to what a table holds: a path that the table lacks is empty."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from lacustre.fhir.shape import CONTAINED, Shape
from lacustre.views.alike import elements_alike
from lacustre.views.companions import as_pair, companion_member, is_primitive, pairs_of, read_pairs
from lacustre.views.folding import fold
from lacustre.views.ir import (
    FALSE,
    ROOT,
    TRUE,
    Apply,
    Coalesce,
    CompareLists,
    Count,
    Exists,
    Filter,
    Guard,
    Literal,
    Logic,
    Map,
    Member,
    Not,
    Nothing,
    Pick,
    Single,
    Union,
    Value,
    Variable,
)
from lacustre.views.items import Aggregate, Alike, Choose, Combine, ComparePairs, Distinct, Slice
from lacustre.views.records import Companion, Field, Level, Pair, PairValues, Shred, Stored, Walk, Zip
from lacustre.views.rewrite import operands_of, rebuild, rename
from lacustre.views.types import RECORD

MAX_LEVELS = 1_000
"""Levels that the repeats of a view may come to: two paths over a table that is 14 deep come to 16,000."""


class TooManyLevelsError(Exception):
    """The paths of a `repeat` lead to more places of the table than SQL should name."""


class Pruner:
    """Prunes the values of one view; knows below which shape each of its variables stands."""

    def __init__(self, root: str, shape: Shape) -> None:
        self._shapes: dict[str, Shape] = {root: shape}
        self._levels = 0

    def place(self, variable: Variable, source: Value) -> None:
        """Says that a variable stands for the items of a value."""
        self._shapes[variable.key] = self._shape_of(source)

    def prune(self, value: Value) -> Value:
        """`value` over the shape, folded; `Nothing` where it must be empty."""
        paired = self._put_in_pairs(value)
        if paired is not None:
            return self.prune(paired)
        found: Value
        match value:
            case Map(source=source, item=item, body=body):
                found = self._prune_map(value, self.prune(source), item, body)
            case Filter(source=source, item=item, criteria=criteria):
                found = self._prune_filter(value, self.prune(source), item, criteria)
            case Walk():
                found = self._expand(value)
            case Distinct() | ComparePairs() | Aggregate():
                found = self._prune_items(value)
            case Alike():
                found = self.prune(self._alike(value))
            case _:
                found = self._prune_operands(value)
        return found

    def _prune_operands(self, value: Value) -> Value:
        pruned = rebuild(value, self.prune)
        if isinstance(pruned, Member) and pruned.name not in self._shape_of(pruned.source):
            return Nothing(pruned.type, pruned.many)
        if isinstance(pruned, Apply) and pruned.function == "getReferenceKey" and not self._holds_contained:
            return replace(pruned, arguments=tuple(filter(_names_no_container, pruned.arguments)))
        return fold(pruned)

    @property
    def _holds_contained(self) -> bool:
        """Whether there may be contained resources for local references to lead to, which costs some planning."""
        return CONTAINED in self._shapes[ROOT]

    def has_companions(self, value: Value) -> bool:
        """Whether the table holds companions beside the items of a primitive value."""
        if not is_primitive(value):
            return False
        match value:
            case Member(source=source):
                found = companion_member(value).name in self._shape_of(source)
            case Map(source=source, item=item, body=body):
                self.place(item, source)
                found = self.has_companions(body)
            case Filter(source=source) | Pick(source=source) | Slice(source=source):
                found = self.has_companions(source)
            case Single(source=source) | Guard(value=source):
                found = self.has_companions(source)
            case Coalesce(options=options) | Combine(operands=options) | Union(operands=options):
                found = any(map(self.has_companions, options))
            case Choose(then=then, otherwise=otherwise):
                found = self.has_companions(then) or self.has_companions(otherwise)
            case _:
                found = False
        return found

    def _put_in_pairs(self, value: Value) -> Value | None:
        """`value` in terms of pairs where it asks for items that may have companions, else None."""
        match value:
            case Companion(source=source):
                return self._companion_of(source)
            case Map() | Filter() | Exists() | Count() | Pick() | Slice() | Aggregate() | Single(valued=False):
                return self._pair_source(value) if self.has_companions(value.source) else None
            case CompareLists(left=left, right=right) if any(map(self._is_paired_list, (left, right))):
                return rebuild(value, lambda side: self._pair_values(side) if side.many else side)
            case Union(operands=operands) if any(map(self.has_companions, operands)):
                return rebuild(value, self._pair_values)
            case _:
                return None

    def _pair_source(self, value: Map | Filter | Exists | Count | Pick | Slice | Aggregate | Single) -> Value:
        pairs = pairs_of(value.source)
        found: Value
        match value:
            case Map(item=item, body=body):
                found = Map(pairs, as_pair(item), read_pairs(body, item.key))
            case Filter(item=Variable(key=key)):
                found = _values_of(pairs_of(value), f"{key}_v", value.type)
            case Aggregate(item=item, body=body):
                found = replace(value, source=pairs, item=as_pair(item), body=read_pairs(body, item.key))
            case Slice():
                found = _values_of(pairs_of(value), f"x_s{value.start}", value.type)
            case Pick() | Single():
                found = Member(replace(value, source=pairs), "v", value.type)
            case Exists(negated=negated) if isinstance(pairs, Zip):
                there = Logic("or", (Stored(pairs.values), Stored(pairs.companions)))
                found = Not(there) if negated else there
            case Exists() | Count():
                found = replace(value, source=pairs)
        return found

    def _companion_of(self, source: Value) -> Value:
        match source:
            case Member():
                return companion_member(source)
            case Guard(condition=condition, value=guarded):
                return Guard(condition, Companion(guarded))
            case Choose(condition=condition, then=then, otherwise=otherwise):
                return Choose("Element", condition, Companion(then), Companion(otherwise))
            case Pick() | Single() if self.has_companions(source):
                return Member(pairs_of(source), "c", "Element")
            case _:
                return Nothing("Element")

    def _is_paired_list(self, value: Value) -> bool:
        return value.many and self.has_companions(value)

    def _pair_values(self, value: Value) -> Value:
        return PairValues(value.type, pairs_of(value)) if self.has_companions(value) else value

    def _prune_map(self, value: Map, source: Value, item: Variable, body: Value) -> Value:
        self.place(item, source)
        pruned = self.prune(body)
        if isinstance(source, Nothing) or isinstance(pruned, Nothing):
            return Nothing(value.type, many=True)
        return Map(source, item, pruned)

    def _prune_filter(self, value: Filter, source: Value, item: Variable, criteria: Value) -> Value:
        self.place(item, source)
        pruned = self.prune(criteria)
        if pruned == TRUE:
            return source
        if isinstance(source, Nothing) or isinstance(pruned, Nothing) or pruned == FALSE:
            return Nothing(value.type, many=True)
        return Filter(source, item, pruned)

    def _prune_items(self, value: Distinct | ComparePairs | Aggregate) -> Value:
        """What stands on pairs of items, or on items one after the other."""
        match value:
            case Distinct(source=source):
                pruned = self.prune(source)
                self.place(value.left, pruned)
                self.place(value.right, pruned)
                return fold(replace(value, source=pruned, same=self.prune(value.same)))
            case ComparePairs():
                left, right = self.prune(value.left), self.prune(value.right)
                self.place(value.left_item, left)
                self.place(value.right_item, right)
                return fold(replace(value, left=left, right=right, same=self.prune(value.same)))
            case Aggregate(source=source):
                pruned = self.prune(source)
                self.place(value.item, pruned)
                body, initial = self.prune(value.body), self.prune(value.initial)
                return fold(replace(value, source=pruned, body=body, initial=initial))

    def _alike(self, value: Alike) -> Value:
        """The equality of two elements, by the members that the table has."""
        left, right = value.left, value.right
        shapes = self._shape_of(left), self._shape_of(right)
        return elements_alike(value, shapes, self._new_pair)

    def _new_pair(self, type_: str) -> tuple[Variable, Variable]:
        self._levels += 1
        return Variable(f"x_a{self._levels}", type_), Variable(f"x_b{self._levels}", type_)

    def _shape_of(self, value: Value) -> Shape:
        match value:
            case Variable(key=key):
                return self._shapes.get(key, {})
            case Member(source=source, name=name):
                return self._shape_of(source).get(name, {})
            case Map(source=source, item=item, body=body):
                self.place(item, source)
                return self._shape_of(body)
            case Pair(companion=companion) | Zip(companions=companion):
                return {"v": {}, "c": self._shape_of(companion)}
            case Shred(levels=levels):
                return self._record_shape(levels)
            case _:
                return merge_shapes(map(self._shape_of, _passed_on(value)))

    def _expand(self, repeat: Walk) -> Value:
        levels = self._levels_of(repeat, repeat.seeds)
        return Shred(levels) if levels else Nothing(repeat.type, many=True)

    def _levels_of(self, repeat: Walk, sources: tuple[Value, ...]) -> tuple[Level, ...]:
        levels: list[Level] = []
        for source in sources:
            paired = self.has_companions(source)
            pruned = self.prune(pairs_of(source) if paired else source)
            if not isinstance(pruned, Nothing):
                levels.append(self._level(_read_from_pairs(repeat) if paired else repeat, pruned))
        return tuple(levels)

    def _level(self, repeat: Walk, source: Value) -> Level:
        self._levels += 1
        if self._levels > MAX_LEVELS:
            raise TooManyLevelsError
        item = Variable(f"{repeat.item.key}_{self._levels}", source.type)
        self.place(item, source)
        fields = tuple(
            Field(field.name, self.prune(rename(field.value, repeat.variable.key, item.key))) for field in repeat.fields
        )
        steps = tuple(rename(step, repeat.item.key, item.key) for step in repeat.steps)
        return Level(source, item, fields, self._levels_of(repeat, steps))

    def _record_shape(self, levels: tuple[Level, ...]) -> Shape:
        """What the records of these levels hold: the fields that are there on some level."""
        shapes: list[Shape] = []
        for level in levels:
            there = (field for field in level.fields if not isinstance(field.value, Nothing))
            shapes += [{field.name: self._shape_of(field.value) for field in there}]
            shapes += [self._record_shape(level.below)]
        return merge_shapes(shapes)


def _values_of(pairs: Value, key: str, type_: str) -> Value:
    pair = Variable(key, RECORD)
    return Map(pairs, pair, Member(pair, "v", type_))


def _names_no_container(argument: Value) -> bool:
    return not (isinstance(argument, Literal) and argument.type == "uri")


def _passed_on(value: Value) -> Iterable[Value]:
    """The operands whose items the value has: not the conditions."""
    match value:
        case Guard(value=guarded):
            return (guarded,)
        case Filter(source=source) | Distinct(source=source):
            return (source,)
        case Choose(then=then, otherwise=otherwise):
            return (then, otherwise)
        case _:
            return operands_of(value)


def _read_from_pairs(repeat: Walk) -> Walk:
    key = repeat.variable.key
    fields = tuple(Field(field.name, read_pairs(field.value, key)) for field in repeat.fields)
    return replace(repeat, variable=as_pair(repeat.variable), fields=fields)


def merge_shapes(shapes: Iterable[Shape]) -> Shape:
    """The shape that holds whatever one of these holds."""
    merged: dict[str, Shape] = {}
    for shape in shapes:
        for name, below in shape.items():
            merged[name] = merge_shapes((merged[name], below)) if name in merged else below
    return merged
