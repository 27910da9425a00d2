"""What stands on the items of whole collections: cuts, unions, equality of elements, choices."""

from __future__ import annotations

from lacustre.views.duckdb import sql
from lacustre.views.duckdb.emitter import EMITTERS, Emitter
from lacustre.views.duckdb.equivalence import equivalent, normal_text
from lacustre.views.duckdb.lists import compare_pairs, items_as
from lacustre.views.duckdb.scalars import as_stored, stored_type
from lacustre.views.duckdb.sql import Sql
from lacustre.views.ir import Value
from lacustre.views.items import (
    Aggregate,
    Choose,
    Combine,
    ComparePairs,
    Distinct,
    Equivalent,
    HasValue,
    Identical,
    Slice,
    Total,
)
from lacustre.views.types import kind_of


def _emit_slice(emitter: Emitter, value: Slice) -> Sql:
    end = sql.NULL() if value.end is None else sql.number(value.end)
    if value.end is None:
        return sql.once(
            emitter.items(value.source),
            lambda items: sql.list_slice(items, sql.number(value.start + 1), sql.length_of(items)),
        )
    return sql.list_slice(emitter.items(value.source), sql.number(value.start + 1), end)


def _emit_combine(emitter: Emitter, value: Combine) -> Sql:
    lists = [items_as(emitter, operand, value.type) for operand in value.operands]
    return sql.call("list_concat", *lists) if len(lists) > 1 else lists[0]


def _emit_distinct(emitter: Emitter, value: Distinct) -> Sql:
    """The first occurrences, in order."""
    left, right = value.left.key, value.right.key
    same = emitter.emit(value.same)

    def distinct(of: sql.Reader) -> Sql:
        before = sql.list_slice(of("l"), sql.number(1), sql.arithmetic("-", sql.item("n"), sql.number(1)))
        known = sql.transform(before, right, same)
        repeated = sql.coalesce(sql.call("list_contains", known, sql.TRUE()), sql.FALSE())
        return sql.keep_at(of("l"), left, "n", sql.negate(repeated))

    return sql.let("u", {"l": emitter.items(value.source)}, distinct)


def _emit_compare_pairs(emitter: Emitter, value: ComparePairs) -> Sql:
    first, second = (sql.element(sql.item("z"), position) for position in (1, 2))
    inner = emitter.binding(value.left_item, first).binding(value.right_item, second)
    equal = compare_pairs(emitter, value.left, value.right, inner.emit(value.same))
    return sql.negate(equal) if value.negated else equal


def _emit_identical(emitter: Emitter, value: Identical) -> Sql:
    return sql.identical(emitter.emit(value.left), emitter.emit(value.right))


def _emit_choose(emitter: Emitter, value: Choose) -> Sql:
    condition = emitter.emit(value.condition)
    if value.many:
        then, otherwise = (items_as(emitter, branch, value.type) for branch in (value.then, value.otherwise))
    else:
        branches = (value.then, value.otherwise)
        then, otherwise = (as_stored(branch, emitter.emit(branch), value.type) for branch in branches)
    return sql.case((condition, then), default=otherwise)


def _emit_has_value(emitter: Emitter, value: HasValue) -> Sql:
    return sql.is_not_null(emitter.emit(value.source))


def _emit_equivalent(emitter: Emitter, value: Equivalent) -> Sql:
    if value.left.many:
        sides = (_sorted(emitter, side) for side in (value.left, value.right))
        return sql.identical(*sides)
    left, right = emitter.emit(value.left), emitter.emit(value.right)
    return sql.coalesce(equivalent(value.left, value.right, left, right), sql.FALSE())


def _sorted(emitter: Emitter, value: Value) -> Sql:
    """The items in an order of their own, spelled in one way."""
    items = emitter.items(value)
    if kind_of(value.type) == "text":
        items = sql.transform(items, "i", normal_text(sql.item("i")))
    return sql.call("list_sort", items)


def _emit_aggregate(emitter: Emitter, value: Aggregate) -> Sql:
    stored = stored_type(value.type) or "VARCHAR"
    body = sql.cast_to(as_stored(value.body, emitter.emit(value.body), value.type), stored)
    initial = sql.cast_to(as_stored(value.initial, emitter.emit(value.initial), value.type), stored)
    items = sql.coalesce(emitter.items(value.source), sql.array())
    return sql.reduce(items, value.total.key, value.item.key, body, initial)


EMITTERS.update(
    {
        Slice: _emit_slice,
        Combine: _emit_combine,
        Distinct: _emit_distinct,
        ComparePairs: _emit_compare_pairs,
        Identical: _emit_identical,
        Choose: _emit_choose,
        HasValue: _emit_has_value,
        Equivalent: _emit_equivalent,
        Total: lambda _, value: sql.item(value.key),
        Aggregate: _emit_aggregate,
    }
)
