"""DuckDB's own parser and tokens: what checks a query reads it as what runs it does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import duckdb

from lacustre.errors import Diagnostic

MAX_BYTES = 1_000_000
"""Of the text of one query."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token, from `start` to `end`, which is exclusive, in bytes of the text's UTF-8."""

    kind: duckdb.token_type
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Parsed:
    """The statements of a text as trees, or why there are none; `position` in bytes."""

    statements: tuple[dict[str, Any], ...] = ()
    error: str = ""
    message: str = ""
    position: int | None = None


def tokens(data: bytes) -> Iterator[Token]:
    """The tokens of an SQL text in UTF-8, white space left out of their ends."""
    found = duckdb.tokenize(data.decode())
    ends = [*(start for start, _ in found), len(data)][1:]
    for (start, kind), end in zip(found, ends, strict=True):
        yield Token(kind, start, start + len(data[start:end].rstrip()))


def parse(sql: str) -> Parsed:
    """Parse a text; statements that are no SELECT are an error of the type `not implemented`."""
    try:
        ((serialized,),) = _parser().cursor().execute("SELECT json_serialize_sql($sql)", {"sql": sql}).fetchall()
        tree = json.loads(serialized)
    except (duckdb.Error, RecursionError) as error:
        return Parsed(error="unreadable", message=type(error).__name__)
    if not tree["error"]:
        return Parsed(tuple(tree["statements"]))
    position = tree.get("position")
    return Parsed((), tree["error_type"], tree["error_message"], int(position) if position else None)


def deparse(statement: Mapping[str, Any]) -> str:
    """SQL of a statement's tree, in DuckDB's own writing; raises duckdb.Error where it makes no sense."""
    tree = json.dumps({"error": False, "statements": [statement]})
    ((sql,),) = _parser().cursor().execute("SELECT json_deserialize_sql($tree)", {"tree": tree}).fetchall()
    return str(sql)


@cache
def reserved_words() -> frozenset[str]:
    """The words that name no table unless they are quoted."""
    query = "SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category = 'reserved'"
    return frozenset(word for (word,) in _parser().cursor().execute(query).fetchall())


@cache
def _parser() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(":memory:")


def fault_at(code: str, message: str, data: bytes, start: int | None, hint: str | None = None) -> Diagnostic:
    """A fault of the token at a position, given in bytes, of an SQL text."""
    if start is None or not 0 <= start < len(data):
        return Diagnostic(code, message, hint=hint)
    before = len(data[:start].decode(errors="ignore"))
    end = next((token.end for token in tokens(data) if token.start == start), start + 1)
    width = len(data[start:end].decode(errors="ignore").split("\n")[0])
    return Diagnostic(code, message, "", data.decode(), before, before + width, hint)
