"""The exact way to read a line: slow, complete, and the judge of what is a resource.

It reads one line with Python's own JSON parser, keeps every number's text, and refuses what cannot be a
resource. `split` then separates the defined elements of the right JSON kind, which go to typed columns, from
everything else, which stays verbatim in `lake_rest`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, NoReturn

import orjson

from lacustre.fhir.model import JSON_KINDS, FhirModel
from lacustre.store.numbers import MARK, Number

MAX_JSON_DEPTH = 64
MAX_TYPED_DEPTH = 14
"""Objects nested deeper than this go to `lake_rest`: DuckDB 2.0.0 takes twice as long to read a nested column for each
level (0.06 s at 14, 2 s at 20, 10 s at 22)."""
MAX_VALUES = 500_000
"""Commas and opening brackets of a line, each of which may begin a value that takes 500 bytes while it is read."""

_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,9}")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_SPACES = "\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_OUTSIDE_ID = rf"\x00-\x20\x7f-{_SPACES}/?#|{MARK}"
NOT_IN_ID = f"[{_OUTSIDE_ID}]"
MAX_ID_LENGTH = 128
ID_PATTERN = f"[^{_OUTSIDE_ID}]{{1,{MAX_ID_LENGTH}}}"
"""What a resource id may be: wider than FHIR, for servers that put underscores in theirs."""
_ID = re.compile(ID_PATTERN)
_ABSENT: Final = object()


class UnreadableLineError(ValueError):
    """A line that cannot be a resource; `code` says why, `detail` where, without quoting the line."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail


def parse_resource(line: bytes) -> dict[str, Any]:
    """The resource on a line, numbers as `Number`; raises UnreadableLineError, also for duplicate members."""
    if is_crowded(line):
        raise UnreadableLineError("oversized", f"more than {MAX_VALUES} values")
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise UnreadableLineError("not_utf8", f"byte {error.start} of the line") from None
    resource = _check_resource(_parse(text))
    if _SURROGATE.search(text):
        dump_verbatim(resource)
    return resource


def is_crowded(line: bytes) -> bool:
    """Whether a line may hold more than MAX_VALUES values; those in its texts count too, for speed."""
    return len(line) > MAX_VALUES and line.count(b",") + line.count(b"[") + line.count(b"{") > MAX_VALUES


def _parse(text: str) -> Any:
    try:
        return json.loads(
            text,
            parse_int=Number,
            parse_float=Number,
            parse_constant=_refuse_constant,
            object_pairs_hook=_unique_members,
        )
    except json.JSONDecodeError as error:
        raise UnreadableLineError("not_json", f"character {error.pos} of the line: {error.msg}") from None
    except RecursionError:
        raise _too_deep() from None


def _check_resource(value: Any) -> dict[str, Any]:
    if type(value) is not dict:
        raise UnreadableLineError("not_an_object")
    if depth_exceeds(value, MAX_JSON_DEPTH):
        raise _too_deep()
    resource_type, identifier = value.get("resourceType"), value.get("id")
    if type(resource_type) is not str or not resource_type:
        raise UnreadableLineError("no_resource_type")
    if not is_usable_id(identifier):
        raise UnreadableLineError("no_id", "" if identifier is None else "the id is not a usable text")
    return value


def _too_deep() -> UnreadableLineError:
    return UnreadableLineError("too_deep", f"nested beyond {MAX_JSON_DEPTH} levels")


def is_usable_id(identifier: Any) -> bool:
    """Whether a key can be made of it; wider than FHIR's `id`, for servers that put underscores in theirs."""
    return type(identifier) is str and _ID.fullmatch(identifier) is not None


def depth_exceeds(value: Any, limit: int) -> bool:
    """Whether objects and lists are nested more than `limit` deep."""
    level: list[Any] = [value]
    for _ in range(limit):
        level = [child for parent in level for child in _children(parent) if type(child) in (dict, list)]
        if not level:
            return False
    return True


def _children(value: Any) -> Iterable[Any]:
    return value.values() if type(value) is dict else value


def _refuse_constant(name: str) -> NoReturn:
    raise UnreadableLineError("not_json", f"{name} is not JSON")


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise UnreadableLineError("duplicate_keys")
    return members


def dump_marked(value: Any) -> bytes:
    """Canonical text: members sorted, no white space, numbers quoted and marked."""
    return _dump(value, _mark, orjson.OPT_SORT_KEYS)


def canonical_json(text: str) -> str:
    """JSON text with members sorted and no white space, numbers as they were written."""
    return _dump(_parse(text), _fragment, orjson.OPT_SORT_KEYS).decode()


def dump_verbatim(value: Any) -> str:
    """JSON text with numbers as they were written."""
    return _dump(value, _fragment, 0).decode()


def _dump(value: Any, default: Any, options: int) -> bytes:
    try:
        return orjson.dumps(value, default, options | orjson.OPT_PASSTHROUGH_SUBCLASS)
    except TypeError:
        raise UnreadableLineError("not_unicode", "a text holds half of a surrogate pair") from None


def _mark(number: Number) -> str:
    return MARK + number


def _fragment(number: Number) -> orjson.Fragment:
    return orjson.Fragment(number.encode())


@dataclass(frozen=True, slots=True)
class _Member:
    kind: str | None  # JSON kind of a primitive, None for an object
    many: bool
    type_name: str


@cache
def typed_members(model: FhirModel, type_name: str) -> dict[str, _Member]:
    """JSON members of a type that typed columns can hold, all but embedded resources."""
    return {
        name: _Member(JSON_KINDS.get(member_type), element.many, member_type)
        for name, (element, member_type) in model.type(type_name).members.items()
        if not _is_embedded(model, member_type)
    }


def _is_embedded(model: FhirModel, type_name: str) -> bool:
    return model.type(type_name).kind == "resource"


Rest = list[tuple[str, Any]]


class Splitter:
    """Separates the typed part of resources of one type from the rest."""

    def __init__(self, model: FhirModel, resource_type: str) -> None:
        self._model = model
        self._type = resource_type

    def split(self, resource: dict[str, Any]) -> tuple[dict[str, Any], Rest]:
        """The typed part, without `resourceType`, and the rest as JSON pointers with their values."""
        rest: Rest = []
        members = {name: value for name, value in resource.items() if name != "resourceType"}
        return self._object(members, self._type, "", 0, rest), rest

    def _object(self, value: dict[str, Any], type_name: str, at: str, depth: int, rest: Rest) -> dict[str, Any]:
        members = typed_members(self._model, type_name)
        typed = {}
        for name, item in value.items():
            member = members.get(name)
            pointer = f"{at}/{_escape(name)}"
            kept = _ABSENT if member is None else self._member(member, item, pointer, depth, rest)
            if kept is _ABSENT:
                rest.append((pointer, item))
            else:
                typed[name] = kept
        return typed

    def _member(self, member: _Member, value: Any, at: str, depth: int, rest: Rest) -> Any:
        if not member.many:
            return self._value(member, value, at, depth, rest)
        if type(value) is not list:
            return _ABSENT
        return self._items(member, value, at, depth, rest)

    def _items(self, member: _Member, values: list[Any], at: str, depth: int, rest: Rest) -> Any:
        typed: list[Any] = []
        rest_below: Rest = []
        filled = False
        for index, item in enumerate(values):
            kept = None if item is None else self._value(member, item, f"{at}/{index}", depth, rest_below)
            if kept is _ABSENT:
                if type(item) is not dict or member.kind is not None:
                    return _ABSENT
                kept = None
                rest_below.append((f"{at}/{index}", item))
            elif kept is not None:
                filled = True
            typed.append(kept)
        if not filled:
            return _ABSENT
        rest.extend(rest_below)
        return typed

    def _value(self, member: _Member, value: Any, at: str, depth: int, rest: Rest) -> Any:
        if member.kind is not None:
            return value if _is_kind(member.kind, value) else _ABSENT
        if type(value) is not dict or depth >= MAX_TYPED_DEPTH:
            return _ABSENT
        rest_below: Rest = []
        typed = self._object(value, member.type_name, at, depth + 1, rest_below)
        if not typed:
            return _ABSENT
        rest.extend(rest_below)
        return typed


def _is_kind(kind: str, value: Any) -> bool:
    if kind == "string":
        return type(value) is str and MARK not in value
    if kind == "boolean":
        return type(value) is bool
    if type(value) is not Number:
        return False
    return kind == "decimal" or (_INTEGER.fullmatch(value) is not None and -(2**31) <= int(value) < 2**31)


def _escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1") if "~" in name or "/" in name else name
