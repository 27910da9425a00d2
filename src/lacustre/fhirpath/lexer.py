"""FHIRPath text to tokens (FHIRPath 2.0.0, appendix A, the lexer rules)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NoReturn, TypeAlias

from lacustre.errors import Diagnostic, FhirPathSyntaxError
from lacustre.fhirpath.ast import Span

TokenKind: TypeAlias = Literal[
    "string", "integer", "decimal", "date", "dateTime", "time", "name", "quoted", "variable", "symbol", "end"
]

MAX_LENGTH = 8_000
"""Characters of the longest expression that is read."""

_DATE = r"\d{4}(?:-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01]))?)?"
_TIME = r"(?:[01]\d|2[0-3])(?::[0-5]\d(?::(?:[0-5]\d|60)(?:\.\d+)?)?)?"
_ZONE = r"(?:Z|[+-](?:0\d|1[0-4]):[0-5]\d)"
_TOKEN = re.compile(
    rf"""
      (?P<space>(?:\s|/\*.*?\*/|//[^\r\n]*)+)
    | (?P<dateTime>@{_DATE}T(?:{_TIME}{_ZONE}?)?)
    | (?P<date>@{_DATE})
    | (?P<time>@T{_TIME})
    | (?P<decimal>\d+\.\d+)
    | (?P<integer>\d+)
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<quoted>`(?:\\.|[^`\\])*`)
    | (?P<string>'(?:\\.|[^'\\])*')
    | (?P<variable>\$(?:this|index|total)\b)
    | (?P<symbol><=|>=|!=|!~|/(?!\*)|[.,()\[\]{{}}%+\-*&|<>=~])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_ESCAPED = {"f": "\f", "n": "\n", "r": "\r", "t": "\t"} | {c: c for c in "`'\"\\/"}
_UNFINISHED = {
    "'": "a string that is never closed",
    "`": "a name that is never closed",
    "@": "not a date or time",
}


@dataclass(frozen=True, slots=True)
class Token:
    """`text` is unescaped and without quotes, `@` or a trailing `T`."""

    kind: TokenKind
    text: str
    span: Span


def read_tokens(expression: str) -> tuple[Token, ...]:
    """The tokens of an expression, closed by one of kind `end`.

    Raises FhirPathSyntaxError for text that is no token, and for more than `MAX_LENGTH` characters.
    """
    if len(expression) > MAX_LENGTH:
        fail_at(expression[:60], Span(0, 60), f"an expression of more than {MAX_LENGTH} characters")
    end = Span(len(expression), len(expression))
    return (*_scan(expression), Token("end", "", end))


def fail_at(expression: str, span: Span, message: str, hint: str | None = None) -> NoReturn:
    """Raises the FhirPathSyntaxError of one fault at one place."""
    diagnostic = Diagnostic(
        "fhirpath_syntax", message, expression=expression, start=span.start, end=span.end, hint=hint
    )
    raise FhirPathSyntaxError([diagnostic], source="FHIRPath")


def _scan(expression: str) -> Iterator[Token]:
    position = 0
    while position < len(expression):
        match = _TOKEN.match(expression, position)
        if match is None:
            _fail_unread(expression, position)
        if match.lastgroup != "space":
            yield _token(expression, match)
        position = match.end()


def _token(expression: str, match: re.Match[str]) -> Token:
    kind: TokenKind = match.lastgroup  # type: ignore[assignment]  # the groups are named after the kinds
    span = Span(match.start(), match.end())
    text = match.group()
    match kind:
        case "string" | "quoted":
            text = _unescape(expression, text[1:-1], span)
        case "date" | "dateTime":
            text = text[1:].removesuffix("T")
        case "time":
            text = text[2:]
    return Token(kind, text, span)


def _unescape(expression: str, text: str, span: Span) -> str:
    def replacement(match: re.Match[str]) -> str:
        escape = match.group(1)
        if len(escape) > 1:
            return chr(int(escape[1:], 16))
        if escape not in _ESCAPED:
            start = span.start + 1 + match.start()
            fail_at(expression, Span(start, start + 2), f"an unknown escape \\{escape}")
        return _ESCAPED[escape]

    unescaped = _ESCAPE.sub(replacement, text)
    try:
        return unescaped.encode("utf-16", "surrogatepass").decode("utf-16")  # two escapes may be one character
    except UnicodeDecodeError:
        fail_at(expression, span, "half of a surrogate pair is no character")


def _fail_unread(expression: str, position: int) -> NoReturn:
    character = expression[position]
    if expression.startswith("/*", position):
        fail_at(expression, Span(position, position + 2), "a comment that is never closed")
    message = _UNFINISHED.get(character, f"an unexpected character {character!r}")
    fail_at(expression, Span(position, position + 1), message)
