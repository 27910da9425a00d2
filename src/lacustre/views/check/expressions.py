"""The expressions of a view, each with the value that it was bound to and the JSON paths that it reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lacustre.fhirpath.ast import Expression, child_expressions
from lacustre.views.bound import BoundColumn, BoundSelect, BoundView, Repeat
from lacustre.views.definition import Column, FhirPath, IterationKind, Select, ViewDefinition
from lacustre.views.ir import Value
from lacustre.views.paths import Path, PathReader


@dataclass(frozen=True, slots=True)
class BoundExpression:
    """An expression with the JSON paths that it reads.

    `column` is that of a column's path, with its bound form; `iteration` that of a select's, with the select.
    """

    path: FhirPath
    reads: frozenset[Path]
    column: tuple[Column, BoundColumn] | None = None
    iteration: tuple[IterationKind, Select] | None = None


def written_expressions(view: ViewDefinition) -> Iterator[FhirPath]:
    """Every expression of a view, as it is written."""
    yield from (clause.path for clause in view.where)
    for select in view.selects:
        yield from _written(select)


def _written(select: Select) -> Iterator[FhirPath]:
    if select.iteration is not None:
        yield from select.iteration.paths
    yield from (column.path for column in select.columns)
    for nested in (*select.selects, *select.union):
        yield from _written(nested)


def nodes(tree: Expression) -> Iterator[Expression]:
    """A node and all below it."""
    pending = [tree]
    while pending:
        node = pending.pop()
        yield node
        pending += reversed(child_expressions(node))


def columns_of(view: ViewDefinition) -> Iterator[Column]:
    """Every column of a view, those of each branch of a union included."""
    pending = list(reversed(view.selects))
    while pending:
        select = pending.pop()
        yield from select.columns
        pending += reversed((*select.selects, *select.union))


def bound_expressions(view: ViewDefinition, bound: BoundView) -> Iterator[BoundExpression]:
    """Every expression of a view with what it reads; of a `repeat`, what its first step reads."""
    reader = _Reading()
    for clause, value in zip(view.where, bound.where, strict=True):
        yield BoundExpression(clause.path, reader.of_value(value))
    for select, found in zip(view.selects, bound.selects, strict=True):
        yield from reader.of_select(select, found)


class _Reading(PathReader):
    """Reads one expression after the other."""

    def of_value(self, value: Value) -> frozenset[Path]:
        self.paths = set()
        self.read(value)
        return frozenset(self.paths)

    def of_select(self, select: Select, bound: BoundSelect) -> Iterator[BoundExpression]:
        if select.iteration is not None:
            self.paths = set()
            self.read_iteration(bound.iteration)
            reads = frozenset(self.paths)
            if isinstance(bound.iteration, Repeat):
                reads = frozenset(path for seed in bound.iteration.seeds for path in self.of_value(seed))
            for path in select.iteration.paths[:1]:
                yield BoundExpression(path, reads, iteration=(select.iteration.kind, select))
        for column, found in zip(select.columns, bound.columns, strict=True):
            yield BoundExpression(column.path, self.of_value(found.value), column=(column, found))
        below = zip((*select.selects, *select.union), (*bound.selects, *bound.union), strict=True)
        for nested, nested_bound in below:
            yield from self.of_select(nested, nested_bound)
