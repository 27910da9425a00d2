"""Names of columns, from names of elements."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lacustre.views.check.keywords import is_reserved
from lacustre.views.model import LAKE_PREFIX

_LABELS = {
    "http://loinc.org": "loinc",
    "http://snomed.info/sct": "snomed",
    "http://www.nlm.nih.gov/research/umls/rxnorm": "rxnorm",
    "http://hl7.org/fhir/sid/cvx": "cvx",
    "http://hl7.org/fhir/sid/ndc": "ndc",
    "http://unitsofmeasure.org": "ucum",
}


def snake_case(name: str) -> str:
    """`birthDate` to `birth_date`, `Observation.component` to `observation_component`."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return re.sub(r"[^A-Za-z0-9]+", "_", parted).strip("_").lower()


def label_of(system: str) -> str:
    """A short name of a code system or extension, from its URL: the last part that says something."""
    known = _LABELS.get(system)
    if known is not None:
        return known
    if system.startswith("urn:oid:"):
        return f"oid_{snake_case(system.removeprefix('urn:oid:'))}"
    parts = [part for part in re.split(r"[/:#]", system) if re.search(r"[A-Za-z]{2}", part)]
    label = snake_case(parts[-1]) if parts else ""
    return label if label[:1].isalpha() else f"other_{label}".strip("_")


def joined(*parts: str) -> str:
    """Parts of a name, without one that repeats the end of what is before it: `code` and `code` are `code`."""
    name = ""
    for part in parts:
        if part and not (name == part or name.endswith(f"_{part}")):
            name = f"{name}_{part}" if name else part
    return name


def distinct(names: Iterable[str], prefix: str) -> list[str]:
    """The names as columns have them: none reserved, none twice (letter case aside), each beginning with a letter."""
    taken: set[str] = set()
    found = []
    for name in names:
        is_free = name[:1].isalpha() and not is_reserved(name) and not name.startswith(LAKE_PREFIX)
        usable = name if is_free else f"{prefix}_{name}"
        number, chosen = 1, usable
        while chosen.casefold() in taken:
            number += 1
            chosen = f"{usable}_{number}"
        taken.add(chosen.casefold())
        found.append(chosen)
    return found
