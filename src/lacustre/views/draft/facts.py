"""What a draft has to know of the data: how often elements repeat, where references lead, which systems codes have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from lacustre.fhir.model import Element, FhirModel
from lacustre.fhir.shape import Shape

ProbeKind: TypeAlias = Literal["times", "targets", "systems", "urls"]


@dataclass(frozen=True, slots=True)
class Probe:
    """One thing to find out of the items of a path: how many there are at the most (`times`), or which values occur and
    in how many rows: the types that references lead to, the systems of codings, the urls of extensions.
    """

    kind: ProbeKind
    path: str

    @property
    def column(self) -> str:
        """The path of the column that tells; of `times` an integer, else a collection of strings."""
        match self.kind:
            case "times":
                return f"{self.path}.count()"
            case "targets":
                return f"{self.path}.reference"
            case "systems":
                return f"{self.path}.system"
            case "urls":
                return f"{self.path}.url"


@dataclass(slots=True)
class Facts:
    """What was found. `rows` are those of the focus; values go by how many rows have them, the most frequent first."""

    rows: int = 0
    times: dict[str, int] = field(default_factory=dict)
    values: dict[tuple[ProbeKind, str], Mapping[str, int]] = field(default_factory=dict)

    def most(self, path: str) -> int:
        """How many items of a path a row has at the most; many where it was not counted."""
        return self.times.get(path, 2)

    def frequent(self, kind: ProbeKind, path: str, share: float) -> list[str]:
        """The values that at least this share of the rows has; what could not be a URI is left out."""
        found = self.values.get((kind, path), {})
        return [value for value, count in found.items() if count >= max(1, share * self.rows) and _is_uri(value)]


def _is_uri(value: str) -> bool:
    return not any(character.isspace() or not character.isprintable() for character in value)


def there(model: FhirModel, type_name: str, shape: Shape) -> Iterator[tuple[Element, str, str]]:
    """The elements of a type that a shape has: each with its JSON member's name and its type, choices apart."""
    for element in model.type(type_name).elements.values():
        for member, type_ in element.json_names:
            if member in shape:
                yield element, member, type_
