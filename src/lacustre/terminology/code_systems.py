"""The concepts of a CodeSystem that is there as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lacustre.errors import TerminologyError
from lacustre.fhir.canonical import Canonical
from lacustre.terminology.members import Node, objects, text
from lacustre.terminology.resources import Resource, Terminology

MAX_DEPTH = 100
"""Concepts inside each other, and value sets that import each other."""

_INACTIVE = frozenset({"inactive", "retired"})


@dataclass(frozen=True, slots=True)
class Concept:
    """A concept; `abstract` ones group others and are not chosen themselves."""

    code: str
    display: str | None
    inactive: bool
    abstract: bool


@dataclass(frozen=True, slots=True)
class CodeSystem:
    version: str | None
    concepts: tuple[Concept, ...]


def complete_code_system(terminology: Terminology, canonical: Canonical) -> CodeSystem | None:
    """The code system, where it is there with all of its concepts; None where it is not there, or not all of it."""
    resource = terminology.find("CodeSystem", canonical)
    if resource is None or text(resource, "content") != "complete":
        return None
    return CodeSystem(text(resource, "version"), tuple(_concepts(resource, resource, 0)))


def _concepts(owner: Resource, system: Resource, depth: int) -> Iterator[Concept]:
    if depth > MAX_DEPTH:
        message = f"the concepts of {system.get('url')} are nested more than {MAX_DEPTH} deep"
        raise TerminologyError("code_system_too_deep", message)
    for entry in objects(owner, "concept"):
        code = text(entry, "code")
        if code is None:
            raise TerminologyError("code_system_faulty", f"a concept of {system.get('url')} has no code")
        properties = {text(item, "code"): _value(item) for item in objects(entry, "property")}
        yield Concept(
            code,
            text(entry, "display"),
            properties.get("inactive") is True or str(properties.get("status")) in _INACTIVE,
            properties.get("notSelectable") is True or properties.get("abstract") is True,
        )
        yield from _concepts(entry, system, depth + 1)


def _value(item: Node) -> object:
    return next((value for name, value in item.items() if name.startswith("value")), None)
