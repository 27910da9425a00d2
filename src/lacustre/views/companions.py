"""Primitive items with their companions: `birthDate` with `_birthDate`, `given` with `_given`.

To FHIRPath a primitive that has extensions but no value is an item: `exists()`, `count()` and `[n]` see it,
operators take it as empty, and columns leave it out. Where a table holds companions, the values that ask such
questions are therefore put in terms of pairs of value and companion; where it holds none, which is the rule,
nothing changes.
"""

from __future__ import annotations

from dataclasses import replace

from lacustre.views.bound import BoundSelect, Each, Iteration, Repeat, When
from lacustre.views.ir import (
    Coalesce,
    Compare,
    Exists,
    Filter,
    Guard,
    Logic,
    Map,
    Member,
    Nothing,
    Pick,
    Single,
    Union,
    Value,
    Variable,
)
from lacustre.views.items import Choose, Combine, Distinct, Slice
from lacustre.views.records import Pair, Stored, Zip
from lacustre.views.rewrite import substitute
from lacustre.views.types import RECORD, kind_of


def is_primitive(value: Value) -> bool:
    return kind_of(value.type) != "complex"


def companion_member(member: Member) -> Member:
    """The member beside a primitive one that carries its id and extensions."""
    name = "c" if member.source.type == RECORD else f"_{member.name}"
    return Member(member.source, name, "Element", member.many)


def pairs_of(value: Value) -> Value:
    """The items of a primitive value as pairs of value (`v`) and companion (`c`)."""
    found: Value
    match value:
        case Map(source=source, item=item, body=body):
            found = Map(source, item, pairs_of(body))
        case Filter(source=source, item=item, criteria=criteria):
            found = Filter(pairs_of(source), as_pair(item), read_pairs(criteria, item.key))
        case Pick(source=source) | Single(source=source) | Slice(source=source):
            found = replace(value, source=pairs_of(source))
        case Union(operands=operands):
            found = _distinct_pairs(value.type, Combine(RECORD, tuple(map(pairs_of, operands))))
        case Combine(operands=operands):
            found = Combine(RECORD, tuple(map(pairs_of, operands)))
        case Choose(condition=condition, then=then, otherwise=otherwise):
            found = Choose(RECORD, condition, pairs_of(then), pairs_of(otherwise))
        case Guard(condition=condition, value=guarded):
            found = Guard(condition, pairs_of(guarded))
        case Member(many=True):
            found = Zip(value, companion_member(value))
        case Nothing():
            found = Nothing(RECORD, value.many)
        case _ if value.many:
            item = Variable(f"x_{value.type}", value.type)
            found = Map(value, item, Pair(item, Nothing("Element")))
        case _:
            found = _pair_of_single(value)
    return found


def _distinct_pairs(type_: str, pairs: Value) -> Value:
    """The pairs of which none before has an equal value."""
    left, right = Variable("x_l", RECORD), Variable("x_r", RECORD)
    return Distinct(pairs, left, right, Compare("=", Member(left, "v", type_), Member(right, "v", type_)))


def as_pair(item: Variable) -> Variable:
    return replace(item, type=RECORD)


def read_pairs(value: Value, key: str) -> Value:
    """`value` with the primitive item `key` read from a pair."""
    return substitute(value, key, lambda item: Member(as_pair(item), "v", item.type))


def read_pairs_in(select: BoundSelect, key: str) -> BoundSelect:
    """A select whose focus, a primitive item, is read from a pair."""
    iteration = select.iteration
    return BoundSelect(
        iteration if iteration is None else _read_pairs_in_iteration(iteration, key),
        tuple(replace(column, value=read_pairs(column.value, key)) for column in select.columns),
        tuple(read_pairs_in(nested, key) for nested in select.selects),
        tuple(read_pairs_in(branch, key) for branch in select.union),
    )


def _read_pairs_in_iteration(iteration: Iteration, key: str) -> Iteration:
    match iteration:
        case Each(source=source):
            return replace(iteration, source=read_pairs(source, key))
        case When(condition=condition):
            return replace(iteration, condition=read_pairs(condition, key))
        case Repeat(seeds=seeds):
            return replace(iteration, seeds=tuple(read_pairs(seed, key) for seed in seeds))


def _pair_of_single(value: Value) -> Value:
    """The pair of one item, where one of its members is stored; of a choice, the first companion will do."""
    members = [option for option in _options(value) if isinstance(option, Member)]
    if not members:
        return Guard(Exists(value), Pair(value, Nothing("Element")))
    companions = [companion_member(member) for member in members]
    there = tuple(Stored(part) for part in (*members, *companions))
    return Guard(Logic("or", there), Pair(value, companions[0]))


def _options(value: Value) -> tuple[Value, ...]:
    return value.options if isinstance(value, Coalesce) else (value,)
