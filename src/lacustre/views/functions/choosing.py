"""`iif`, and `trace`, which changes nothing (FHIRPath §5.5.1, §5.9)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from lacustre.fhirpath import ast
from lacustre.fhirpath.ast import child_expressions
from lacustre.views.functions.filtering import projected
from lacustre.views.functions.invocation import FunctionBinder, Invocation
from lacustre.views.ir import FALSE, TRUE, Nothing, Value
from lacustre.views.items import Choose
from lacustre.views.navigation import RefusedError, refuse_choice
from lacustre.views.types import UNKNOWN, common_type


def _iif(invocation: Invocation) -> Value:
    condition = _condition(invocation)
    then, *others = (_result(invocation, node) for node in invocation.call.arguments[1:])
    otherwise = others[0] if others else Nothing(then.type)
    if condition in (FALSE, TRUE) or isinstance(condition, Nothing):
        return then if condition == TRUE else otherwise
    refuse_choice(then)
    refuse_choice(otherwise)
    type_ = common_type(then.type, otherwise.type)
    if type_ is None:
        message = f"iif() of {then.type} or {otherwise.type} is not supported"
        raise RefusedError("unsupported_function", message, "both results have one type")
    return Choose(type_, condition, then, otherwise)


def _condition(invocation: Invocation) -> Value:
    """The criterion: of the item that the call stands on, which is one at most."""
    if invocation.source.many:
        raise RefusedError("unsupported_function", "iif() of several items is not supported", "write select(iif(…))")
    scope = invocation.scope.on(invocation.source, invocation.scope.index)
    found = invocation.binder.single(invocation.binder.bind(invocation.call.arguments[0], scope), scope)
    if found.type not in ("boolean", UNKNOWN):
        message = f"the criterion is a {found.type}, not a boolean"
        raise invocation.refused_argument("criteria_not_boolean", message, "compare it, or ask exists()")
    return found


def _result(invocation: Invocation, node: ast.Expression) -> Value:
    """A result, which some read on the item that the call stands on and some on what is around the call."""
    if invocation.call.source is not None and _stands_on_focus(node):
        message = "iif() after a path, with results that stand on an item, is not supported"
        raise RefusedError("unsupported_function", message, "write select(iif(…))", node.span)
    return invocation.binder.bind(node, invocation.scope)


def _stands_on_focus(node: ast.Expression) -> bool:
    """Whether an expression may depend on what it is evaluated on."""
    match node:
        case ast.Member(source=None) | ast.Call(source=None) | ast.Special():
            return True
        case _:
            return any(map(_stands_on_focus, child_expressions(node)))


def _trace(invocation: Invocation) -> Value:
    """The source as it is: nothing is logged, since that would be patients' data."""
    invocation.argument(0, "text")
    for node in invocation.call.arguments[1:]:
        projected(invocation, node)
    return invocation.source


BINDERS: Mapping[str, FunctionBinder] = MappingProxyType({"iif": _iif, "trace": _trace})
