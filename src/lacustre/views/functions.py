"""The FHIRPath functions that are compiled: each binds a call to a typed value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias, cast

from lacustre.fhirpath import FUNCTIONS, ast, near_hint
from lacustre.views.ir import (
    Apply,
    Compare,
    Count,
    Exists,
    Filter,
    FunctionName,
    Guard,
    Join,
    Literal,
    Map,
    Not,
    Nothing,
    Value,
)
from lacustre.views.navigation import RefusedError, refuse_choice
from lacustre.views.types import CHOICE, UNKNOWN, Kind, fhir_type_name, kind_of

if TYPE_CHECKING:
    from lacustre.views.expressions import Binder, Scope

_WRITTEN_AS_TEXT: frozenset[Kind] = frozenset({"text", "decimal", "date", "dateTime", "instant", "time", "integer64"})
_BOUNDED: frozenset[Kind] = frozenset({"integer", "decimal", "date", "dateTime", "instant", "time"})


@dataclass(frozen=True, slots=True)
class Invocation:
    """A call with the value it stands on."""

    binder: Binder
    source: Value
    call: ast.Call
    scope: Scope

    def single(self, *kinds: Kind) -> Value:
        """The source where the function stands on one item, of one of these kinds if any are given."""
        found = self.binder.single(self.source, self.scope)
        self._check_kind(found, kinds, None)
        return found

    def argument(self, index: int, *kinds: Kind) -> Value:
        """An argument, evaluated on the focus of the call: one item, of one of these kinds."""
        node = self.call.arguments[index]
        found = self.binder.single(self.binder.bind(node, self.scope), self.scope)
        self._check_kind(found, kinds, node.span)
        return found

    def type_argument(self) -> str:
        """The type that the argument names: `Quantity`, `FHIR.Quantity`."""
        steps: list[str] = []
        node: ast.Expression | None = self.call.arguments[0]
        while isinstance(node, ast.Member):
            steps.insert(0, node.name)
            node = node.source
        if node is not None:
            raise self.refused_argument("type_argument", f"{self.call.name}() takes the name of a type")
        return fhir_type_name(".".join(steps))

    def refused_argument(self, code: str, message: str, hint: str | None = None) -> RefusedError:
        return RefusedError(code, message, hint, self.call.arguments[0].span)

    def _check_kind(self, value: Value, kinds: tuple[Kind, ...], span: ast.Span | None) -> None:
        found = kind_of(value.type)
        if value.type == UNKNOWN or not kinds or found in kinds:
            return
        place = "stands on" if span is None else "takes"
        wanted = " or ".join("string" if kind == "text" else kind for kind in kinds)
        hint = "toString() first" if "text" in kinds and found != "complex" else None
        message = f"{self.call.name}() {place} a {wanted}, not a {value.type}"
        raise RefusedError("type_mismatch", message, hint, span)


FunctionBinder: TypeAlias = Callable[[Invocation], Value]


def bind_function(invocation: Invocation) -> Value:
    """The value of a call; raises RefusedError for a function that is unknown, unsupported or misused."""
    call = invocation.call
    function = FUNCTIONS.get(call.name)
    if function is None:
        near = near_hint(call.name, FUNCTION_BINDERS)
        raise RefusedError("unknown_function", f"there is no function {call.name}()", near)
    if call.name not in FUNCTION_BINDERS:
        raise RefusedError("unsupported_function", f"the function {call.name}() is not supported")
    if not function.accepts(len(call.arguments)):
        message = f"{call.name}() takes {function.arity}, not {len(call.arguments)}"
        raise RefusedError("wrong_arity", message, span=call.span)
    return FUNCTION_BINDERS[call.name](invocation)


def _where(invocation: Invocation) -> Value:
    return _filtered(invocation, invocation.source, lambda item: _criteria(invocation, item))


def _filtered(invocation: Invocation, source: Value, criteria: Callable[[Value], Value]) -> Value:
    """The items of `source` for which `criteria` holds; where an item is single, a guard on it."""
    match source:
        case Guard(condition=condition, value=value):
            return Guard(condition, _filtered(invocation, value, criteria))
        case Map(source=inner, item=item, body=body) if not body.many:
            return Map(inner, item, _filtered(invocation, body, criteria))
        case Nothing():
            criteria(source)
            return source
        case _ if source.many:
            item = invocation.binder.navigator.new_variable("x", source.type)
            return Filter(source, item, criteria(item))
        case _:
            return Guard(criteria(source), source)


def _criteria(invocation: Invocation, item: Value) -> Value:
    scope = invocation.scope.on(item)
    found = invocation.binder.single(invocation.binder.bind(invocation.call.arguments[0], scope), scope)
    if found.type not in ("boolean", UNKNOWN):
        message = f"the criteria is a {found.type}, not a boolean"
        raise invocation.refused_argument("criteria_not_boolean", message, "compare it, or ask exists()")
    return found


def _present(invocation: Invocation) -> Value:
    found = _where(invocation) if invocation.call.arguments else invocation.source
    return invocation.binder.navigator.presence(found)


def _extension(invocation: Invocation) -> Value:
    navigator = invocation.binder.navigator
    url = invocation.argument(0, "text")
    extensions = navigator.member(invocation.source, "extension")
    return _filtered(invocation, extensions, lambda item: Compare("=", navigator.member(item, "url"), url))


def _of_type(invocation: Invocation) -> Value:
    return _typed(invocation, invocation.source)


def _as(invocation: Invocation) -> Value:
    return _typed(invocation, invocation.binder.single_or_choice(invocation.source, invocation.scope))


def _typed(invocation: Invocation, source: Value) -> Value:
    try:
        return invocation.binder.navigator.of_type(source, invocation.type_argument())
    except RefusedError as refused:
        raise invocation.refused_argument(refused.code, refused.message, refused.hint) from refused


def _is(invocation: Invocation) -> Value:
    return invocation.binder.is_type(invocation.source, invocation.type_argument(), invocation.scope)


def _substring(invocation: Invocation) -> Value:
    arguments = (invocation.argument(index, "integer") for index in range(len(invocation.call.arguments)))
    return Apply("substring", "string", invocation.single("text"), tuple(arguments))


def _text_test(invocation: Invocation) -> Value:
    name = cast(FunctionName, invocation.call.name)
    return Apply(name, "boolean", invocation.single("text"), (invocation.argument(0, "text"),))


def _join(invocation: Invocation) -> Value:
    source = invocation.source
    refuse_choice(source)
    if source.type != UNKNOWN and kind_of(source.type) not in _WRITTEN_AS_TEXT:
        raise RefusedError("type_mismatch", f"join() stands on strings, not on {source.type} values")
    separator = invocation.argument(0, "text") if invocation.call.arguments else Literal("string", "")
    return Join(source, separator)


def _to_string(invocation: Invocation) -> Value:
    return Apply("toString", "string", invocation.single("boolean", "integer", *_WRITTEN_AS_TEXT))


def _to_integer(invocation: Invocation) -> Value:
    single = invocation.single("boolean", "integer", *_WRITTEN_AS_TEXT)
    if single.type != UNKNOWN and kind_of(single.type) not in ("text", "integer", "boolean"):
        return Nothing("integer")
    return Apply("toInteger", "integer", single)


def _boundary(invocation: Invocation) -> Value:
    name = cast(FunctionName, invocation.call.name)
    single = invocation.single(*_BOUNDED)
    arguments = (invocation.argument(index, "integer") for index in range(len(invocation.call.arguments)))
    type_ = "decimal" if kind_of(single.type) == "integer" else single.type
    return Apply(name, type_, single, tuple(arguments))


def _resource_key(invocation: Invocation) -> Value:
    type_ = invocation.source.type
    navigator = invocation.binder.navigator
    if type_ != UNKNOWN and (type_ == CHOICE or not navigator.model.is_a(type_, "Resource")):
        raise RefusedError("not_a_resource", f"getResourceKey() stands on a resource, not on a {type_}")
    return navigator.member(invocation.source, "id")


def _reference_key(invocation: Invocation) -> Value:
    navigator = invocation.binder.navigator
    wanted = _resource_argument(invocation)

    def key(item: Value) -> Value:
        if item.type not in ("Reference", UNKNOWN):
            message = "getReferenceKey() stands on a Reference"
            found = f", not on a {item.type}" if item.type != CHOICE else ""
            raise RefusedError("not_a_reference", message + found, "ofType(Reference) picks it from a choice")
        return Apply("getReferenceKey", "string", navigator.member(item, "reference"), wanted)

    return navigator.each(invocation.source, key)


def _resource_argument(invocation: Invocation) -> tuple[Value, ...]:
    if not invocation.call.arguments:
        return ()
    name = invocation.type_argument()
    known = invocation.binder.navigator.model.resource_types
    if name not in known:
        hint = near_hint(name, known)
        raise invocation.refused_argument("unknown_type", f"{name} is not a resource type", hint)
    return (Literal("code", name),)


FUNCTION_BINDERS: Mapping[str, FunctionBinder] = MappingProxyType(
    {
        "where": _where,
        "exists": lambda invocation: Exists(_present(invocation)),
        "empty": lambda invocation: Exists(_present(invocation), negated=True),
        "count": lambda invocation: Count(_present(invocation)),
        "first": lambda invocation: invocation.binder.pick(invocation.source, 0),
        "last": lambda invocation: invocation.binder.pick(invocation.source, -1),
        "single": lambda invocation: invocation.binder.single_or_choice(invocation.source, invocation.scope),
        "not": lambda invocation: Not(invocation.binder.boolean(invocation.source, invocation.scope)),
        "ofType": _of_type,
        "as": _as,
        "is": _is,
        "extension": _extension,
        "substring": _substring,
        "startsWith": _text_test,
        "endsWith": _text_test,
        "contains": _text_test,
        "join": _join,
        "toString": _to_string,
        "toInteger": _to_integer,
        "lowBoundary": _boundary,
        "highBoundary": _boundary,
        "getResourceKey": _resource_key,
        "getReferenceKey": _reference_key,
    }
)
"""The functions that are compiled, by name."""
