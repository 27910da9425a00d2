"""Members of JSON objects in the kind that FHIR gives them: files beside the queries were not checked by a load."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias, TypeVar

from lacustre.errors import TerminologyError

Node: TypeAlias = Mapping[str, Any]
T = TypeVar("T")


def objects(owner: Node, name: str) -> list[Node]:
    """The objects of an array; none where there is no such member. Raises TerminologyError for another kind."""
    return _items(owner, name, dict)


def texts(owner: Node, name: str) -> list[str]:
    """The strings of an array, likewise."""
    return _items(owner, name, str)


def child(owner: Node, name: str) -> Node:
    """An object; an empty one where there is no such member."""
    return _one(owner, name, dict) or {}


def text(owner: Node, name: str) -> str | None:
    """A string that is not empty."""
    return _one(owner, name, str) or None


def flag(owner: Node, name: str) -> bool | None:
    return _one(owner, name, bool)


def number(owner: Node, name: str) -> int | None:
    value = _one(owner, name, int)
    if isinstance(value, bool):
        raise _wrong(name)
    return value


def _items(owner: Node, name: str, kind: type[T]) -> list[T]:
    value = owner.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, kind) for item in value):
        raise _wrong(name)
    return value


def _one(owner: Node, name: str, kind: type[T]) -> T | None:
    value = owner.get(name)
    if value is not None and not isinstance(value, kind):
        raise _wrong(name)
    return value


def _wrong(name: str) -> TerminologyError:
    return TerminologyError("terminology_faulty", f"a member {name} is not of the kind that FHIR gives it")
