"""The columns that a draft may have: what is worth a column, for each type of element that a table holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from lacustre.fhir.model import JSON_KINDS, Element, FhirModel
from lacustre.fhir.shape import Shape
from lacustre.views.draft.facts import Facts, Probe, there
from lacustre.views.draft.names import joined, label_of, snake_case
from lacustre.views.types import kind_of

MAX_DEPTH = 2
"""Levels of backbone elements below the focus whose elements become columns."""

MAX_VALUES = 4
"""Types of references, systems of codings that get a column each."""

MAX_EXTENSIONS = 12
"""Kinds of extensions of one element that are looked at."""

_ANNOTATIONS = frozenset({"id", "extension", "modifierExtension"})
_OF_RESOURCES = frozenset({"meta", "implicitRules", "language", "text", "contained"})
"""What says how a resource is sent, not what it says."""

_PARTS: dict[str, tuple[str, ...]] = {
    "HumanName": ("use", "family", "given", "text"),
    "Address": ("line", "city", "state", "postalCode", "country", "text"),
    "ContactPoint": ("system", "value"),
    "Identifier": ("system", "value"),
    "Annotation": ("text",),
    "Attachment": ("contentType", "url", "title", "creation"),
    "Dosage": ("text", "asNeeded", "route", "doseAndRate"),
    "Dosage.doseAndRate": ("dose", "rate"),
    "Period": ("start", "end"),
    "Range": ("low", "high"),
    "Ratio": ("numerator", "denominator"),
    "Timing": ("event", "code"),
    "SampledData": ("data",),
}
"""The elements of data types that are worth a column; of other types, all are."""

_STRINGS = frozenset({"string", "code", "id", "markdown"})
"""`ofType(string)` finds all of them."""

_WITH_SPACES = frozenset({"given", "prefix", "suffix"})
_QUANTITIES = frozenset({"Quantity", "Age", "Count", "Distance", "Duration", "MoneyQuantity", "SimpleQuantity"})


@dataclass(frozen=True, slots=True)
class Candidate:
    """A column that a draft may have. `note` says what its name does not.

    `presence` is the path of a boolean that is there where the column is filled, if that is not the path itself.
    """

    name: str
    path: str
    type: str
    note: str = ""
    presence: str = ""


@dataclass(slots=True)
class Draughtsman:
    """Lists the columns for the elements of a type that a shape has.

    Without facts it lists what has to be known first, in `probes`; with them, the columns that follow from them.
    `constants` are the code systems that columns ask for, by name.
    """

    model: FhirModel
    facts: Facts
    share: float
    probes: list[Probe] = field(default_factory=list)
    constants: dict[str, str] = field(default_factory=dict)

    def columns(
        self, type_name: str, shape: Shape, path: str = "", name: str = "", depth: int = 0
    ) -> Iterator[Candidate]:
        """The columns for the elements of a type; `path` leads to it from the focus, `name` begins their names."""
        wanted = _PARTS.get(type_name)
        is_resource = self.model.type(type_name).kind == "resource"
        left_out = _ANNOTATIONS | _OF_RESOURCES if is_resource else _ANNOTATIONS
        found = [entry for entry in there(self.model, type_name, shape) if entry[0].name not in left_out]
        if wanted is not None:
            found = sorted((e for e in found if e[0].name in wanted), key=lambda entry: wanted.index(entry[0].name))
        for element, member, type_ in found:
            step = f"{path}.{element.name}" if path else element.name
            typed = f"{step}.ofType({type_})" if element.choice else step
            named = joined(name, snake_case(member if element.choice else element.name))
            yield from self._element(element, type_, shape[member], typed, named, depth)
        if is_resource and "lastUpdated" in shape.get("meta", {}):
            yield Candidate("last_updated", "meta.lastUpdated", "instant")
        if depth == 0 and "extension" in shape:
            yield from self._extensions(shape["extension"], f"{path}.extension" if path else "extension", name)

    def _element(
        self, element: Element, type_: str, shape: Shape, path: str, name: str, depth: int
    ) -> Iterator[Candidate]:
        if not element.many:
            yield from self._one(type_, shape, path, name, depth)
        elif type_ in JSON_KINDS:
            yield from _primitives(element, type_, path, name)
        else:
            self.probes.append(Probe("times", path))
            times = self.facts.most(path)
            if times > 1 and "." in type_:
                note = f"up to {times}; `--for-each {path}` gives each a row"
                there_is = f"{path}.exists().where($this)"
                yield Candidate(joined(name, "count"), f"{path}.count()", "integer", note, there_is)
            else:
                note = f"first of up to {times}" if times > 1 else ""
                for found in self._one(type_, shape, f"{path}.first()", name, depth):
                    yield replace(found, note="; ".join(filter(None, (note, found.note))))

    def _extensions(self, shape: Shape, path: str, name: str, nested: bool = False) -> Iterator[Candidate]:
        """The columns for the extensions that are frequent, and for those inside them."""
        self.probes.append(Probe("urls", path))
        for url in self.facts.frequent("urls", path, self.share)[:MAX_EXTENSIONS]:
            label = label_of(url)
            asked = _literal(url) if nested else f"%{self._constant(f'{label}_url', url)}"
            here, named = f"{path}({asked})", joined(name, label)
            texts = {type_ for _, _, type_ in there(self.model, "Extension", shape)} & _STRINGS
            for _, member, type_ in there(self.model, "Extension", shape):
                if member.startswith("value") and not (type_ in texts and "string" in texts - {type_}):
                    yield from self._one(
                        type_, shape[member], f"{here}.value.ofType({type_}).first()", named, MAX_DEPTH
                    )
            if not nested and "extension" in shape:
                yield from self._extensions(shape["extension"], f"{here}.extension", named, nested=True)

    def _one(self, type_: str, shape: Shape, path: str, name: str, depth: int) -> Iterator[Candidate]:
        """The columns for one item of a type."""
        if type_ in JSON_KINDS:
            yield Candidate(name, path, type_)
        elif type_ == "CodeableConcept":
            yield from self._concept(shape, path, name)
        elif type_ == "Coding":
            yield from self._coding(shape, path, name)
        elif type_ == "Reference":
            yield from self._reference(shape, path, name)
        elif type_ in _QUANTITIES:
            yield from _quantity(shape, path, name)
        elif type_ == "Period":
            yield from self.columns(type_, shape, path, name.removesuffix("_period"), depth)
        elif type_ in _PARTS or depth < MAX_DEPTH:
            yield from self.columns(type_, shape, path, name, depth + 1)

    def _concept(self, shape: Shape, path: str, name: str) -> Iterator[Candidate]:
        if "coding" in shape:
            codings = f"{path}.coding"
            self.probes.append(Probe("times", codings))
            times = self.facts.most(codings)
            yield from self._coding(shape["coding"], f"{codings}.first()", name, codings)
            if times > 1:
                yield from self._codings_by_system(codings, name)
        if "text" in shape:
            yield Candidate(joined(name, "text"), f"{path}.text", "string")

    def _coding(self, shape: Shape, path: str, name: str, codings: str = "") -> Iterator[Candidate]:
        """A system that all codings have is told in the note of the code, without a column of its own."""
        self.probes.append(Probe("systems", codings or path))
        systems = self.facts.values.get(("systems", codings or path), {})
        times = self.facts.most(codings) if codings else 1
        notes = [f"first of up to {times} codings"] if times > 1 else []
        if "system" in shape and len(systems) != 1:
            yield Candidate(joined(name, "system"), f"{path}.system", "uri", "; ".join(notes))
        if len(systems) == 1:
            notes += [f"code of {next(iter(systems))}"]
        if "code" in shape:
            yield Candidate(joined(name, "code"), f"{path}.code", "code", "; ".join(notes))
        if "display" in shape:
            yield Candidate(joined(name, "display"), f"{path}.display", "string")

    def _codings_by_system(self, codings: str, name: str) -> Iterator[Candidate]:
        systems = self.facts.frequent("systems", codings, self.share)
        for system in systems[:MAX_VALUES] if len(systems) > 1 else ():
            label = label_of(system)
            constant = self._constant(f"{label}_system", system)
            path = f"{codings}.where(system = %{constant}).first().code"
            yield Candidate(joined(name, label), path, "code", f"code of {system}")

    def _constant(self, name: str, value: str) -> str:
        """The name of a constant with this value."""
        number, chosen = 1, name
        while self.constants.setdefault(chosen, value) != value:
            number += 1
            chosen = f"{name}_{number}"
        return chosen

    def _reference(self, shape: Shape, path: str, name: str) -> Iterator[Candidate]:
        if "reference" in shape:
            self.probes.append(Probe("targets", path))
            targets = self.facts.frequent("targets", path, self.share)[:MAX_VALUES]
            for target in targets:
                key = joined(name, snake_case(target), "id") if len(targets) > 1 else joined(name, "id")
                yield Candidate(key, f"{path}.getReferenceKey({target})", "string", f"key of the {target}")
            if not targets:
                yield Candidate(
                    joined(name, "reference"),
                    f"{path}.reference",
                    "string",
                    "the reference as it is, which names no resource by its key",
                )
        if "display" in shape:
            yield Candidate(joined(name, "display"), f"{path}.display", "string")


def _literal(text: str) -> str:
    """A string as FHIRPath writes it."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _primitives(element: Element, type_: str, path: str, name: str) -> Iterator[Candidate]:
    if kind_of(type_) != "text":
        yield Candidate(name, f"{path}.first()", type_, "the first one")
        return
    separator = " " if element.name in _WITH_SPACES else ", "
    yield Candidate(name, f"{path}.join('{separator}')", "string", "")


def _quantity(shape: Shape, path: str, name: str) -> Iterator[Candidate]:
    parts = (("value", "", "decimal"), ("comparator", "comparator", "code"), ("unit", "unit", "string"))
    for member, suffix, type_ in (*parts, ("code", "unit_code", "code")):
        if member in shape:
            yield Candidate(joined(name, suffix), f"{path}.{member}", type_)
