"""Single values: names, literals, comparison, logic and arithmetic."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from lacustre.views.duckdb import decimals, quantities, sql, temporal
from lacustre.views.duckdb.emitter import EMITTERS, TABLE, Emitter
from lacustre.views.duckdb.sql import Sql
from lacustre.views.ir import (
    ROOT,
    Arithmetic,
    Coalesce,
    Compare,
    Concat,
    Guard,
    Literal,
    Logic,
    Member,
    Negate,
    Not,
    Nothing,
    Present,
    RowIndex,
    Value,
    Variable,
)
from lacustre.views.records import Pair, Stored
from lacustre.views.types import SYSTEM_DATE_TIME, UNKNOWN, kind_of


def stored_type(type_: str) -> str | None:
    """The SQL type in which values of a FHIR type are stored and worked with; None for elements."""
    match kind_of(type_):
        case "boolean":
            return "BOOLEAN"
        case "integer":
            return "INTEGER"
        case "complex":
            return "VARCHAR" if type_ == UNKNOWN else None
        case _:
            return "VARCHAR"


def as_stored(value: Value, found: Sql, type_: str) -> Sql:
    """A single value in the stored form of another type: an integer among decimals becomes text."""
    wanted = stored_type(type_)
    if wanted is None or stored_type(value.type) == wanted:
        return found
    return sql.cast_to(found, wanted)


def typed_null(type_: str, *, many: bool = False) -> Sql:
    stored = stored_type(type_)
    if stored is None:
        return sql.NULL()
    return sql.cast_to(sql.NULL(), f"{stored}[]" if many else stored)


def compare(operator: str, left: Value, right: Value, left_sql: Sql, right_sql: Sql) -> Sql:
    """Compares two single values whose SQL is given."""
    kinds = {kind_of(left.type), kind_of(right.type)}
    if kinds <= {"text"} or kinds <= {"boolean"} or kinds <= {"integer"}:
        return sql.compare(operator, left_sql, right_sql)
    if kinds <= {"integer", "integer64"}:
        return sql.compare(operator, sql.try_cast(left_sql, "BIGINT"), sql.try_cast(right_sql, "BIGINT"))
    if all(map(_is_read, (left_sql, right_sql))):
        return _compare_texts(operator, left, right, left_sql, right_sql)
    operands = {"l": left_sql, "r": right_sql}
    return sql.let("c", operands, lambda of: _compare_texts(operator, left, right, of("l"), of("r")))


def _is_read(found: Sql) -> bool:
    """Whether an expression only reads, so that naming it several times costs little."""
    if isinstance(found, exp.Dot | exp.Bracket):
        return _is_read(found.this)
    return isinstance(found, exp.Column | exp.Identifier | exp.Literal)


def _compare_texts(operator: str, left: Value, right: Value, left_sql: Sql, right_sql: Sql) -> Sql:
    kinds = {kind_of(left.type), kind_of(right.type)}
    if "time" in kinds:
        return temporal.compare_times(operator, left_sql, right_sql)
    if "quantity" in kinds:
        return quantities.compare_texts(operator, left_sql, right_sql)
    if kinds <= {"integer", "integer64", "decimal"}:
        texts = (as_decimal(left, left_sql), as_decimal(right, right_sql))
        return decimals.compare_decimals(operator, *texts)
    if kinds == {"date"}:
        return temporal.compare_dates(operator, left_sql, right_sql)
    if SYSTEM_DATE_TIME in (left.type, right.type):
        return temporal.compare_partial_moments(operator, left_sql, right_sql)
    return temporal.compare_moments(
        operator, left_sql, right_sql, left_text=_literal_text(left), right_text=_literal_text(right)
    )


def as_decimal(value: Value, found: Sql) -> Sql:
    """A number as the lexeme that decimals are worked with."""
    if isinstance(value, Literal):
        return sql.text(str(value.value))
    return sql.cast_to(found, "VARCHAR") if kind_of(value.type) == "integer" else found


def _literal_text(value: Value) -> str | None:
    return str(value.value) if isinstance(value, Literal) else None


def _emit_variable(emitter: Emitter, value: Variable) -> Sql:
    return emitter.variable(value.key)


def _emit_row_index(_: Emitter, value: RowIndex) -> Sql:
    if value.key == ROOT:
        return sql.number(0)
    return sql.cast_to(sql.column(index_name(value.key), TABLE), "INTEGER")


def _emit_present(_: Emitter, value: Present) -> Sql:
    return sql.column(presence_name(value.key), TABLE)


def index_name(key: str) -> str:
    return f"i{key.removeprefix('e')}"


def presence_name(key: str) -> str:
    return f"p{key.removeprefix('e')}"


def _emit_literal(_: Emitter, value: Literal) -> Sql:
    match value.value:
        case bool(truth):
            return sql.TRUE() if truth else sql.FALSE()
        case int(number):
            return sql.number(number)
        case str(text):
            return sql.text(text)


def _emit_nothing(_: Emitter, value: Nothing) -> Sql:
    return typed_null(value.type, many=value.many)


def _emit_member(emitter: Emitter, value: Member) -> Sql:
    if value.source == Variable(ROOT, value.source.type):
        return sql.column(value.name, TABLE)
    return sql.member(emitter.emit(value.source), value.name)


def _emit_stored(emitter: Emitter, value: Stored) -> Sql:
    """A list of primitives or companions may be stored with nothing but nulls."""
    found = emitter.emit(value.source)
    if not value.source.many:
        return sql.is_not_null(found)
    return sql.compare(">", sql.coalesce(sql.count(found), sql.number(0)), sql.number(0))


def _emit_pair(emitter: Emitter, value: Pair) -> Sql:
    return sql.record({"v": emitter.emit(value.value), "c": emitter.emit(value.companion)})


def _emit_guard(emitter: Emitter, value: Guard) -> Sql:
    return sql.case((emitter.emit(value.condition), emitter.emit(value.value)))


def _emit_coalesce(emitter: Emitter, value: Coalesce) -> Sql:
    return sql.coalesce(*map(emitter.emit, value.options))


def _emit_compare(emitter: Emitter, value: Compare) -> Sql:
    left, right = emitter.emit(value.left), emitter.emit(value.right)
    return compare(value.operator, value.left, value.right, left, right)


def _emit_logic(emitter: Emitter, value: Logic) -> Sql:
    operands = map(emitter.emit, value.operands)
    return sql.all_of(*operands) if value.operator == "and" else sql.some_of(*operands)


def _emit_not(emitter: Emitter, value: Not) -> Sql:
    return sql.negate(emitter.emit(value.operand))


def _emit_arithmetic(emitter: Emitter, value: Arithmetic) -> Sql:
    left, right = emitter.emit(value.left), emitter.emit(value.right)
    match kind_of(value.type):
        case _ if "decimal" in (kind_of(value.left.type), kind_of(value.right.type)):
            texts = (as_decimal(value.left, left), as_decimal(value.right, right))
            return _CALCULATIONS.get(value.operator, decimals.calculate_decimals)(value.operator, *texts)
        case "integer":
            wide = (sql.cast_to(left, "BIGINT"), sql.cast_to(right, "BIGINT"))
            return sql.try_cast(_calculate(value.operator, *wide), "INTEGER")
        case "integer64":
            wide = (sql.try_cast(left, "HUGEINT"), sql.try_cast(right, "HUGEINT"))
            result = sql.try_cast(_calculate(value.operator, *wide), "BIGINT")
            return sql.cast_to(result, "VARCHAR")
        case _:
            texts = (as_decimal(value.left, left), as_decimal(value.right, right))
            return decimals.calculate_decimals(value.operator, *texts)


def _calculate(operator: str, left: Sql, right: Sql) -> Sql:
    """Of whole numbers; null for division by zero."""
    if operator in _DIVISIONS:
        return sql.call(_DIVISIONS[operator], left, sql.call("nullif", right, sql.number(0)))
    return sql.arithmetic(operator, left, right)


_DIVISIONS = {"div": "divide", "mod": "mod"}
_CALCULATIONS: dict[str, Callable[[str, Sql, Sql], Sql]] = {
    "div": lambda _, left, right: decimals.divide_whole(left, right),
    "mod": lambda _, left, right: decimals.remainder_of(left, right),
}


def _emit_negate(emitter: Emitter, value: Negate) -> Sql:
    operand = emitter.emit(value.operand)
    match kind_of(value.type):
        case "integer":
            wide = sql.arithmetic("-", sql.number(0), sql.cast_to(operand, "BIGINT"))
            return sql.try_cast(wide, "INTEGER")
        case _:
            return sql.let("d", {"v": operand}, lambda of: decimals.negate_decimal(of("v")))


def _emit_concat(emitter: Emitter, value: Concat) -> Sql:
    operands = map(emitter.emit, value.operands)
    if value.strict:
        return sql.concat(*operands)
    return sql.concat(*(sql.coalesce(operand, sql.text("")) for operand in operands))


EMITTERS.update(
    {
        Variable: _emit_variable,
        RowIndex: _emit_row_index,
        Present: _emit_present,
        Literal: _emit_literal,
        Nothing: _emit_nothing,
        Member: _emit_member,
        Stored: _emit_stored,
        Pair: _emit_pair,
        Guard: _emit_guard,
        Coalesce: _emit_coalesce,
        Compare: _emit_compare,
        Logic: _emit_logic,
        Not: _emit_not,
        Arithmetic: _emit_arithmetic,
        Negate: _emit_negate,
        Concat: _emit_concat,
    }
)
