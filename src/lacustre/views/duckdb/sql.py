"""Small constructors of DuckDB SQL trees: every statement of the compiler is made of these."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import TypeAlias

from sqlglot import exp

Sql: TypeAlias = exp.Expr
Reader: TypeAlias = Callable[[str], exp.Expr]
"""Reads a value of a `let` by its name."""

Fields: TypeAlias = Mapping[str, exp.Expr]

NULL = exp.null
TRUE = exp.true
FALSE = exp.false

_ATOMS = (exp.Column, exp.Identifier, exp.Dot, exp.Bracket, exp.Anonymous, exp.Array, exp.Paren)
"""What a subscript or a member may follow without parentheses."""

_OPERANDS = (*_ATOMS, exp.Literal, exp.Boolean, exp.Null, exp.Case, exp.Cast)
"""What may stand beside an operator without parentheses."""

_LARGE = 60
"""Nodes of an expression that is not copied."""

_COMPARISONS: Mapping[str, type[exp.Binary]] = {
    "=": exp.EQ,
    "!=": exp.NEQ,
    "<": exp.LT,
    "<=": exp.LTE,
    ">": exp.GT,
    ">=": exp.GTE,
}
_ARITHMETIC: Mapping[str, type[exp.Binary]] = {"+": exp.Add, "-": exp.Sub, "*": exp.Mul, "/": exp.Div}


def name(text: str) -> exp.Identifier:
    return exp.to_identifier(text, quoted=True)


def column(text: str, table: str) -> Sql:
    return exp.Column(this=name(text), table=exp.to_identifier(table))


def item(key: str) -> Sql:
    """The parameter of a lambda."""
    return exp.to_identifier(key)


def text(value: str) -> Sql:
    return exp.Literal.string(value)


def number(value: int) -> Sql:
    literal = exp.Literal.number(abs(value))
    return exp.Neg(this=literal) if value < 0 else literal


def call(function: str, *arguments: Sql) -> Sql:
    return exp.Anonymous(this=function, expressions=[_own(argument) for argument in arguments])


def member(source: Sql, field: str) -> Sql:
    return exp.Dot(this=_atom(source), expression=name(field))


def element(source: Sql, position: int) -> Sql:
    """The element of a list at a position from 1, or from the end if negative; null where there is none."""
    return exp.Bracket(this=_atom(source), expressions=[number(position)], offset=1)


def list_slice(source: Sql, start: Sql, end: Sql) -> Sql:
    """The elements from one position to another, both included."""
    return call("list_slice", source, start, end)


def slice_of(source: Sql, position: int) -> Sql:
    """The list of the one element at a position."""
    bounds = exp.Slice(this=number(position), expression=number(position))
    return exp.Bracket(this=_atom(source), expressions=[bounds], offset=1)


def array(*elements: Sql) -> Sql:
    return exp.Array(expressions=[_own(entry) for entry in elements])


def record(fields: Mapping[str, Sql]) -> Sql:
    return exp.Anonymous(
        this="struct_pack",
        expressions=[exp.PropertyEQ(this=name(field), expression=_own(value)) for field, value in fields.items()],
    )


def function_of(key: str, body: Sql) -> Sql:
    """`lambda key: body`."""
    return exp.Lambda(this=_own(body), expressions=[exp.to_identifier(key)])


def transform(source: Sql, key: str, body: Sql) -> Sql:
    return call("list_transform", source, function_of(key, body))


def keep(source: Sql, key: str, criteria: Sql) -> Sql:
    return call("list_filter", source, function_of(key, criteria))


def transform_at(source: Sql, key: str, position: str, body: Sql) -> Sql:
    """As `transform`, with a second parameter: the position from 1."""
    both = [exp.to_identifier(key), exp.to_identifier(position)]
    return call("list_transform", source, exp.Lambda(this=_own(body), expressions=both))


def reduce(source: Sql, total: str, key: str, body: Sql, initial: Sql) -> Sql:
    """`body` over the elements one after the other, each time with what came of the ones before."""
    both = [exp.to_identifier(total), exp.to_identifier(key)]
    return call("list_reduce", source, exp.Lambda(this=_own(body), expressions=both), initial)


def identical(left: Sql, right: Sql) -> Sql:
    """Equal, nulls being equal to nulls."""
    return exp.NullSafeEQ(this=_operand(left), expression=_operand(right))


def keep_at(source: Sql, key: str, position: str, criteria: Sql) -> Sql:
    """As `keep`, with a second parameter: the position from 1."""
    both = [exp.to_identifier(key), exp.to_identifier(position)]
    return call("list_filter", source, exp.Lambda(this=_own(criteria), expressions=both))


def let(key: str, values: Mapping[str, Sql], body: Callable[[Reader], Sql]) -> Sql:
    """`body` over values that are worked out once: a lambda over a list of one record.

    `body` is given what reads a value by its name.
    """
    return pipeline(key, values, (), body)


def pipeline(
    key: str, first: Fields, stages: Sequence[Callable[[Reader], Fields]], last: Callable[[Reader], Sql]
) -> Sql:
    """A chain of `let`s, each over the values of the one before.

    One lambda follows the other rather than being nested in it: the time that DuckDB takes to bind nested
    lambdas doubles with each level. To DuckDB `c.t` is of a column `c` before it is of a parameter `c`: no column of a
    view begins with an underscore.
    """
    key = f"_{key}"
    source = array(record(first))
    for stage in stages:
        source = transform(source, key, record(stage(_reader(key))))
    return element(transform(source, key, last(_reader(key))), 1)


def _reader(key: str) -> Reader:
    return lambda field: member(item(key), field)


def once(value: Sql, body: Callable[[Sql], Sql]) -> Sql:
    """`body` of a value that it names several times: a large one is worked out beforehand.

    Copies of small expressions are cheap, because DuckDB shares them; copies of copies would grow without end.
    """
    if len(list(islice(value.walk(), _LARGE))) < _LARGE:
        return body(value)
    return let("a", {"v": value}, lambda of: body(of("v")))


def all_once(values: Sequence[Sql], body: Callable[..., Sql]) -> Sql:
    """As `once`, of several values."""
    large = {f"v{i}": value for i, value in enumerate(values) if len(list(islice(value.walk(), _LARGE))) == _LARGE}
    if not large:
        return body(*values)

    def named(of: Reader) -> Sql:
        return body(*(of(f"v{i}") if f"v{i}" in large else value for i, value in enumerate(values)))

    return let("a", large, named)


def apart(value: Sql, body: Callable[[Sql], Sql]) -> Sql:
    """`body` of a value that may stop the query: such a value cannot stand inside TRY."""
    stops = any(isinstance(part, exp.Anonymous) and part.this == "error" for part in value.walk())
    return let("a", {"v": value}, lambda of: body(of("v"))) if stops else body(value)


def case(*branches: tuple[Sql, Sql], default: Sql | None = None) -> Sql:
    ifs = [exp.If(this=_own(condition), true=_own(value)) for condition, value in branches]
    return exp.Case(ifs=ifs, default=_own(default) if default is not None else None)


def cast_to(value: Sql, sql_type: str) -> Sql:
    return exp.Cast(this=_own(value), to=exp.DataType.build(sql_type, dialect="duckdb"))


def try_cast(value: Sql, sql_type: str) -> Sql:
    return exp.TryCast(this=_own(value), to=exp.DataType.build(sql_type, dialect="duckdb"))


def try_(value: Sql) -> Sql:
    """Null where the expression fails; it must not hold a `fail` (see `apart`)."""
    return call("TRY", value)


def compare(operator: str, left: Sql, right: Sql) -> Sql:
    return _COMPARISONS[operator](this=_operand(left), expression=_operand(right))


def arithmetic(operator: str, left: Sql, right: Sql) -> Sql:
    return _ARITHMETIC[operator](this=_operand(left), expression=_operand(right))


def between(value: Sql, first: Sql, last: Sql) -> Sql:
    """Whether a value is one of a range, both ends included."""
    return exp.Between(this=_operand(value), low=_own(first), high=_own(last))


def like(value: Sql, pattern: str) -> Sql:
    """Whether a text has a form: `_` is any character, `%` any text."""
    return exp.Like(this=_operand(value), expression=text(pattern))


def concat(*operands: Sql) -> Sql:
    """`||`: null where an operand is."""
    joined = _operand(operands[0])
    for operand in operands[1:]:
        joined = exp.DPipe(this=joined, expression=_operand(operand))
    return joined


def all_of(*conditions: Sql) -> Sql:
    return _chained(exp.And, conditions)


def some_of(*conditions: Sql) -> Sql:
    return _chained(exp.Or, conditions)


def negate(condition: Sql) -> Sql:
    return exp.Not(this=_operand(condition))


def is_null(value: Sql) -> Sql:
    return exp.Is(this=_operand(value), expression=NULL())


def is_not_null(value: Sql) -> Sql:
    return exp.Is(this=_operand(value), expression=exp.Not(this=NULL()))


def is_true(condition: Sql) -> Sql:
    return exp.Is(this=_operand(condition), expression=TRUE())


def length_of(value: Sql) -> Sql:
    return call("len", value)


def aggregate(source: Sql, function: str, *arguments: Sql) -> Sql:
    """An aggregate of a list; `list_count` and the like are macros of it, which take as long again to plan."""
    return call("list_aggregate", source, text(function), *arguments)


def count(source: Sql) -> Sql:
    """The number of elements that are not null."""
    return aggregate(source, "count")


def joined(source: Sql, separator: Sql) -> Sql:
    """The texts of a list one after the other, without its nulls; null where there is none."""
    return aggregate(source, "string_agg", separator)


def coalesce(*values: Sql) -> Sql:
    return call("coalesce", *values)


def fail(message: str) -> Sql:
    """Stops the query with a message."""
    return call("error", text(message))


def _chained(connector: type[exp.Connector], conditions: tuple[Sql, ...]) -> Sql:
    if len(conditions) == 1:
        return conditions[0]
    joined, *others = (_connected(condition, connector) for condition in conditions)
    for other in others:
        joined = connector(this=joined, expression=other)
    return joined


def _connected(condition: Sql, connector: type[exp.Connector]) -> Sql:
    """An operand of AND or OR: only other connectors bind less tightly."""
    loose = isinstance(condition, exp.Connector) and not isinstance(condition, connector)
    return exp.Paren(this=_own(condition)) if loose else _own(condition)


def _own(value: Sql) -> Sql:
    """The value itself the first time that it is put into a tree, and a copy of it after that."""
    return value if value.parent is None else value.copy()


def _atom(value: Sql) -> Sql:
    return _own(value) if isinstance(value, _ATOMS) else exp.Paren(this=_own(value))


def _operand(value: Sql) -> Sql:
    return _own(value) if isinstance(value, _OPERANDS) else exp.Paren(this=_own(value))
