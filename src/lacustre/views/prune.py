"""Cuts a value down to what a table holds: a path that the table lacks is empty."""

from __future__ import annotations

from collections.abc import Iterable

from lacustre.fhir.shape import Shape
from lacustre.views.folding import fold
from lacustre.views.ir import (
    FALSE,
    TRUE,
    Field,
    Filter,
    Guard,
    Level,
    Map,
    Member,
    Nothing,
    Shred,
    Value,
    Variable,
    Walk,
)
from lacustre.views.rewrite import operands_of, rebuild, rename


class Pruner:
    """Prunes the values of one view; knows below which shape each of its variables stands."""

    def __init__(self, root: str, shape: Shape) -> None:
        self._shapes: dict[str, Shape] = {root: shape}
        self._levels = 0

    def place(self, variable: Variable, source: Value) -> None:
        """Says that a variable stands for the items of a pruned value."""
        self._shapes[variable.key] = self._shape_of(source)

    def prune(self, value: Value) -> Value:
        """`value` over the shape, folded; `Nothing` where it must be empty."""
        match value:
            case Map(source=source, item=item, body=body):
                return self._prune_map(value, self.prune(source), item, body)
            case Filter(source=source, item=item, criteria=criteria):
                return self._prune_filter(value, self.prune(source), item, criteria)
            case Walk():
                return self._expand(value)
            case _:
                pruned = rebuild(value, self.prune)
                if isinstance(pruned, Member) and pruned.name not in self._shape_of(pruned.source):
                    return Nothing(pruned.type, pruned.many)
                return fold(pruned)

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

    def _shape_of(self, value: Value) -> Shape:
        match value:
            case Variable(key=key):
                return self._shapes.get(key, {})
            case Member(source=source, name=name):
                return self._shape_of(source).get(name, {})
            case Map(body=body):
                return self._shape_of(body)
            case Guard(value=guarded):
                return self._shape_of(guarded)
            case Shred(levels=levels):
                return self._record_shape(levels)
            case _:
                shapes = (self._shape_of(operand) for operand in operands_of(value))
                return merge_shapes(shape for shape in shapes if shape)

    def _expand(self, repeat: Walk) -> Value:
        levels = self._levels_of(repeat, repeat.seeds)
        return Shred(levels) if levels else Nothing(repeat.type, many=True)

    def _levels_of(self, repeat: Walk, sources: tuple[Value, ...]) -> tuple[Level, ...]:
        pruned = map(self.prune, sources)
        return tuple(self._level(repeat, source) for source in pruned if not isinstance(source, Nothing))

    def _level(self, repeat: Walk, source: Value) -> Level:
        self._levels += 1
        item = Variable(f"{repeat.item.key}_{self._levels}", repeat.item.type)
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


def merge_shapes(shapes: Iterable[Shape]) -> Shape:
    """The shape that holds whatever one of these holds."""
    merged: dict[str, Shape] = {}
    for shape in shapes:
        for name, below in shape.items():
            merged[name] = merge_shapes((merged[name], below)) if name in merged else below
    return merged
