"""`repeat` and `aggregate` (FHIRPath §5.2.3, §7)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from lacustre.views.equality import distinct
from lacustre.views.functions.invocation import FunctionBinder, Invocation
from lacustre.views.ir import Map, Member, Nothing, Value, Variable
from lacustre.views.items import Aggregate, Total
from lacustre.views.navigation import RefusedError, refuse_choice
from lacustre.views.records import Field, Walk
from lacustre.views.rewrite import is_resource, leads_down
from lacustre.views.types import RECORD, UNKNOWN, common_type, kind_of


def _repeat(invocation: Invocation) -> Value:
    """What the projection yields, and yields of that, as deep as the table goes; of equal items one."""
    navigator = invocation.binder.navigator
    seeds = navigator.each(invocation.source, lambda item: _projection(invocation, item))
    refuse_choice(seeds)
    if kind_of(seeds.type) != "complex" or seeds.type == UNKNOWN:
        raise RefusedError("unsupported_function", f"repeat() over {seeds.type or 'unknown'} values is not supported")
    item = navigator.item_of(seeds)
    steps = _projection(invocation, item)
    _check_steps(seeds, steps, item)
    focus, record = navigator.new_variable("x", seeds.type), navigator.new_variable("x", RECORD)
    walk = Walk((seeds,), item, (steps,), focus, (Field("item", focus),))
    return distinct(navigator, Map(walk, record, Member(record, "item", seeds.type)))


def _projection(invocation: Invocation, item: Value) -> Value:
    return invocation.binder.bind(invocation.call.arguments[0], invocation.scope.on(item, None))


def _check_steps(seeds: Value, steps: Value, item: Variable) -> None:
    if steps.type not in (seeds.type, UNKNOWN):
        message = f"repeat() from {seeds.type} to {steps.type} is not supported"
        raise RefusedError("unsupported_function", message, "the projection leads to one type")
    if not leads_down(steps, item):
        message = "the projection does not lead to elements of its item, so it would never end"
        raise RefusedError("repeat_endless", message, "begin with an element of the item")


def _aggregate(invocation: Invocation) -> Value:
    navigator, source = invocation.binder.navigator, invocation.source
    refuse_choice(source)
    if is_resource(source):
        raise RefusedError("unsupported_function", "aggregate() of the resource itself is not supported", "name a path")
    item = navigator.item_of(source)
    initial = invocation.argument(1) if len(invocation.call.arguments) > 1 else Nothing(UNKNOWN)
    total = Total(navigator.new_variable("x", initial.type).key, initial.type)
    body = _accumulated(invocation, item, total)
    type_ = common_type(initial.type, body.type)
    if type_ != initial.type and type_ is not None:
        total = Total(total.key, type_)
        body = _accumulated(invocation, item, total)
    if type_ is None or common_type(type_, body.type) != type_ or kind_of(type_) == "complex":
        message = f"aggregate() from {initial.type or 'nothing'} to {body.type or 'nothing'} is not supported"
        raise RefusedError("unsupported_function", message, "give the total one primitive type")
    return Aggregate(type_, source, item, total, initial, body)


def _accumulated(invocation: Invocation, item: Value, total: Value) -> Value:
    scope = invocation.scope.on(item, None, total)
    return invocation.binder.single(invocation.binder.bind(invocation.call.arguments[0], scope), scope)


BINDERS: Mapping[str, FunctionBinder] = MappingProxyType({"repeat": _repeat, "aggregate": _aggregate})
