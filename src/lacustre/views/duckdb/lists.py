"""Collections: mapping and filtering, and what makes one value of many."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from lacustre.views.duckdb import sql
from lacustre.views.duckdb.emitter import EMITTERS, Emitter, holds_nulls, is_stored
from lacustre.views.duckdb.scalars import compare, stored_type
from lacustre.views.duckdb.sql import Sql
from lacustre.views.ir import (
    CompareLists,
    Count,
    Exists,
    Filter,
    Guard,
    Join,
    Literal,
    Map,
    Member,
    Nothing,
    Pick,
    RowIndex,
    Single,
    Union,
    Value,
    Variable,
)
from lacustre.views.items import Position
from lacustre.views.records import Field, Level, Pair, PairValues, Shred, Zip
from lacustre.views.rewrite import walk
from lacustre.views.types import RECORD, kind_of

FAULT_PREFIX = "LACUSTRE:"
"""Begins the message of every error that compiled SQL raises on purpose."""


def _emit_map(emitter: Emitter, value: Map) -> Sql:
    mapped = _mapped(emitter, value.source, value.item, value.body)
    return sql.call("flatten", mapped) if value.body.many else mapped


def _mapped(emitter: Emitter, source: Value, item: Variable, body: Value) -> Sql:
    """A list with what is made of each item."""
    items, made = emitter.items(source), emitter.emit(body)
    if _is_indexed(body, item):
        return sql.transform_at(items, item.key, position_name(item.key), made)
    return sql.transform(items, item.key, made)


def _is_indexed(body: Value, item: Variable) -> bool:
    """Whether something asks for the position of an item."""
    return any(isinstance(part, Position) and part.key == item.key for part in walk(body))


def position_name(key: str) -> str:
    """The second parameter of a lambda over the items `key`."""
    return f"{key}_n"


def _emit_position(_: Emitter, value: Position) -> Sql:
    from_one = sql.item(position_name(value.key))
    return sql.cast_to(sql.arithmetic("-", from_one, sql.number(1)), "INTEGER")


def _emit_filter(emitter: Emitter, value: Filter) -> Sql:
    criteria = emitter.emit(value.criteria)
    if _is_indexed(value.criteria, value.item):
        key = value.item.key
        return sql.keep_at(emitter.items(value.source), key, position_name(key), criteria)
    if holds_nulls(value.source):
        criteria = sql.all_of(sql.is_not_null(sql.item(value.item.key)), criteria)
    return sql.keep(emitter.emit(value.source), value.item.key, criteria)


def _emit_pick(emitter: Emitter, value: Pick) -> Sql:
    short = _short(emitter, value.source) if value.index == 0 else None
    general = _pick(emitter, value)
    if short is None:
        return general
    condition, body, inner = short
    return sql.case((condition, inner.emit(Pick(body, 0) if body.many else body)), default=general)


def _pick(emitter: Emitter, value: Pick) -> Sql:
    if value.index == 0 and holds_nulls(value.source) and kind_of(value.type) != "complex":
        return sql.aggregate(emitter.emit(value.source), "any_value")
    position = value.index + 1 if value.index >= 0 else value.index
    return sql.element(emitter.items(value.source), position)


def _short(emitter: Emitter, value: Value) -> tuple[Sql, Value, Emitter] | None:
    """For a stored list that is mapped: that it has one item at most, the body, and what emits it for that item.

    Most lists in FHIR data are of one item, and reading that is cheaper than building another list.
    """
    if not isinstance(value, Map) or not is_stored(value.source) or holds_nulls(value.source):
        return None
    if _is_indexed(value.body, value.item):
        return None
    source = emitter.emit(value.source)
    condition = sql.compare("<=", sql.length_of(source), sql.number(1))
    return condition, value.body, emitter.binding(value.item, sql.element(source, 1))


def _emit_single(emitter: Emitter, value: Single) -> Sql:
    fault = sql.fail(f"{FAULT_PREFIX}{value.label} yields several values where one is allowed")
    found = emitter.values(value.source) if value.valued else emitter.items(value.source)
    return _at_most_one(emitter, value.source, found, fault, lambda item: item)


def _at_most_one(emitter: Emitter, value: Value, found: Sql, several: Sql, one: Callable[[Sql], Sql]) -> Sql:
    """`one` of the only item of a collection (null where there is none), `several` where there are more.

    `found` is the list of its items.
    """
    general = sql.once(found, lambda items: _one_of(items, several, one))
    short = _short(emitter, value)
    if short is None:
        return general
    condition, body, inner = short
    only = one(inner.emit(body))
    if body.many:
        only = _at_most_one(inner, body, inner.items(body), several, one)
    return sql.case((condition, only), default=general)


def _one_of(items: Sql, several: Sql, one: Callable[[Sql], Sql]) -> Sql:
    surplus = sql.compare(">", sql.length_of(items), sql.number(1))
    return sql.case((surplus, several), default=one(sql.element(items, 1)))


def _emit_compare_lists(emitter: Emitter, value: CompareLists) -> Sql:
    if value.left.many and value.right.many:
        equal = _compare_pairwise(emitter, value.left, value.right)
        return sql.negate(equal) if value.negated else equal
    operator = "!=" if value.negated else "="
    many, single = (value.left, value.right) if value.left.many else (value.right, value.left)
    other = emitter.emit(single)
    different: Sql = sql.TRUE() if value.negated else sql.FALSE()
    if not isinstance(single, Literal):
        different = sql.case((sql.is_not_null(other), different))
    found = emitter.items(many)
    return _at_most_one(emitter, many, found, different, lambda item: compare(operator, many, single, item, other))


def _compare_pairwise(emitter: Emitter, left: Value, right: Value) -> Sql:
    sides = (sql.element(sql.item("z"), position) for position in (1, 2))
    return compare_pairs(emitter, left, right, compare("=", left, right, *sides))


def compare_pairs(emitter: Emitter, left: Value, right: Value, equal: Sql) -> Sql:
    """Equal where there are as many items on both sides, each equal to its counterpart; `equal` is of a pair `z`."""

    def judged(of: sql.Reader) -> Sql:
        lengths = (sql.length_of(of("l")), sql.length_of(of("r")))
        there = (sql.compare(">", length, sql.number(0)) for length in lengths)
        truths = sql.transform(sql.call("list_zip", of("l"), of("r")), "z", equal)
        same = sql.let("t", {"t": truths}, lambda t: _all_true(t("t")))
        by_length = sql.case((sql.compare("=", *lengths), same), default=sql.FALSE())
        return sql.case((sql.all_of(*there), by_length))

    return sql.let("y", {"l": emitter.items(left), "r": emitter.items(right)}, judged)


def _all_true(truths: Sql) -> Sql:
    """Three-valued: a false decides, then a null leaves it open."""
    unknown = sql.compare("<", sql.count(truths), sql.length_of(truths))
    return sql.case(
        (sql.call("list_contains", truths, sql.FALSE()), sql.FALSE()),
        (unknown, sql.NULL()),
        default=sql.TRUE(),
    )


def _emit_exists(emitter: Emitter, value: Exists) -> Sql:
    found = _is_there(emitter, value.source)
    return sql.negate(found) if value.negated else found


def _is_there(emitter: Emitter, value: Value) -> Sql:
    """Whether a collection has an item; never null."""
    match value:
        case Guard(condition=condition, value=guarded):
            holds = sql.is_true(emitter.emit(condition))
            return holds if _is_certain(guarded) else sql.all_of(holds, _is_there(emitter, guarded))
        case _ if _is_certain(value):
            return sql.TRUE()
        case Filter(source=source, item=item, criteria=criteria) if not holds_nulls(source):
            return _any(emitter, source, item, criteria)
        case Map(source=source, item=item, body=Guard(condition=condition, value=body)) if _is_certain(body):
            return _any(emitter, source, item, condition)
        case _ if not value.many or (isinstance(value, Member) and is_stored(value) and _is_full(value)):
            return sql.is_not_null(emitter.emit(value))
        case _:
            return sql.compare(">", _count(emitter, value), sql.number(0))


def _is_certain(value: Value) -> bool:
    """Whether there is an item whatever the data: a focus is one, and so is a literal."""
    return isinstance(value, Variable | Literal | RowIndex | Pair)


def _is_full(value: Member) -> bool:
    """Whether a stored list that is there has items: no list of elements is stored empty."""
    return not holds_nulls(value) and value.source.type != RECORD


def _any(emitter: Emitter, source: Value, item: Variable, criteria: Value) -> Sql:
    truths = _mapped(emitter, source, item, criteria)
    return sql.coalesce(sql.call("list_contains", truths, sql.TRUE()), sql.FALSE())


def _emit_count(emitter: Emitter, value: Count) -> Sql:
    if not value.source.many:
        return sql.cast_to(_is_there(emitter, value.source), "INTEGER")
    return sql.cast_to(_count(emitter, value.source), "INTEGER")


def _count(emitter: Emitter, value: Value) -> Sql:
    counted = sql.count if holds_nulls(value) else sql.length_of
    return sql.coalesce(counted(emitter.emit(value)), sql.number(0))


def _emit_union(emitter: Emitter, value: Union) -> Sql:
    """The first occurrences, in order: `list_distinct` keeps no order, and compares texts, not values."""
    joined = sql.call("list_concat", *(items_as(emitter, operand, value.type) for operand in value.operands))
    item = Variable("v", value.type)

    def distinct(of: sql.Reader) -> Sql:
        before = sql.list_slice(of("l"), sql.number(1), sql.arithmetic("-", sql.item("n"), sql.number(1)))
        known = sql.transform(before, "w", compare("=", item, item, sql.item("w"), sql.item("v")))
        repeated = sql.coalesce(sql.call("list_contains", known, sql.TRUE()), sql.FALSE())
        return sql.keep_at(of("l"), "v", "n", sql.negate(repeated))

    return sql.let("u", {"l": joined}, distinct)


def items_as(emitter: Emitter, value: Value, type_: str) -> Sql:
    """The items of a value in the stored form of another type: integers among decimals become text."""
    items = emitter.items(value)
    wanted = stored_type(type_)
    if wanted is None or stored_type(value.type) == wanted:
        return items
    return sql.transform(items, "i", sql.cast_to(sql.item("i"), wanted))


def _emit_zip(emitter: Emitter, value: Zip) -> Sql:
    """Pairs by position; a position without value and companion is no item."""
    empty = sql.array()
    sides = (sql.coalesce(emitter.emit(side), empty) for side in (value.values, value.companions))
    first, second = (sql.element(sql.item("z"), position) for position in (1, 2))
    there = sql.some_of(sql.is_not_null(first), sql.is_not_null(second))
    # list_zip of DuckDB 2.0.0 pads with structs that are null while their fields are not
    pair = sql.record({"v": first, "c": sql.case((sql.is_not_null(second), second))})
    return sql.transform(sql.keep(sql.call("list_zip", *sides), "z", there), "z", pair)


def _emit_pair_values(emitter: Emitter, value: PairValues) -> Sql:
    return sql.transform(emitter.items(value.source), "z", sql.member(sql.item("z"), "v"))


def _emit_join(emitter: Emitter, value: Join) -> Sql:
    separator = emitter.emit(value.separator)
    found = emitter.emit(value.source)
    if not value.source.many:
        return found if isinstance(value.separator, Literal) else sql.case((sql.is_not_null(separator), found))
    if isinstance(separator, exp.Literal):
        return sql.joined(found, separator)
    # DuckDB joins with a constant only
    led = sql.transform(found, "t", sql.concat(separator, sql.item("t")))
    start = sql.arithmetic("+", sql.call("length", separator), sql.number(1))
    return sql.call("substr", sql.joined(led, sql.text("")), start)


def _emit_shred(emitter: Emitter, value: Shred) -> Sql:
    return _laid_out(emitter, value.levels)


def _laid_out(emitter: Emitter, levels: tuple[Level, ...]) -> Sql:
    lists = [_level(emitter, level) for level in levels]
    return sql.call("list_concat", *lists) if len(lists) > 1 else lists[0]


def _level(emitter: Emitter, level: Level) -> Sql:
    """The records of one level, each followed by those below it; all levels have the same fields."""
    own = record_of(emitter, level)
    source, key = emitter.items(level.source), level.item.key
    if not level.below:
        return sql.transform(source, key, own)
    with_below = sql.call("list_concat", sql.array(own), _laid_out(emitter, level.below))
    return sql.call("flatten", sql.transform(source, key, with_below))


def record_of(emitter: Emitter, level: Level) -> Sql:
    """The record of one item of a level, which is its variable."""
    return sql.record(dict(_field(emitter, field) for field in level.fields) or {"v_0": sql.TRUE()})


def _field(emitter: Emitter, field: Field) -> tuple[str, Sql]:
    value = field.value
    plural = value.many and not isinstance(value, Nothing)
    return field.name, emitter.items(value) if plural else emitter.emit(value)


EMITTERS.update(
    {
        Map: _emit_map,
        Position: _emit_position,
        Filter: _emit_filter,
        Pick: _emit_pick,
        Single: _emit_single,
        CompareLists: _emit_compare_lists,
        Exists: _emit_exists,
        Count: _emit_count,
        Union: _emit_union,
        Join: _emit_join,
        Shred: _emit_shred,
        Zip: _emit_zip,
        PairValues: _emit_pair_values,
    }
)
