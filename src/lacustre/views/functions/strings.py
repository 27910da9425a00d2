"""String functions (FHIRPath §5.6)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import cast

from lacustre.views.functions.invocation import WRITTEN_AS_TEXT, FunctionBinder, Invocation
from lacustre.views.ir import (
    Apply,
    FunctionName,
    Join,
    Literal,
    Nothing,
    Split,
    Value,
)
from lacustre.views.navigation import RefusedError, refuse_choice
from lacustre.views.patterns import Pattern, PatternError, read_pattern, read_substitution
from lacustre.views.types import UNKNOWN, kind_of

_ENCODINGS = ("base64", "hex", "urlbase64")
_TARGETS = ("html", "json")


def _name_of(invocation: Invocation) -> FunctionName:
    return cast(FunctionName, invocation.call.name)


def _substring(invocation: Invocation) -> Value:
    arguments = (invocation.argument(index, "integer") for index in range(len(invocation.call.arguments)))
    return Apply("substring", "string", invocation.single("text"), tuple(arguments))


def _text_test(invocation: Invocation) -> Value:
    return Apply(_name_of(invocation), "boolean", invocation.single("text"), (invocation.argument(0, "text"),))


def _index_of(invocation: Invocation) -> Value:
    return Apply("indexOf", "integer", invocation.single("text"), (invocation.argument(0, "text"),))


def _length(invocation: Invocation) -> Value:
    return Apply("length", "integer", invocation.single("text"))


def _changed(invocation: Invocation) -> Value:
    return Apply(_name_of(invocation), "string", invocation.single("text"))


def _replace(invocation: Invocation) -> Value:
    arguments = (invocation.argument(0, "text"), invocation.argument(1, "text"))
    return Apply("replace", "string", invocation.single("text"), arguments)


def _join(invocation: Invocation) -> Value:
    source = invocation.source
    refuse_choice(source)
    if source.type != UNKNOWN and kind_of(source.type) not in WRITTEN_AS_TEXT:
        raise RefusedError("type_mismatch", f"join() stands on strings, not on {source.type} values")
    separator = invocation.argument(0, "text") if invocation.call.arguments else Literal("string", "")
    return Join(source, separator)


def _split(invocation: Invocation) -> Value:
    separator = invocation.argument(0, "text")
    if separator == Literal(separator.type, ""):
        raise invocation.refused_argument("empty_separator", "a separator is not empty", "toChars() gives characters")
    return Split(invocation.single("text"), separator)


def _to_chars(invocation: Invocation) -> Value:
    return Split(invocation.single("text"), Literal("string", ""))


def _fixed_text(invocation: Invocation, index: int) -> str | None:
    """The text of an argument, which has to be known beforehand; None where it is empty."""
    found = invocation.argument(index, "text")
    if isinstance(found, Literal):
        return str(found.value)
    if isinstance(found, Nothing):
        return None
    message = f"{invocation.call.name}() takes a string that is written in the view or is a constant"
    raise RefusedError("unsupported_function", message, span=invocation.call.arguments[index].span)


def _matches(invocation: Invocation) -> Value:
    text = _fixed_text(invocation, 0)
    single = invocation.single("text")
    if text is None:
        return Nothing("boolean")
    pattern = _pattern(invocation, text)
    return Apply(_name_of(invocation), "boolean", single, (Literal("string", pattern.text),))


def _pattern(invocation: Invocation, text: str) -> Pattern:
    try:
        return read_pattern(text)
    except PatternError as error:
        raise _refused_pattern(invocation, 0, text, error) from error


def _replace_matches(invocation: Invocation) -> Value:
    """An empty pattern changes nothing (FHIRPath §5.6.11)."""
    text, substitution = _fixed_text(invocation, 0), _fixed_text(invocation, 1)
    single = invocation.single("text")
    if text is None or substitution is None:
        return Nothing("string")
    if text == "":
        return single
    pattern = _pattern(invocation, text)
    if pattern.sometimes_empty:
        fault = PatternError("a pattern that matches the empty text and others", 0)
        raise _refused_pattern(invocation, 0, text, fault)
    try:
        replacement = read_substitution(substitution, pattern)
    except PatternError as error:
        raise _refused_pattern(invocation, 1, substitution, error) from error
    return Apply("replaceMatches", "string", single, (Literal("string", pattern.text), Literal("string", replacement)))


def _refused_pattern(invocation: Invocation, index: int, text: str, error: PatternError) -> RefusedError:
    shown = text if len(text) <= 60 else f"{text[:60]}…"
    message = f"{invocation.call.name}() does not take {shown!r}: {error.message}, at character {error.position + 1}"
    hint = "patterns are those of RE2, without lookaround and backreferences"
    return RefusedError("unsupported_function", message, hint, invocation.call.arguments[index].span)


def _encoded(invocation: Invocation) -> Value:
    return _in_form(invocation, _ENCODINGS)


def _escaped(invocation: Invocation) -> Value:
    return _in_form(invocation, _TARGETS)


def _in_form(invocation: Invocation, known: tuple[str, ...]) -> Value:
    form = _fixed_text(invocation, 0)
    single = invocation.single("text")
    if form is None:
        return Nothing("string")
    name = _name_of(invocation)
    if form not in known:
        message = f"{name}() takes {' or '.join(repr(entry) for entry in known)}, not {form!r}"
        raise invocation.refused_argument("unknown_form", message)
    if (name, form) == ("unescape", "html"):
        raise invocation.refused_argument("unsupported_function", "unescape('html') is not supported")
    return Apply(name, "string", single, (Literal("string", form),))


BINDERS: Mapping[str, FunctionBinder] = MappingProxyType(
    {
        "indexOf": _index_of,
        "substring": _substring,
        "startsWith": _text_test,
        "endsWith": _text_test,
        "contains": _text_test,
        "upper": _changed,
        "lower": _changed,
        "trim": _changed,
        "length": _length,
        "replace": _replace,
        "matches": _matches,
        "matchesFull": _matches,
        "replaceMatches": _replace_matches,
        "split": _split,
        "toChars": _to_chars,
        "join": _join,
        "encode": _encoded,
        "decode": _encoded,
        "escape": _escaped,
        "unescape": _escaped,
    }
)
