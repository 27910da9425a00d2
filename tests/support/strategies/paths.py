"""Paths through the resources that `support.strategies.resources` makes, with the type they lead to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import zip_longest
from typing import Any, TypeAlias

from lacustre.fhir.model import JSON_KINDS, load_model
from support.strategies import values as v
from support.strategies.resources import ANSWERS, EXTENSION_VALUES, OBSERVATION_VALUES

ELEMENTS: dict[str, tuple[str, ...]] = {
    "Patient": (
        "id", "active", "gender", "birthDate", "name", "telecom", "contact", "identifier", "deceased",
        "multipleBirth", "generalPractitioner", "managingOrganization", "link", "meta", "extension",
    ),
    "Patient.contact": ("name", "telecom", "gender"),
    "Patient.link": ("other", "type"),
    "Observation": (
        "id", "status", "code", "value", "effective", "category", "subject", "performer", "issued",
        "component", "referenceRange", "extension",
    ),
    "Observation.component": ("code", "value", "referenceRange"),
    "Observation.referenceRange": ("low", "high", "text", "appliesTo"),
    "Encounter": ("id", "status", "class", "type", "subject", "period", "participant", "diagnosis", "length"),
    "Encounter.participant": ("individual", "type", "period"),
    "Encounter.diagnosis": ("condition", "rank"),
    "Condition": (
        "id", "code", "onset", "clinicalStatus", "category", "recordedDate", "subject", "encounter", "stage",
        "note",
    ),
    "Condition.stage": ("summary", "assessment"),
    "QuestionnaireResponse": ("id", "status", "subject", "authored", "author", "questionnaire", "item"),
    "QuestionnaireResponse.item": ("linkId", "text", "answer", "item"),
    "QuestionnaireResponse.item.answer": ("value", "item"),
    "HumanName": ("use", "family", "given", "period"),
    "ContactPoint": ("system", "value", "rank"),
    "Identifier": ("system", "value", "use"),
    "CodeableConcept": ("text", "coding"),
    "Coding": ("system", "code", "display", "extension"),
    "Quantity": ("value", "unit", "code"),
    "Age": ("value", "unit"),
    "Range": ("low", "high"),
    "Period": ("start", "end"),
    "Reference": ("reference", "display"),
    "Annotation": ("text", "time"),
    "Extension": ("url", "value", "extension"),
    "Meta": ("lastUpdated", "versionId", "profile"),
}  # fmt: skip

CHOICES: dict[str, tuple[str, ...]] = {
    "Observation.value": tuple(OBSERVATION_VALUES),
    "Observation.component.value": tuple(OBSERVATION_VALUES),
    "Observation.effective": ("dateTime", "Period", "instant"),
    "Patient.deceased": ("boolean", "dateTime"),
    "Patient.multipleBirth": ("boolean", "integer"),
    "Condition.onset": ("dateTime", "string", "Age", "Range", "Quantity"),
    "QuestionnaireResponse.item.answer.value": tuple(ANSWERS),
    "Extension.value": tuple(EXTENSION_VALUES),
}
"""The types that the resources put into each choice element, or types that these derive from."""


Occurring: TypeAlias = Mapping[tuple[str, tuple[str, ...]], int]
"""For a type of focus and the texts of the steps from it: the most items that they lead to in some resources."""


@dataclass(frozen=True)
class Step:
    """One step of a path: its text, the type it gives, and whether it can give several items."""

    text: str
    type: str
    many: bool


@dataclass(frozen=True)
class Path:
    """Steps from a focus; none of them for the focus itself."""

    steps: tuple[Step, ...]
    focus: str

    @property
    def text(self) -> str:
        return ".".join(step.text for step in self.steps) or "$this"

    @property
    def type(self) -> str:
        return self.steps[-1].type if self.steps else self.focus

    @property
    def many(self) -> bool:
        return any(step.many for step in self.steps)

    def items(self, occurring: Occurring) -> int:
        """How many items it leads to, at the most."""
        return occurring.get((self.focus, tuple(step.text for step in self.steps)), 0)

    def with_step(self, index: int, step: Step) -> Path:
        return replace(self, steps=(*self.steps[:index], step, *self.steps[index + 1 :]))


SUPERTYPES = {"Age": ("Quantity",), "code": ("string",), "instant": ("dateTime",)}
"""Types that others derive from, or might be taken for."""


@cache
def steps(type_: str) -> tuple[Step, ...]:
    """The steps that a path can take from a type."""
    return tuple(find_steps(type_))


def find_steps(type_: str) -> Iterator[Step]:
    for name in ELEMENTS.get(type_, ()):
        element = load_model().element(type_, name)
        assert element is not None, (type_, name)
        if not element.choice:
            yield Step(name, element.types[0], element.many)
        for choice in CHOICES[f"{type_}.{name}"] if element.choice else ():
            yield Step(f"{name}.ofType({choice})", choice, element.many)
    if type_ in {"date", "string"}:
        yield Step(f"extension('{v.URLS[0]}')", "Extension", True)


@cache
def paths(focus: str, depth: int = 3) -> tuple[Path, ...]:
    """All paths of at most `depth` steps, the shorter ones first."""
    found = [Path((), focus)]
    for path in found:
        if len(path.steps) < depth:
            found += [Path((*path.steps, step), focus) for step in steps(path.type)]
    return tuple(found)


@cache
def paths_to(focus: str, types: frozenset[str], depth: int = 3) -> tuple[Path, ...]:
    return tuple(path for path in paths(focus, depth) if path.type in types)


Item: TypeAlias = tuple[Any, str, Any]
"""A value, its type, and what the `_name` member beside it holds."""


def occurring_paths(resources: Iterable[Mapping[str, Any]], depth: int = 3) -> Occurring:
    found: dict[tuple[str, tuple[str, ...]], int] = {}
    left: list[Item] = [(resource, resource["resourceType"], None) for resource in resources]
    while left:
        item = left.pop()
        for texts, count in count_paths(item, depth).items():
            found[item[1], texts] = max(count, found.get((item[1], texts), 0))
        left += [child for _, child in children(item)]
    return found


def count_paths(item: Item, depth: int) -> Counter[tuple[str, ...]]:
    found = Counter({(): 1})
    for text, child in children(item) if depth else ():
        for texts, count in count_paths(child, depth - 1).items():
            found[text, *texts] += count
    return found


def children(item: Item) -> Iterator[tuple[str, Item]]:
    value, type_, extra = item
    if type_ in JSON_KINDS:
        for extension in (extra or {}).get("extension", ()):
            if extension["url"] == v.URLS[0]:
                yield f"extension('{v.URLS[0]}')", (extension, "Extension", None)
        return
    members = load_model().type(type_).members
    for name in {key.removeprefix("_") for key in value} & members.keys():
        element, found = members[name]
        for type_name in (found, *SUPERTYPES.get(found, ())) if found != "Resource" else ():
            text = f"{element.name}.ofType({type_name})" if element.choice else element.name
            both = zip_longest(as_list(value.get(name)), as_list(value.get(f"_{name}")))
            yield from ((text, (one, type_name, other)) for one, other in both)


def as_list(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]
