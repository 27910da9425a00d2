"""The JSON paths that a view reads."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from lacustre.views.bound import BoundSelect, BoundView, Each, Repeat, When
from lacustre.views.ir import ROOT, Coalesce, Filter, Guard, Map, Member, Pick, Single, Value, Variable
from lacustre.views.records import Companion
from lacustre.views.rewrite import operands_of

Path: TypeAlias = tuple[str, ...]


def required_paths(view: BoundView) -> tuple[str, ...]:
    """The dotted paths of JSON members, sorted, without those that lead to another one."""
    reader = _Reader()
    for condition in view.where:
        reader.read(condition)
    reader.read_selects(view.selects)
    dotted = {".".join(path) for path in reader.paths}
    leading = {path.rpartition(".")[0] for path in dotted}
    return tuple(sorted(dotted - leading))


class _Reader:
    """Collects paths; knows at which path each variable stands."""

    def __init__(self) -> None:
        self._places: dict[str, Path] = {ROOT: ()}
        self.paths: set[Path] = set()

    def read_selects(self, selects: Iterable[BoundSelect]) -> None:
        for select in selects:
            match select.iteration:
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
            for column in select.columns:
                self.read(column.value)
            self.read_selects((*select.selects, *select.union))

    def read(self, value: Value) -> Path:
        """The path at which a value's items stand, after noting every path that it reads."""
        match value:
            case Variable(key=key):
                return self._places.get(key, ())
            case Member(source=source, name=name):
                path = (*self.read(source), name)
                self.paths.add(path)
                return path
            case Companion(source=source):
                *above, name = self._place_of(source)
                return (*above, f"_{name}")
            case Map(source=source, item=item, body=body):
                self._places[item.key] = self.read(source)
                return self.read(body)
            case Filter(source=source, item=item, criteria=criteria):
                self._places[item.key] = place = self.read(source)
                self.read(criteria)
                return place
            case _:
                return self._read_operands(value)

    def _place_of(self, value: Value) -> Path:
        """As `read`; of a member itself nothing is noted, for only what is beside it is read."""
        if isinstance(value, Member):
            return (*self.read(value.source), value.name)
        return self.read(value)

    def _read_operands(self, value: Value) -> Path:
        """The operand that gives a value its place stands last."""
        places = [self.read(operand) for operand in operands_of(value)]
        return places[-1] if places and isinstance(value, Guard | Pick | Single | Coalesce) else ()
