"""Typed view to sum of products: branches of steps and columns, pruned to the shape of the table.

A branch is what one SELECT can say: filters on the resource, steps that unnest lists one after the other, and
the columns. Unions are multiplied out, so that every union of the view stands at the top.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import product
from typing import TypeAlias, assert_never

from lacustre.fhir.shape import Shape
from lacustre.views.bound import BoundColumn, BoundSelect, BoundView, Each, Repeat, When
from lacustre.views.companions import as_pair, pairs_of, read_pairs_in
from lacustre.views.ir import (
    FALSE,
    ROOT,
    TRUE,
    Exists,
    Guard,
    Literal,
    Logic,
    Not,
    Nothing,
    Present,
    RowIndex,
    Value,
    Variable,
)
from lacustre.views.prune import Pruner
from lacustre.views.rewrite import walk
from lacustre.views.shred import shred_repeat
from lacustre.views.strictness import is_empty_without_focus
from lacustre.views.types import PartialDates, SqlType


@dataclass(frozen=True, slots=True)
class PlannedColumn:
    """`value` is None in a row of nulls; `within` names the focus without which the column is null."""

    name: str
    value: Value | None
    sql: SqlType
    collection: bool
    within: str | None = None


@dataclass(frozen=True, slots=True)
class Unnest:
    """A row for every item of `source`, called `variable`.

    `or_null` keeps the row where there is none; `within` names the focus of an outer `forEachOrNull`, whose
    row of nulls is kept as well. `indexed` and `flagged` say whether `RowIndex` and `Present` are asked for.
    """

    variable: Variable
    source: Value
    or_null: bool
    within: str | None
    indexed: bool = False
    flagged: bool = False


@dataclass(frozen=True, slots=True)
class Keep:
    """Keeps the rows where a condition is true."""

    condition: Value


Step: TypeAlias = Unnest | Keep


@dataclass(frozen=True, slots=True)
class Branch:
    steps: tuple[Step, ...]
    columns: tuple[PlannedColumn, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """Without branches the view is empty. `output` are the columns, whatever the branches hold.

    `partial` is the rule of partial dates.
    """

    resource: str
    where: tuple[Value, ...]
    branches: tuple[Branch, ...]
    output: tuple[BoundColumn, ...]
    partial: PartialDates = "null"


def plan_view(view: BoundView, shape: Shape) -> Plan:
    """The plan of a view over a table of this shape; an empty shape is that of a table that is not there."""
    planner = _Planner(Pruner(ROOT, shape))
    where = tuple(map(planner.prune, view.where))
    empty = not shape or any(condition == FALSE or isinstance(condition, Nothing) for condition in where)
    products = [] if empty else planner.multiply(view.selects, None)
    needed = tuple(condition for condition in where if not isinstance(condition, Literal))
    branches = tuple(_mark_needs(branch) for branch in products)
    return Plan(view.resource, needed, branches, tuple(view.output()), view.typing.partial)


class _Planner:
    """Expands selects into branches. `within` is the focus of the `forEachOrNull` around a select: where that
    focus is a row of nulls, what stands below must keep the row.
    """

    def __init__(self, pruner: Pruner) -> None:
        self._pruner = pruner
        self.prune = pruner.prune

    def multiply(self, selects: Iterable[BoundSelect], within: str | None) -> list[Branch]:
        """The Cartesian product of selects that stand side by side."""
        return _multiplied(self._expand(select, within) for select in selects)

    def _expand(self, select: BoundSelect, within: str | None) -> list[Branch]:
        body = replace(select, iteration=None)
        match select.iteration:
            case None:
                return self._expand_body(body, within)
            case Repeat() as repeat:
                source, records = shred_repeat(repeat, body)
                return self._expand_each(records, Each(repeat.variable, source, or_null=False), within)
            case Each() as each:
                return self._expand_each(body, each, within)
            case When() as when:
                return self._expand_when(body, when, within)
            case _:
                assert_never(select.iteration)

    def _expand_body(self, body: BoundSelect, within: str | None) -> list[Branch]:
        own = [Branch((), tuple(self._column(column, within) for column in body.columns))]
        nested = self.multiply(body.selects, within)
        union = [branch for option in body.union for branch in self._expand(option, within)]
        return _multiplied([own, nested, union] if body.union else [own, nested])

    def _expand_each(self, body: BoundSelect, each: Each, within: str | None) -> list[Branch]:
        if self._pruner.has_companions(each.source):
            body = read_pairs_in(body, each.variable.key)
            each = replace(each, variable=as_pair(each.variable), source=pairs_of(each.source))
        source = self.prune(each.source)
        if isinstance(source, Nothing):
            return [_blank(body)] if each.or_null else _only_blank(body, within)
        self._pruner.place(each.variable, source)
        unnest = Unnest(each.variable, source, each.or_null, within)
        if not each.or_null:
            return [_prefixed(unnest, branch) for branch in self._expand_body(body, within)]
        kept = self._expand_body(body, each.variable.key)
        if len(kept) == 1:
            return [_prefixed(unnest, kept[0])]
        there = self._expand_body(body, None)
        absent = _prefixed(Keep(_or_nulled(Exists(source, negated=True), within)), _blank(body))
        return [*(_prefixed(replace(unnest, or_null=False), branch) for branch in there), absent]

    def _expand_when(self, body: BoundSelect, when: When, within: str | None) -> list[Branch]:
        condition = self.prune(when.condition)
        if condition == TRUE:
            return self._expand_body(body, within)
        if condition == FALSE or isinstance(condition, Nothing):
            return [_blank(body)] if when.or_null else _only_blank(body, within)
        keep = Keep(_or_nulled(condition, within))
        there = [_prefixed(keep, branch) for branch in self._expand_body(body, within)]
        if not when.or_null:
            return there
        absent = Exists(Guard(condition, TRUE), negated=True)
        return [*there, _prefixed(Keep(_or_nulled(absent, within)), _blank(body))]

    def _column(self, column: BoundColumn, within: str | None) -> PlannedColumn:
        value = self.prune(column.value)
        nulled = not column.collection and is_empty_without_focus(value)
        guard = None if nulled or isinstance(value, RowIndex) else within
        return PlannedColumn(column.name, value, column.sql, column.collection, guard)


def _or_nulled(condition: Value, within: str | None) -> Value:
    """`condition`, or true in the row of nulls of the `forEachOrNull` around it."""
    return condition if within is None else Logic("or", (Not(Present(within)), condition))


def _multiplied(factors: Iterable[list[Branch]]) -> list[Branch]:
    return [_joined(combination) for combination in product(*factors)]


def _joined(branches: Iterable[Branch]) -> Branch:
    steps: tuple[Step, ...] = ()
    columns: tuple[PlannedColumn, ...] = ()
    for branch in branches:
        steps += branch.steps
        columns += branch.columns
    return Branch(steps, columns)


def _prefixed(step: Step, branch: Branch) -> Branch:
    return Branch((step, *branch.steps), branch.columns)


def _blank(body: BoundSelect) -> Branch:
    """The row of nulls of an empty `forEachOrNull`, in which `%rowIndex` is 0 (ViewDefinition, Process)."""
    columns = []
    for column in body.output():
        zero = Literal("integer", 0) if isinstance(column.value, RowIndex) else None
        columns.append(PlannedColumn(column.name, zero, column.sql, column.collection))
    return Branch((), tuple(columns))


def _only_blank(body: BoundSelect, within: str | None) -> list[Branch]:
    """What an empty `forEach` leaves: the row of nulls of the `forEachOrNull` around it, if there is one."""
    return [] if within is None else [_prefixed(Keep(Not(Present(within))), _blank(body))]


def _mark_needs(branch: Branch) -> Branch:
    """Notes on each step whether its row index and its presence are asked for further on."""
    parts = [part for column in branch.columns if column.value is not None for part in walk(column.value)]
    flags = {column.within for column in branch.columns if column.within is not None}
    steps: list[Step] = []
    for step in reversed(branch.steps):
        if isinstance(step, Keep):
            parts += walk(step.condition)
            steps.append(step)
            continue
        key = step.variable.key
        indexed = RowIndex(key) in parts
        flagged = key in flags or Present(key) in parts
        steps.append(replace(step, indexed=indexed, flagged=flagged))
        parts += walk(step.source)
        flags |= {step.within} if step.within is not None else set()
    return Branch(tuple(reversed(steps)), branch.columns)
