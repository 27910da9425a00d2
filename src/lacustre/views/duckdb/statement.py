"""Plan to SQL statement.

A branch is a chain of subqueries, each with the alias `r`: the innermost reads the table, each further one
unnests a list in its SELECT list and so adds the focus (`e_1`) and what is asked of it, its position (`i_1`)
and its presence (`p_1`), as columns. No subquery is correlated, so DuckDB never plans a delimiter join. Around
them stand the subqueries of columns whose values may not fit their type (see `columns`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from sqlglot import exp

from lacustre.views.duckdb import clock as _clock  # noqa: F401  # fills the registry
from lacustre.views.duckdb import functions as _functions  # noqa: F401  # fills the registry
from lacustre.views.duckdb import items as _items  # noqa: F401  # fills the registry
from lacustre.views.duckdb import sql
from lacustre.views.duckdb.columns import (
    MISFITS,
    MISFITS_TYPE,
    EmittedColumn,
    converted,
    converted_once,
    emit_column,
    misfits_of,
    null_column,
)
from lacustre.views.duckdb.emitter import TABLE, Emitter, holds_nulls, is_stored
from lacustre.views.duckdb.lists import record_of
from lacustre.views.duckdb.scalars import index_name, presence_name
from lacustre.views.duckdb.sql import Sql
from lacustre.views.ir import ROOT, Pick, Present, RowIndex, Value, Variable
from lacustre.views.plan import Branch, Keep, Plan, PlannedColumn, Unnest
from lacustre.views.records import Level, Shred
from lacustre.views.rewrite import walk
from lacustre.views.shared import share_items

LINEAGE_TYPES = {
    "lake_resource": "VARCHAR",
    "lake_patient_key": "BIGINT",
    "lake_source": "STRUCT(file VARCHAR, line BIGINT)",
}
"""The hidden columns of a view that is built with its lineage; `lake_misfits` comes after them where there is one."""


@dataclass(slots=True)
class _Layer:
    """One subquery: conditions on what it reads, and columns that it adds."""

    where: list[Sql] = field(default_factory=list)
    added: list[Sql] = field(default_factory=list)


def build_statement(plan: Plan, *, lineage: bool, misfits: bool = False, schema: str = "fhir") -> exp.Query:
    """The SELECT of a plan over `<schema>."<Type>"`; with `misfits`, the names of columns whose value did not fit."""
    if not plan.branches:
        return _empty_select(plan, lineage=lineage, misfits=misfits)
    first, *others = (
        _Builder(plan, branch, schema).select(lineage=lineage, misfits=misfits) for branch in plan.branches
    )
    statement: exp.Query = first
    for other in others:
        statement = exp.Union(this=statement, expression=other, distinct=False)
    return statement


def _empty_select(plan: Plan, *, lineage: bool, misfits: bool) -> exp.Select:
    columns = [_named(null_column(column.sql, collection=column.collection), column.name) for column in plan.output]
    hidden = (LINEAGE_TYPES if lineage else {}) | ({MISFITS: MISFITS_TYPE} if misfits else {})
    columns += [_named(sql.cast_to(sql.NULL(), type_), name) for name, type_ in hidden.items()]
    return _select(columns, None, [sql.FALSE()])


class _Builder:
    """Lays the steps of one branch out in layers."""

    def __init__(self, plan: Plan, branch: Branch, schema: str) -> None:
        self._plan, self._schema = plan, schema
        self._branch = branch
        self._emitter = Emitter()
        self._layers = [_Layer(where=[self._emitter.emit(condition) for condition in plan.where])]
        self._defined = {ROOT: -1}
        self._pending: list[Sql] = []

    def select(self, *, lineage: bool, misfits: bool) -> exp.Select:
        for step in self._branch.steps:
            if isinstance(step, Keep):
                self._pending.append(self._emitter.emit(step.condition))
            else:
                self._unnest(step)
        columns = [emit_column(self._emitter, column, self._plan.partial) for column in self._shared()]
        if not misfits:
            columns = [converted_once(column) for column in columns]
        sources = [_named(column.value, column.source) for column in columns]
        fit = all(column.conversion is None for column in columns)
        notes = [_named(misfits_of(columns), MISFITS)] if misfits and fit else []
        select = self._nested([*sources, *(self._lineage() if lineage else []), *notes])
        if fit:
            return select
        hidden = tuple(LINEAGE_TYPES) if lineage else ()
        return _with_misfits(select, columns, hidden) if misfits else _with_values(select, columns, hidden)

    def _shared(self) -> list[PlannedColumn]:
        """The columns; items that several of them read from become columns of a subquery."""
        columns = self._branch.columns
        values, items = share_items([column.value for column in columns])
        if items:
            self._add_layer({name: self._emitter.emit(item) for name, item in items.items()})
        return [replace(column, value=value) for column, value in zip(columns, values, strict=True)]

    def _nested(self, columns: list[Sql]) -> exp.Select:
        source: Sql = exp.Table(this=sql.name(self._plan.resource), db=exp.to_identifier(self._schema), alias=_alias())
        conditions: list[Sql] = []
        for layer in self._layers:
            conditions += layer.where
            if layer.added:
                inner = _select([_everything(), *layer.added], source, conditions)
                source, conditions = exp.Subquery(this=inner, alias=_alias()), []
        return _select(columns, source, conditions + self._pending)

    def _unnest(self, step: Unnest) -> None:
        key = step.variable.key
        present = self._presence_of(step)
        if step.or_null and not step.source.many:
            value = self._emitter.emit(step.source)
            added = {key: value}
            here = sql.is_not_null(value)
            if step.indexed:
                added[index_name(key)] = sql.number(0)
        else:
            items = self._list_of(step)
            here = sql.compare(">", sql.length_of(items), sql.number(0))
            added = {key: sql.call("unnest", _padded(step, items, present, sql.NULL()))}
            if step.indexed:
                positions = sql.call("range", sql.length_of(items))
                added[index_name(key)] = sql.call("unnest", _padded(step, positions, present, sql.number(0)))
        if step.flagged:
            added[presence_name(key)] = sql.is_true(here if present is None else sql.all_of(present, here))
        self._add_layer(added)
        self._defined[key] = len(self._layers) - 1

    def _presence_of(self, step: Unnest) -> Sql | None:
        return None if step.within is None else sql.column(presence_name(step.within), TABLE)

    def _add_layer(self, added: dict[str, Sql]) -> None:
        columns = [_named(value, name) for name, value in added.items()]
        self._layers.append(_Layer(where=self._pending, added=columns))
        self._pending = []

    def _list_of(self, step: Unnest) -> Sql:
        """The list to unnest; one that is named more than once is worked out beforehand."""
        source = step.source
        found = self._items_of(source, ordered=step.indexed)
        once = not (step.or_null or step.within or step.indexed or step.flagged)
        if once or (is_stored(source) and not holds_nulls(source)):
            return found
        name = f"l{step.variable.key.removeprefix('e')}"
        self._add_early(source, found, name)
        return sql.column(name, TABLE)

    def _items_of(self, source: Value, *, ordered: bool) -> Sql:
        match source:
            case Pick():
                return self._slice(source)
            case Shred(levels=levels) if not ordered and any(level.below for level in levels):
                records = list(self._records_of(levels, None))
                return sql.call("list_concat", *records)
            case _:
                return self._emitter.items(source)

    def _records_of(self, levels: Iterable[Level], above: Level | None) -> Iterator[Sql]:
        """The records of each level, where their order does not matter.

        The items of a level are a column, made of that of the level above: lambdas inside lambdas would copy the
        records of a level once more for each level above it.
        """
        for level in levels:
            items = self._emitter.items(level.source)
            if above is not None:
                items = sql.call("flatten", sql.transform(_items_column(above), above.item.key, items))
            self._defined[level.item.key] = self._add_early(level.source, items, _items_name(level))
            yield sql.transform(_items_column(level), level.item.key, record_of(self._emitter, level))
            yield from self._records_of(level.below, level)

    def _slice(self, source: Pick) -> Sql:
        """The list of one item, cut out rather than taken out and wrapped again."""
        position = source.index + 1 if source.index >= 0 else source.index
        return sql.slice_of(self._emitter.items(source.source), position)

    def _add_early(self, source: Value, found: Sql, name: str) -> int:
        """Adds a column to the first layer that knows all that `source` stands on; returns the layer's number."""
        keys = {part.key for part in walk(source) if isinstance(part, Variable | RowIndex | Present)}
        known = max((self._defined.get(key, -1) for key in keys), default=-1) + 1
        if known == len(self._layers):
            self._layers.append(_Layer())
        self._layers[known].added.append(_named(found, name))
        return known

    def _lineage(self) -> list[Sql]:
        resource = sql.concat(sql.text(f"{self._plan.resource}/"), sql.column("id", TABLE))
        values = (resource, sql.column("lake_patient_key", TABLE), sql.column("lake_source", TABLE))
        return [_named(value, name) for name, value in zip(LINEAGE_TYPES, values, strict=True)]


def _items_name(level: Level) -> str:
    return f"l{level.item.key.removeprefix('x')}"


def _items_column(level: Level) -> Sql:
    return sql.column(_items_name(level), TABLE)


def _with_values(select: exp.Select, columns: Sequence[EmittedColumn], hidden: Sequence[str]) -> exp.Select:
    """The rows of a select, its texts converted."""
    values = [_named(converted(column), column.name) for column in columns]
    return _select([*values, *map(_read, hidden)], exp.Subquery(this=select, alias=_alias()), [])


def _with_misfits(select: exp.Select, columns: Sequence[EmittedColumn], hidden: Sequence[str]) -> exp.Select:
    """The rows of a select, its texts converted once and compared with what came of them."""
    values = [_named(converted(column), column.name) for column in columns if column.conversion is not None]
    inner = _select([_everything(), *values], exp.Subquery(this=select, alias=_alias()), [])
    names = [*(column.name for column in columns), *hidden]
    notes = _named(misfits_of(columns), MISFITS)
    return _select([*map(_read, names), notes], exp.Subquery(this=inner, alias=_alias()), [])


def _read(name: str) -> Sql:
    return _named(sql.column(name, TABLE), name)


def _everything() -> Sql:
    return exp.Column(this=exp.Star(), table=exp.to_identifier(TABLE))


def _padded(step: Unnest, items: Sql, present: Sql | None, padding: Sql) -> Sql:
    """A list that has an element where a row of nulls is to be kept."""
    pad = sql.array(padding)
    if step.or_null:
        there = sql.compare(">", sql.length_of(items), sql.number(0))
        return sql.case((there if present is None else sql.all_of(present, there), items), default=pad)
    return items if present is None else sql.case((present, items), default=pad)


def _alias() -> exp.TableAlias:
    return exp.TableAlias(this=exp.to_identifier(TABLE))


def _named(value: Sql, name: str) -> Sql:
    return exp.Alias(this=value, alias=sql.name(name))


def _select(columns: Iterable[Sql], source: Sql | None, conditions: list[Sql]) -> exp.Select:
    select = exp.Select(expressions=list(columns))
    if source is not None:
        select.set("from_", exp.From(this=source))
    if conditions:
        select.set("where", exp.Where(this=sql.all_of(*conditions)))
    return select
