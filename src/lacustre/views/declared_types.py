"""The extension of a ViewDefinition that says how its columns are typed, whatever the build says.

::

    {"url": "https://lacustre.health/StructureDefinition/view-types",
     "extension": [{"url": "mode", "valueCode": "native"}, {"url": "partialDates", "valueCode": "start"}]}

Either part may be left out, and is then the build's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias, get_args

from lacustre.views.types import PartialDates, TypeMode

TYPES_EXTENSION = "https://lacustre.health/StructureDefinition/view-types"

Fault: TypeAlias = Callable[[str, str, str, str | None], None]
"""Notes a fault: code, JSON pointer, message, hint."""

_PARTS: Mapping[str, tuple[str, ...]] = {"mode": get_args(TypeMode), "partialDates": get_args(PartialDates)}


def read_declared_types(document: Mapping[str, object], fault: Fault) -> tuple[TypeMode | None, PartialDates | None]:
    """The mode and the rule of partial dates that a view declares, None for what it leaves to the build."""
    found: dict[str, str] = {}
    for pointer, part in _parts(document):
        name, code = part.get("url"), part.get("valueCode")
        if not isinstance(name, str) or name not in _PARTS:
            fault("view_types", f"{pointer}/url", f"{name!r} is no part of the extension", "mode, partialDates")
        elif code not in _PARTS[name]:
            fault("view_types", f"{pointer}/valueCode", f"{name} is not {code!r}", " or ".join(_PARTS[name]))
        elif name in found:
            fault("view_types", pointer, f"{name} is given twice", None)
        else:
            found[name] = str(code)
    return _mode(found.get("mode")), _partial(found.get("partialDates"))


def _parts(document: Mapping[str, object]) -> Iterator[tuple[str, Mapping[str, object]]]:
    """The parts of the extension, each with its pointer; what is no list or object holds none."""
    for pointer, extension in _objects(document, ""):
        if extension.get("url") == TYPES_EXTENSION:
            yield from _objects(extension, pointer)


def _objects(owner: Mapping[str, object], pointer: str) -> Iterator[tuple[str, Mapping[str, object]]]:
    items = owner.get("extension")
    for index, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, Mapping):
            yield f"{pointer}/extension/{index}", item


def _mode(text: str | None) -> TypeMode | None:
    match text:
        case "spec" | "native":
            return text
        case _:
            return None


def _partial(text: str | None) -> PartialDates | None:
    match text:
        case "null" | "start":
            return text
        case _:
            return None
