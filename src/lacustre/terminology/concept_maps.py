"""The mappings of a ConceptMap, one row for each target (SQL on FHIR, "Terminology in SQL")."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from lacustre.errors import TerminologyError
from lacustre.fhir.canonical import Canonical
from lacustre.terminology.members import flag, objects, text
from lacustre.terminology.resources import Terminology

RELATIONSHIPS: Mapping[str, str | None] = MappingProxyType(
    {
        "relatedto": "related-to",
        "equivalent": "equivalent",
        "equal": "equivalent",
        "wider": "source-is-narrower-than-target",
        "subsumes": "source-is-narrower-than-target",
        "narrower": "source-is-broader-than-target",
        "specializes": "source-is-broader-than-target",
        "inexact": "related-to",
        "disjoint": "not-related-to",
        "unmatched": None,
    }
)
"""`equivalence` (STU3, R4, R4B), said of the target, to `relationship` (R5), said of the source.

`unmatched` is what R5 writes as `noMap`.
"""

_RELATIONSHIPS = frozenset({*(name for name in RELATIONSHIPS.values() if name)})
_UNSAID = ("dependsOn", "product", "valueSet")
"""What a row cannot say: the mapping holds under a condition, gives several values, or is of a whole value set."""


@dataclass(frozen=True, slots=True)
class Concept:
    """One side of a mapping; without a code, none."""

    system: str | None = None
    version: str | None = None
    code: str | None = None
    display: str | None = None


@dataclass(frozen=True, slots=True)
class Translation:
    """A row of a concept map. That a code has no target is a row without target and relationship."""

    source: Concept
    target: Concept
    relationship: str | None


def concept_map_rows(terminology: Terminology, canonical: Canonical) -> list[Translation]:
    """One row for each target of the concept map that a canonical means, and one for each code without a target.

    `group.unmapped` is a rule, not a mapping, and gives no row. Raises TerminologyError, `concept_map_not_found`, or
    for a mapping that a row cannot say.
    """
    resource = terminology.find("ConceptMap", canonical)
    if resource is None:
        hint = "load it into the lake, or put its JSON file beside the queries"
        raise TerminologyError("concept_map_not_found", f"there is no ConceptMap {canonical}", hint)
    reader = _Reader(canonical)
    groups = enumerate(objects(resource, "group"))
    return [row for index, group in groups for row in reader.group(group, f"/group/{index}")]


@dataclass(frozen=True, slots=True)
class _Reader:
    canonical: Canonical

    def group(self, group: Mapping[str, Any], pointer: str) -> Iterator[Translation]:
        source, target = Canonical.parse(text(group, "source") or ""), Canonical.parse(text(group, "target") or "")
        if not source.url:
            raise self._error(pointer, "the group has no source")
        source_version = source.version or text(group, "sourceVersion")
        to = Concept(target.url or None, target.version or text(group, "targetVersion"))
        for index, element in enumerate(objects(group, "element")):
            place = f"{pointer}/element/{index}"
            self._refuse_unsaid(element, place)
            code = text(element, "code")
            if code is None:
                raise self._error(place, "the element has no code")
            concept = Concept(source.url, source_version, code, text(element, "display"))
            yield from self._element(concept, element, to, place)

    def _element(self, source: Concept, element: Mapping[str, Any], to: Concept, pointer: str) -> Iterator[Translation]:
        targets = objects(element, "target")
        if flag(element, "noMap") is True:
            if targets:
                raise self._error(pointer, "the element has both noMap and targets")
            yield Translation(source, Concept(), None)
        for index, target in enumerate(targets):
            yield self._target(source, target, to, f"{pointer}/target/{index}")

    def _target(self, source: Concept, target: Mapping[str, Any], to: Concept, pointer: str) -> Translation:
        self._refuse_unsaid(target, pointer)
        relationship = self._relationship(target, pointer)
        if relationship is None:
            return Translation(source, Concept(), None)
        code = text(target, "code")
        if code is None:
            raise self._error(pointer, "the target has no code")
        return Translation(source, replace(to, code=code, display=text(target, "display")), relationship)

    def _relationship(self, target: Mapping[str, Any], pointer: str) -> str | None:
        found, equivalence = text(target, "relationship"), text(target, "equivalence")
        if found in _RELATIONSHIPS:
            return found
        if found is None and equivalence is not None and equivalence in RELATIONSHIPS:
            return RELATIONSHIPS[equivalence]
        raise self._error(pointer, "the target has no relationship or equivalence that FHIR knows")

    def _refuse_unsaid(self, owner: Mapping[str, Any], pointer: str) -> None:
        for name in _UNSAID:
            if owner.get(name):
                raise self._error(pointer, f"{name} makes it more than a mapping of one code to another")

    def _error(self, pointer: str, why: str) -> TerminologyError:
        return TerminologyError("concept_map_not_a_relation", f"{self.canonical} at {pointer}: {why}")
