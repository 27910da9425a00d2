"""Where terminology is found: in JSON files, and in the tables of a lake."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, TypeAlias

from lacustre.errors import TerminologyError
from lacustre.fhir.canonical import Canonical

ResourceType: TypeAlias = Literal["CodeSystem", "ConceptMap", "ValueSet"]
RESOURCE_TYPES: tuple[ResourceType, ...] = ("CodeSystem", "ConceptMap", "ValueSet")
Resource: TypeAlias = Mapping[str, Any]


class Resources(Protocol):
    """Something that has terminology resources."""

    def named(self, resource_type: ResourceType, url: str) -> Sequence[Resource]:
        """All resources of a type and url, in whatever versions there are."""


class ResourceFiles:
    """Resources that were read from files."""

    def __init__(self, resources: Sequence[Resource]) -> None:
        self._resources = resources

    def named(self, resource_type: ResourceType, url: str) -> Sequence[Resource]:
        return [
            resource
            for resource in self._resources
            if resource.get("resourceType") == resource_type and resource.get("url") == url
        ]


class Terminology:
    """Resources by canonical, of several places: what an earlier place has of a url, no later one is asked for."""

    def __init__(self, *places: Resources) -> None:
        self._places = places

    def find(self, resource_type: ResourceType, canonical: Canonical) -> Resource | None:
        """The resource that a canonical means, or None where there is none.

        Raises TerminologyError where several are meant: which of them counts is not for us to say.
        """
        for place in self._places:
            found = [
                resource
                for resource in place.named(resource_type, canonical.url)
                if canonical.means(str(resource.get("url")), resource.get("version"))
            ]
            if len({json.dumps(_content(resource), sort_keys=True, default=str) for resource in found}) > 1:
                versions = sorted({str(resource.get("version", "without a version")) for resource in found})
                message = f"there are several {resource_type} resources {canonical}: {', '.join(versions)}"
                hint = "name the version after a |" if len(versions) > 1 else "they differ: remove the wrong ones"
                raise TerminologyError("canonical_ambiguous", message, hint)
            if found:
                return found[0]
        return None


def _content(resource: Resource) -> dict[str, Any]:
    """A resource without what a server adds to each copy."""
    return {name: value for name, value in resource.items() if name not in ("id", "meta", "text")}
