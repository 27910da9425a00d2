"""`:name` in SQL becomes DuckDB's parameter `$name`, where it stands for a value and nowhere else.

A colon is also part of slices (`x[1:n]`), structs (`{'a':b}`), lambdas and aliases (`total:x`). So it is the parser
that says which colons are placeholders: those with which the text cannot be parsed. Strings, comments, quoted names
and casts are tokens of their own.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import pairwise

import duckdb

from lacustre.errors import Diagnostic, near
from lacustre.query.sql_parser import MAX_BYTES, Parsed, Token, fault_at, parse, tokens

MAX_PLACEHOLDERS = 500
_NAME = re.compile(rb"[A-Za-z][A-Za-z0-9_]*")
_WORD = re.compile(rb"[A-Za-z0-9_$\x80-\xff]")
"""What `$name` would be one word with."""
_KINDS = duckdb.token_type


@dataclass(frozen=True, slots=True)
class Placed:
    """SQL with DuckDB's parameters, as long as the text it was made of, and what the parser made of it."""

    sql: str
    parsed: Parsed
    used: frozenset[str]
    faults: tuple[Diagnostic, ...]


def place_parameters(sql: str, declared: Collection[str]) -> Placed:
    """Put `$name` in the place of `:name`.

    Faults: placeholders of undeclared names, of other forms (`?`, `$1`), and colons before a declared name that SQL
    reads as something else.
    """
    original = sql.encode(errors="replace")
    if len(original) > MAX_BYTES:
        fault = Diagnostic("sql_too_long", f"the SQL has {len(original):,} bytes, more than {MAX_BYTES:,}")
        return Placed(sql, Parsed(error="unread"), frozenset(), (fault,))
    if b"\0" in original:  # where other readers may see the end
        fault = Diagnostic("sql_syntax", "the SQL has a character that text does not have, U+0000")
        return Placed(sql, Parsed(error="unread"), frozenset(), (fault,))
    found = list(tokens(original))
    colons = dict(_colons(original, found))
    data, placed = bytearray(original), dict[int, str]()
    while (parsed := parse(data.decode())).position in colons.keys() - placed.keys():
        assert parsed.position is not None
        if len(placed) == MAX_PLACEHOLDERS:
            fault = Diagnostic("sql_too_long", f"the SQL has more than {MAX_PLACEHOLDERS} placeholders")
            return Placed(sql, Parsed(error="unread"), frozenset(), (fault,))
        if _WORD.match(data, parsed.position - 1):
            hint = "put a space before the colon"
            fault = fault_at("ambiguous_placeholder", "a word ends where :name begins", original, parsed.position, hint)
            return Placed(sql, Parsed(error="unread"), frozenset(), (fault,))
        placed[parsed.position] = colons[parsed.position]
        data[parsed.position] = ord("$")
    faults = [
        *_foreign(original, found),
        *_undeclared(original, placed, declared),
        *_ambiguous(original, {start: name for start, name in colons.items() if start not in placed}, declared),
    ]
    return Placed(data.decode(), parsed, frozenset(placed.values()), tuple(faults))


def _colons(data: bytes, found: list[Token]) -> Iterator[tuple[int, str]]:
    """The colons that a name follows at once, and the names."""
    for colon, name in pairwise(found):
        text = data[name.start : name.end]
        if data[colon.start : colon.end] == b":" and name.start == colon.end and _NAME.fullmatch(text):
            yield colon.start, text.decode()


def _foreign(data: bytes, found: list[Token]) -> Iterator[Diagnostic]:
    for token in found:
        if token.kind == _KINDS.operator and data[token.start : token.start + 1] in (b"?", b"$"):
            hint = "declare a parameter and write :name"
            yield fault_at("foreign_placeholder", "only :name stands for a value", data, token.start, hint)


def _undeclared(data: bytes, placed: dict[int, str], declared: Collection[str]) -> Iterator[Diagnostic]:
    for start, name in placed.items():
        if name not in declared:
            hint = near(name, declared) or f"declared: {', '.join(declared) or 'none'}"
            yield fault_at("parameter_undeclared", f"no parameter {name} is declared", data, start, hint)


def _ambiguous(data: bytes, others: dict[int, str], declared: Collection[str]) -> Iterator[Diagnostic]:
    for start, name in others.items():
        if name in declared:
            message = f"SQL reads this colon as a slice, a struct or an alias, and {name} is a parameter"
            hint = f"write (:{name}) for the parameter, or a space after the colon for a column {name}"
            yield fault_at("ambiguous_placeholder", message, data, start, hint)
