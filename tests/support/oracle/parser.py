"""A FHIRPath parser for the oracle alone, so that a fault of the real parser shows (FHIRPath N1, grammar)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias


class OracleError(Exception):
    """The view is wrong, or an expression cannot be evaluated on these resources."""


@dataclass(frozen=True)
class Literal:
    value: bool | int | Decimal | str
    type: str  # System.Boolean, System.Integer, System.Decimal, System.String, System.Date…


@dataclass(frozen=True)
class Name:
    """A member of `target`, or of the focus where there is no target."""

    target: Tree | None
    name: str


@dataclass(frozen=True)
class Variable:
    name: str  # "$this" or "%name"


@dataclass(frozen=True)
class Call:
    target: Tree | None
    name: str
    arguments: tuple[Tree, ...]


@dataclass(frozen=True)
class Index:
    target: Tree
    index: Tree


@dataclass(frozen=True)
class Unary:
    operator: str
    operand: Tree


@dataclass(frozen=True)
class Binary:
    operator: str
    left: Tree
    right: Tree


@dataclass(frozen=True)
class TypeTest:
    operator: str  # "is" or "as"
    operand: Tree
    type: str


@dataclass(frozen=True)
class Empty:
    """The literal `{}`."""


Tree: TypeAlias = Literal | Name | Variable | Call | Index | Unary | Binary | TypeTest | Empty

TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*|/\*.*?\*/)
      | (?P<datetime>@\d{4}(?:-\d\d(?:-\d\d)?)?
            (?:T(?:\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?(?:Z|[+-]\d\d:\d\d)?)?)?)
      | (?P<time>@T\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?)
      | (?P<decimal>\d+\.\d+)
      | (?P<integer>\d+)
      | (?P<string>'(?:[^'\\]|\\.)*')
      | (?P<variable>\$(?:this|index|total)|%(?:[A-Za-z_]\w*|`(?:[^`\\]|\\.)+`|'(?:[^'\\]|\\.)+'))
      | (?P<name>[A-Za-z_]\w*)
      | (?P<quoted>`(?:[^`\\]|\\.)+`)
      | (?P<symbol><=|>=|!=|!~|[=~<>+\-*/&|.,()\[\]{}])""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)

ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "`": "`", "'": "'", '"': '"', "\\": "\\", "/": "/"}

PRECEDENCE = {
    symbol: level
    for level, symbols in enumerate(
        (
            ("implies",),
            ("or", "xor"),
            ("and",),
            ("in", "contains"),
            ("=", "!=", "~", "!~"),
            ("is", "as"),
            ("<", ">", "<=", ">="),
            ("|",),
            ("+", "-", "&"),
            ("*", "/", "div", "mod"),
        ),
        start=1,
    )
    for symbol in symbols
}
POLARITY = 11

NAMES_OF_OPERATORS = {"as", "is", "contains", "in"}
"""Keywords that the grammar also takes as identifiers."""


@dataclass(frozen=True)
class Token:
    kind: str
    text: str


def tokenize(text: str) -> Iterator[Token]:
    position = 0
    while position < len(text):
        match = TOKEN.match(text, position)
        if match is None:
            raise OracleError(f"cannot read {text!r} at {position}")
        position = match.end()
        if match.lastgroup != "space":
            yield Token(str(match.lastgroup), match.group())
    yield Token("end", "")


def unescape(text: str) -> str:
    def replace(match: re.Match[str]) -> str:
        code = match[1]
        if code[0] == "u" and len(code) == 5:
            return chr(int(code[1:], 16))
        if code not in ESCAPES:
            raise OracleError(f"unknown escape \\{code}")
        return ESCAPES[code]

    return re.sub(r"\\(u[0-9a-fA-F]{4}|.)", replace, text, flags=re.DOTALL)


class Parser:
    """A Pratt parser: `expression(level)` reads operators that bind more tightly than `level`."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(tokenize(text))
        self.position = 0

    def parse(self) -> Tree:
        tree = self.expression(0)
        if self.peek().kind != "end":
            raise OracleError(f"{self.text!r}: nothing may follow at {self.peek().text!r}")
        return tree

    def peek(self) -> Token:
        return self.tokens[self.position]

    def next(self) -> Token:
        self.position += 1
        return self.tokens[self.position - 1]

    def accept(self, text: str) -> bool:
        token = self.peek()
        found = token.text == text and token.kind in {"symbol", "name"}
        self.position += found
        return found

    def expect(self, text: str) -> None:
        if not self.accept(text):
            raise OracleError(f"{self.text!r}: {text!r} expected, not {self.peek().text!r}")

    def expression(self, level: int) -> Tree:
        left = self.prefix()
        while self.peek().kind in {"symbol", "name"} and PRECEDENCE.get(self.peek().text, 0) > level:
            operator = self.next().text
            if operator in {"is", "as"}:
                left = TypeTest(operator, left, self.type_name())
            else:
                left = Binary(operator, left, self.expression(PRECEDENCE[operator]))
        return left

    def prefix(self) -> Tree:
        for sign in "+-":
            if self.accept(sign):
                return Unary(sign, self.expression(POLARITY))
        return self.postfix(self.term())

    def postfix(self, tree: Tree) -> Tree:
        while True:
            if self.accept("."):
                tree = self.invocation(tree)
            elif self.accept("["):
                tree = Index(tree, self.expression(0))
                self.expect("]")
            else:
                return tree

    def term(self) -> Tree:
        if self.accept("("):
            tree = self.expression(0)
            self.expect(")")
            return tree
        if self.accept("{"):
            self.expect("}")
            return Empty()
        token = self.peek()
        if token.kind == "variable":
            return Variable(variable_name(self.next().text))
        literal = read_literal(token)
        if literal is not None:
            self.next()
            return literal
        return self.invocation(None)

    def invocation(self, target: Tree | None) -> Tree:
        name = self.identifier()
        if not self.accept("("):
            return Name(target, name)
        if self.accept(")"):
            return Call(target, name, ())
        arguments = [self.expression(0)]
        while self.accept(","):
            arguments.append(self.expression(0))
        self.expect(")")
        return Call(target, name, tuple(arguments))

    def identifier(self) -> str:
        token = self.next()
        if token.kind == "quoted":
            return unescape(token.text[1:-1])
        reserved = token.text in PRECEDENCE and token.text not in NAMES_OF_OPERATORS
        if token.kind != "name" or reserved:
            raise OracleError(f"{self.text!r}: a name expected, not {token.text!r}")
        return token.text

    def type_name(self) -> str:
        name = self.identifier()
        while self.accept("."):
            name += f".{self.identifier()}"
        return name


def variable_name(text: str) -> str:
    return f"%{unescape(text[2:-1])}" if text[1] in "`'" else text


def read_literal(token: Token) -> Literal | None:
    text = token.text
    match token.kind:
        case "string":
            return Literal(unescape(text[1:-1]), "System.String")
        case "integer":
            return Literal(int(text), "System.Integer")
        case "decimal":
            return Literal(Decimal(text), "System.Decimal")
        case "time":
            return Literal(text[2:], "System.Time")
        case "datetime":
            return Literal(text[1:].rstrip("T"), "System.DateTime" if "T" in text else "System.Date")
        case "name" if text in {"true", "false"}:
            return Literal(text == "true", "System.Boolean")
    return None


def parse(text: object) -> Tree:
    """The tree of an expression. Raises OracleError where it is no FHIRPath."""
    if not isinstance(text, str):
        raise OracleError(f"an expression must be text, not {type(text).__name__}")
    return Parser(text).parse()


def parse_type(tree: Tree) -> str:
    """The type that an argument such as that of `ofType(FHIR.Quantity)` names."""
    if isinstance(tree, Name):
        return tree.name if tree.target is None else f"{parse_type(tree.target)}.{tree.name}"
    raise OracleError("a type name expected")


def walk(tree: Tree) -> Iterator[Tree]:
    """The tree and all its parts."""
    yield tree
    parts: tuple[Tree | None, ...] = ()
    match tree:
        case Name(target, _):
            parts = (target,)
        case Call(target, _, arguments):
            parts = (target, *arguments)
        case Index(target, index):
            parts = (target, index)
        case Unary(_, operand) | TypeTest(_, operand, _):
            parts = (operand,)
        case Binary(_, left, right):
            parts = (left, right)
    for part in parts:
        if part is not None:
            yield from walk(part)
