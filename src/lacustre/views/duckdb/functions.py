"""The functions of one item, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lacustre.views.duckdb import boundaries, conversions, moves, numbers, quantities, sql, strings
from lacustre.views.duckdb.emitter import EMITTERS, Emitter
from lacustre.views.duckdb.references import reference_key
from lacustre.views.duckdb.sql import Sql
from lacustre.views.ir import Apply, FunctionName, Literal


def _emit_apply(emitter: Emitter, value: Apply) -> Sql:
    function = _FUNCTIONS[value.function]
    operands = [emitter.emit(operand) for operand in (value.source, *value.arguments)]
    return sql.all_once(operands, lambda *each: function(value, *each))


def _reference_key(value: Apply, source: Sql, *_: Sql) -> Sql:
    named = {argument.type: str(argument.value) for argument in value.arguments if isinstance(argument, Literal)}
    return reference_key(source, named.get("code"), named.get("uri"))


_FUNCTIONS: Mapping[FunctionName, Callable[..., Sql]] = {
    **strings.FUNCTIONS,
    **numbers.FUNCTIONS,
    **conversions.FUNCTIONS,
    **quantities.FUNCTIONS,
    **moves.FUNCTIONS,
    **boundaries.FUNCTIONS,
    "getReferenceKey": _reference_key,
    "getValue": lambda _, source: source,
}

EMITTERS[Apply] = _emit_apply
