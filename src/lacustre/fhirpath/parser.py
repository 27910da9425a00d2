"""FHIRPath tokens to a syntax tree: the whole normative grammar (FHIRPath 2.0.0, appendix A).

A Pratt parser: an operator binds as tightly as its number in `_BINDING`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import lru_cache
from typing import NoReturn, cast

from lacustre.fhirpath.ast import (
    Binary,
    Call,
    Chain,
    ChainOperator,
    Constant,
    EmptySet,
    Expression,
    Indexer,
    Literal,
    LiteralKind,
    Member,
    Polarity,
    Quantity,
    Sign,
    Span,
    Special,
    TypeOperator,
    TypeTest,
    Variable,
    child_expressions,
)
from lacustre.fhirpath.lexer import Token, fail_at, read_tokens

MAX_DEPTH = 60
"""Levels of nesting, a step of a path counting as one."""

_LEVELS: tuple[tuple[str, ...], ...] = (
    ("implies",),
    ("or", "xor"),
    ("and",),
    ("in", "contains"),
    ("=", "~", "!=", "!~"),
    ("<=", "<", ">", ">="),
    ("|",),
    ("is", "as"),
    ("+", "-", "&"),
    ("*", "/", "div", "mod"),
)
_BINDING = {operator: level for level, operators in enumerate(_LEVELS) for operator in operators}
_DISPUTED = frozenset({"|", "<", "<=", ">", ">="})
"""What binds more tightly than `is` in the grammar of FHIRPath 2.0.0, and less in its table and in later grammars."""

_CHAINED = frozenset({"and", "or", "|"})
_RESERVED = frozenset({"and", "or", "xor", "implies", "div", "mod", "true", "false"})
_UNITS = ("year", "month", "week", "day", "hour", "minute", "second", "millisecond")
_CALENDAR = frozenset(_UNITS) | {f"{unit}s" for unit in _UNITS}


@lru_cache(maxsize=4096)
def parse_expression(expression: str) -> Expression:
    """The syntax tree of one FHIRPath expression.

    Raises FhirPathSyntaxError, with the place, for text outside the grammar, longer than
    `lexer.MAX_LENGTH` characters or nested deeper than `MAX_DEPTH`.
    """
    tree = _Parser(expression).parse()
    _check_depth(expression, tree)
    return tree


def _check_depth(expression: str, tree: Expression) -> None:
    pending = [(tree, 1)]
    while pending:
        node, depth = pending.pop()
        if depth > MAX_DEPTH:
            _fail_deep(expression, node.span)
        pending += [(child, depth + 1) for child in child_expressions(node)]


def _fail_deep(expression: str, span: Span) -> NoReturn:
    fail_at(expression, span, f"an expression nested more than {MAX_DEPTH} deep")


class _Parser:
    def __init__(self, expression: str) -> None:
        self._expression = expression
        self._tokens = read_tokens(expression)
        self._position = 0
        self._depth = 0

    def parse(self) -> Expression:
        tree = self._binary(0)
        if self._token.kind != "end":
            self._fail("the end of the expression")
        return tree

    @property
    def _token(self) -> Token:
        return self._tokens[self._position]

    def _advance(self) -> Token:
        token = self._token
        self._position += 1
        return token

    def _at(self, *symbols: str) -> bool:
        return self._token.kind == "symbol" and self._token.text in symbols

    def _expect(self, symbol: str) -> Token:
        if not self._at(symbol):
            self._fail(f"`{symbol}`")
        return self._advance()

    def _fail(self, expected: str) -> NoReturn:
        token = self._token
        found = "the end" if token.kind == "end" else f"`{self._expression[token.span.start : token.span.end]}`"
        fail_at(self._expression, token.span, f"expected {expected}, found {found}")

    def _nested(self, parse: Callable[[], Expression]) -> Expression:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            _fail_deep(self._expression, self._token.span)
        tree = parse()
        self._depth -= 1
        return tree

    def _operator(self, weakest: int) -> str | None:
        token = self._token
        if token.kind not in ("symbol", "name"):
            return None
        level = _BINDING.get(token.text)
        return token.text if level is not None and level >= weakest else None

    def _binary(self, weakest: int, right_of: str | None = None) -> Expression:
        left = self._polarity()
        while (operator := self._operator(weakest)) is not None:
            token = self._advance()
            if operator in ("is", "as"):
                left = self._type_test(left, operator, right_of)
                continue
            right = self._nested(lambda name=operator: self._binary(_BINDING[name] + 1, name))  # type: ignore[misc]
            left = _combine(token, left, right)
        return left

    def _type_test(self, operand: Expression, operator: str, right_of: str | None) -> TypeTest:
        names = [self._name("a type")]
        while self._at("."):
            self._advance()
            names.append(self._name("a type"))
        span = names[0].span.to(names[-1].span)
        name = ".".join(token.text for token in names)
        beside = right_of if right_of in _DISPUTED else None
        return TypeTest(cast(TypeOperator, operator), operand, name, span, operand.span.to(span), beside)

    def _polarity(self) -> Expression:
        if not self._at("+", "-"):
            return self._path()
        token = self._advance()
        operand = self._nested(self._polarity)
        return Polarity(cast(Sign, token.text), operand, token.span.to(operand.span))

    def _path(self) -> Expression:
        tree = self._term()
        while self._at(".", "["):
            if self._advance().text == ".":
                tree = self._invocation(tree)
            else:
                index = self._nested(lambda: self._binary(0))
                tree = Indexer(tree, index, tree.span.to(self._expect("]").span))
        return tree

    def _term(self) -> Expression:
        token = self._token
        match token.kind:
            case "string" | "date" | "dateTime" | "time":
                self._advance()
                return self._checked(Literal(token.kind, token.text, token.span))
            case "integer" | "decimal":
                return self._number()
            case "name" if token.text in ("true", "false"):
                self._advance()
                return Literal("boolean", token.text, token.span)
            case "symbol" if token.text in ("(", "{", "%"):
                return self._enclosed()
            case _:
                return self._invocation(None)

    def _enclosed(self) -> Expression:
        opening = self._advance()
        if opening.text == "%":
            return self._constant(opening)
        if opening.text == "{":
            return EmptySet(opening.span.to(self._expect("}").span))
        tree = self._nested(lambda: self._binary(0))
        self._expect(")")
        return tree

    def _constant(self, percent: Token) -> Constant:
        quoted = self._token.kind == "string"
        name = self._advance() if quoted else self._name("the name of a constant")
        return Constant(name.text, percent.span.to(name.span))

    def _number(self) -> Expression:
        number = self._advance()
        unit = self._token
        if unit.kind == "string" or (unit.kind == "name" and unit.text in _CALENDAR):
            self._advance()
            return Quantity(number.text, unit.text, unit.kind == "name", number.span.to(unit.span))
        return Literal(cast(LiteralKind, number.kind), number.text, number.span)

    def _checked(self, literal: Literal) -> Literal:
        """A date that no calendar has (`@2015-02-30`) is refused here: the lexer sees digits only."""
        day = literal.text[:10]
        if literal.kind in ("date", "dateTime") and not is_in_calendar(day):
            fail_at(self._expression, literal.span, f"{day} is not a date")
        return literal

    def _invocation(self, source: Expression | None) -> Expression:
        if self._token.kind == "variable":
            token = self._advance()
            if source is not None:
                fail_at(self._expression, token.span, f"`{token.text}` stands at the start of a path only")
            return Special(cast(Variable, token.text), token.span)
        name = self._name("an element, a function or a value")
        start = name.span if source is None else source.span
        if not self._at("("):
            return Member(source, name.text, name.span, start.to(name.span))
        arguments = self._arguments()
        return Call(source, name.text, arguments, name.span, start.to(self._expect(")").span))

    def _arguments(self) -> tuple[Expression, ...]:
        self._expect("(")
        if self._at(")"):
            return ()
        arguments = [self._nested(lambda: self._binary(0))]
        while self._at(","):
            self._advance()
            arguments.append(self._nested(lambda: self._binary(0)))
        return tuple(arguments)

    def _name(self, expected: str) -> Token:
        token = self._token
        if token.kind != "quoted" and (token.kind != "name" or token.text in _RESERVED):
            self._fail(expected)
        return self._advance()


def _combine(token: Token, left: Expression, right: Expression) -> Expression:
    span = left.span.to(right.span)
    if token.text not in _CHAINED:
        return Binary(token.text, left, right, token.span, span)
    operator = cast(ChainOperator, token.text)
    if isinstance(left, Chain) and left.operator == operator:
        return Chain(operator, (*left.operands, right), span)
    return Chain(operator, (left, right), span)


def is_in_calendar(day: str) -> bool:
    """Whether there is such a year, month or day; `day` has the form of one."""
    try:
        date.fromisoformat(day + "0001-01-01"[len(day) :])
    except ValueError:
        return False
    return True
