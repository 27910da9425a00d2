"""The JSON paths that a view reads."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from lacustre.fhir.shape import Shape
from lacustre.views import types
from lacustre.views.bound import BoundSelect, BoundView, Each, Iteration, Repeat, When
from lacustre.views.ir import ROOT, Coalesce, Filter, Guard, Map, Member, Pick, Single, Value, Variable
from lacustre.views.items import Aggregate, Choose, Combine, ComparePairs, Distinct, Slice
from lacustre.views.records import Companion, Walk
from lacustre.views.rewrite import operands_of

Path: TypeAlias = tuple[str, ...]
_PASSING = (Guard, Pick, Single, Coalesce, Slice, Combine, Choose)
"""What passes its items on from its last operand."""


def required_paths(view: BoundView) -> tuple[str, ...]:
    """The dotted paths of JSON members, sorted, without those that lead to another one."""
    reader = PathReader()
    for condition in view.where:
        reader.read(condition)
    reader.read_selects(view.selects)
    dotted = {".".join(path) for path in reader.paths}
    leading = {path.rpartition(".")[0] for path in dotted}
    return tuple(sorted(dotted - leading))


def place_of_focus(view: BoundView) -> Path:
    """The path at which the items of the first select's iteration stand."""
    reader = PathReader()
    iteration = view.selects[0].iteration
    return reader.read(iteration.source) if isinstance(iteration, Each) else ()


def shape_at(path: Path, shape: Shape) -> Shape:
    """The shape below a path; an empty one where the path is not there."""
    for name in path:
        shape = shape.get(name, {})
    return shape


class PathReader:
    """Collects paths; knows at which path each variable stands."""

    def __init__(self) -> None:
        self._places: dict[str, Path] = {ROOT: ()}
        self.paths: set[Path] = set()

    def read_selects(self, selects: Iterable[BoundSelect]) -> None:
        for select in selects:
            self.read_iteration(select.iteration)
            for column in select.columns:
                self.read(column.value)
            self.read_selects((*select.selects, *select.union))

    def read_iteration(self, iteration: Iteration | None) -> None:
        """What a select runs over, which its columns stand on."""
        match iteration:
            case Each(variable=variable, source=source):
                self._places[variable.key] = self.read(source)
            case Repeat(variable=variable, seeds=seeds, item=item, steps=steps):
                places = [self.read(seed) for seed in seeds]
                self._places[item.key] = self._places[variable.key] = places[0]
                for step in steps:
                    self.read(step)
            case When(condition=condition):
                self.read(condition)
            case None:
                pass

    def read(self, value: Value) -> Path:
        """The path at which a value's items stand, after noting every path that it reads."""
        match value:
            case Variable(key=key):
                found = self._places.get(key, ())
            case Member(source=Variable(type=types.RECORD) as record):
                found = self.read(record)
            case Member(source=source, name=name):
                path = (*self.read(source), name)
                self.paths.add(path)
                found = path
            case Companion(source=source):
                place = self._place_of(source)
                found = (*place[:-1], f"_{place[-1]}") if place else ()  # a literal has no companion
            case Map(source=source, item=item, body=body):
                found = self._read_mapped(source, item, body)
            case Walk():
                found = self._read_walk(value)
            case Distinct() | ComparePairs() | Aggregate():
                found = self._read_items(value)
            case Filter(source=source, item=item, criteria=criteria):
                self._places[item.key] = place = self.read(source)
                self.read(criteria)
                found = place
            case _:
                found = self._read_operands(value)
        return found

    def _read_mapped(self, source: Value, item: Variable, body: Value) -> Path:
        """What is made of each item of a source; where its items come from several places, of each place."""
        return [self._read_on(item, origin, body) for origin in self._origins(source)][-1]

    def _origins(self, value: Value) -> tuple[Value, ...]:
        """The collections of which one has all the items of a value."""
        match value:
            case Combine(operands=operands):
                return tuple(origin for operand in operands for origin in self._origins(operand))
            case Choose(condition=condition, then=then, otherwise=otherwise):
                self.read(condition)
                return (*self._origins(then), *self._origins(otherwise))
            case Distinct(source=source) | Slice(source=source):
                return self._origins(source)
            case _:
                return (value,)

    def _read_on(self, item: Variable, source: Value, body: Value) -> Path:
        """As `read`, of what is made of each item of a source."""
        self._places[item.key] = self.read(source)
        return self.read(body)

    def _read_items(self, value: Distinct | ComparePairs | Aggregate) -> Path:
        """What compares items with each other reads all of them."""
        match value:
            case Distinct(source=source):
                return self.read(source)
            case ComparePairs(left=left, right=right, left_item=item):
                self._read_on(item, left, right)
            case Aggregate(source=source, item=item, initial=initial, body=body):
                self._read_on(item, source, body)
                self.read(initial)
        return ()

    def _read_walk(self, value: Walk) -> Path:
        places = [self.read(seed) for seed in value.seeds]
        self._places[value.item.key] = self._places[value.variable.key] = places[0]
        for part in (*value.steps, *(field.value for field in value.fields)):
            self.read(part)
        return places[0]

    def _place_of(self, value: Value) -> Path:
        """As `read`; of a member itself nothing is noted, for only what is beside it is read."""
        if isinstance(value, Member):
            return (*self.read(value.source), value.name)
        return self.read(value)

    def _read_operands(self, value: Value) -> Path:
        """The operand that gives a value its place stands last."""
        places = [self.read(operand) for operand in operands_of(value)]
        return places[-1] if places and isinstance(value, _PASSING) else ()
