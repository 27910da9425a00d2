"""String functions of one item (FHIRPath §5.6). Characters are code points."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lacustre.views.duckdb import sql
from lacustre.views.duckdb.emitter import EMITTERS, Emitter
from lacustre.views.duckdb.sql import Sql
from lacustre.views.ir import Apply, FunctionName, Literal, Split

_WHITE_SPACE = "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
"""The characters with the property White_Space of Unicode."""

_DOT_ALL = "s"
_ENTITIES = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#39;"))


def _index_of(_: Apply, source: Sql, part: Sql) -> Sql:
    """The position from 0; -1 where it is none."""
    found = sql.arithmetic("-", sql.call("instr", source, part), sql.number(1))
    return sql.cast_to(found, "INTEGER")


def _substring(_: Apply, source: Sql, start: Sql, length: Sql | None = None) -> Sql:
    """From a position from 0; empty where it lies outside the string (FHIRPath §5.6.2)."""
    position = sql.arithmetic("+", sql.cast_to(start, "BIGINT"), sql.number(1))
    rest = sql.call("substring", source, position)
    if length is not None:
        taken = sql.call("substring", source, position, sql.call("greatest", length, sql.number(0)))
        rest = sql.case((sql.is_not_null(length), taken), default=rest)
    inside = (sql.compare(">=", start, sql.number(0)), sql.compare("<", start, sql.call("length", source)))
    return sql.case((sql.all_of(*inside), rest))


def _length(_: Apply, source: Sql) -> Sql:
    return sql.cast_to(sql.call("length", source), "INTEGER")


def _trim(_: Apply, source: Sql) -> Sql:
    return sql.call("trim", source, sql.text(_WHITE_SPACE))


def _replace(value: Apply, source: Sql, part: Sql, other: Sql) -> Sql:
    """An empty part stands before every character and at the end (FHIRPath §5.6.8)."""
    everywhere = sql.concat(other, sql.coalesce(_joined(source, other), sql.text("")))
    replaced = sql.call("replace", source, part, other)
    pattern = value.arguments[0]
    if isinstance(pattern, Literal):
        return replaced if pattern.value else sql.case((sql.is_not_null(source), everywhere))
    empty = sql.all_of(sql.compare("=", part, sql.text("")), sql.is_not_null(source))
    return sql.case((empty, everywhere), default=replaced)


def _joined(source: Sql, other: Sql) -> Sql:
    """Every character, each followed by `other`; null where there are no characters."""
    followed = sql.transform(_characters(source), "ch", sql.concat(sql.item("ch"), other))
    return sql.call("array_to_string", followed, sql.text(""))


def _characters(source: Sql) -> Sql:
    """Null where there are none: DuckDB splits the empty text into one empty character."""
    return sql.call("string_split", sql.call("nullif", source, sql.text("")), sql.text(""))


def _matches(_: Apply, source: Sql, pattern: Sql) -> Sql:
    return sql.call("regexp_matches", source, pattern, sql.text(_DOT_ALL))


def _matches_full(_: Apply, source: Sql, pattern: Sql) -> Sql:
    return sql.call("regexp_full_match", source, pattern, sql.text(_DOT_ALL))


def _replace_matches(_: Apply, source: Sql, pattern: Sql, replacement: Sql) -> Sql:
    return sql.call("regexp_replace", source, pattern, replacement, sql.text(f"g{_DOT_ALL}"))


def _encode(value: Apply, source: Sql, _: Sql) -> Sql:
    octets = sql.call("encode", source)
    match _form_of(value):
        case "hex":
            return sql.call("lower", sql.call("hex", octets))
        case "base64":
            return sql.call("to_base64", octets)
        case _:
            return sql.call("translate", sql.call("to_base64", octets), sql.text("+/"), sql.text("-_"))


def _decode(value: Apply, source: Sql, _: Sql) -> Sql:
    """Null where the text is not well-formed, or not of Unicode characters in UTF-8."""
    return sql.apart(source, lambda text: _decoded(_form_of(value), text))


def _decoded(form: str, text: Sql) -> Sql:
    match form:
        case "hex":
            even = sql.call("regexp_full_match", text, sql.text("([0-9A-Fa-f]{2})*"))
            return sql.case((even, sql.try_(sql.call("decode", sql.call("unhex", text)))))
        case "base64":
            return sql.try_(sql.call("decode", sql.call("from_base64", text)))
        case _:
            formed = sql.call("regexp_full_match", text, sql.text("[0-9A-Za-z_-]*=*"))
            plain = sql.call("translate", text, sql.text("-_"), sql.text("+/"))
            return sql.case((formed, sql.try_(sql.call("decode", sql.call("from_base64", plain)))))


def _escape(value: Apply, source: Sql, _: Sql) -> Sql:
    if _form_of(value) == "html":
        escaped = source
        for character, entity in _ENTITIES:
            escaped = sql.call("replace", escaped, sql.text(character), sql.text(entity))
        return escaped
    quoted = sql.cast_to(sql.call("to_json", source), "VARCHAR")
    inner = sql.arithmetic("-", sql.call("length", quoted), sql.number(2))
    return sql.case((sql.is_not_null(source), sql.call("substring", quoted, sql.number(2), inner)))


def _unescape(_: Apply, source: Sql, __: Sql) -> Sql:
    """Null where the text could not stand in a JSON string."""

    def read(text: Sql) -> Sql:
        quoted = sql.concat(sql.text('"'), text, sql.text('"'))
        return sql.try_(sql.call("json_extract_string", quoted, sql.text("$")))

    return sql.apart(source, read)


def _form_of(value: Apply) -> str:
    [form] = [argument.value for argument in value.arguments if isinstance(argument, Literal)]
    return str(form)


def _emit_split(emitter: Emitter, value: Split) -> Sql:
    source, separator = emitter.emit(value.source), emitter.emit(value.separator)
    if not isinstance(value.separator, Literal):
        there = sql.compare("!=", separator, sql.text(""))
        return sql.case((there, sql.call("string_split", source, separator)))
    return sql.call("string_split", source, separator) if value.separator.value else _characters(source)


def _named(function: str) -> Callable[..., Sql]:
    """A FHIRPath function that DuckDB has under a name of its own."""
    return lambda _, *operands: sql.call(function, *operands)


FUNCTIONS: Mapping[FunctionName, Callable[..., Sql]] = {
    "indexOf": _index_of,
    "substring": _substring,
    "startsWith": _named("starts_with"),
    "endsWith": _named("ends_with"),
    "contains": _named("contains"),
    "upper": _named("upper"),
    "lower": _named("lower"),
    "trim": _trim,
    "length": _length,
    "replace": _replace,
    "matches": _matches,
    "matchesFull": _matches_full,
    "replaceMatches": _replace_matches,
    "encode": _encode,
    "decode": _decode,
    "escape": _escape,
    "unescape": _unescape,
}

EMITTERS[Split] = _emit_split
