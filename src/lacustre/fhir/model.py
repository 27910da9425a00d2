"""The types, elements and patient compartment of one FHIR release.

The tables in `definitions/` are generated from the HL7 base StructureDefinitions by
`scripts/build_fhir_model.py`. Types are built on first use, paths are cached once resolved.
"""

from __future__ import annotations

import difflib
import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final, Literal, TypeAlias, TypedDict

from lacustre.errors import InputError, SettingsError

Kind: TypeAlias = Literal["resource", "complex", "backbone", "primitive"]
JsonKind: TypeAlias = Literal["boolean", "integer", "decimal", "string"]

JSON_KINDS: Final[Mapping[str, JsonKind]] = MappingProxyType(
    {
        "boolean": "boolean",
        "integer": "integer",
        "positiveInt": "integer",
        "unsignedInt": "integer",
        "decimal": "decimal",
        "base64Binary": "string",
        "canonical": "string",
        "code": "string",
        "date": "string",
        "dateTime": "string",
        "id": "string",
        "instant": "string",
        "integer64": "string",
        "markdown": "string",
        "oid": "string",
        "string": "string",
        "time": "string",
        "uri": "string",
        "url": "string",
        "uuid": "string",
        "xhtml": "string",
    }
)
"""How each primitive type is written in JSON: integer64 is a string, integers and decimals are numbers."""

RELEASES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "R4": "r4",
        "4.0": "r4",
        "4.0.1": "r4",
        "R4B": "r4b",
        "4.3": "r4b",
        "4.3.0": "r4b",
        "R5": "r5",
        "5.0": "r5",
        "5.0.0": "r5",
        "STU3": "stu3",
        "3.0": "stu3",
        "3.0.1": "stu3",
        "3.0.2": "stu3",
    }
)
"""Every accepted spelling of a release, to the name of its table."""

_CARDINALITIES: Final[Mapping[str, tuple[bool, bool]]] = {
    "*": (True, False),
    "+": (True, True),
    "!": (False, True),
}


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a type.

    `name` is FHIR's, without `[x]`. A backbone element's type is its path (`"Patient.contact"`), and so is
    that of a content reference (`"Questionnaire.item"`, at every depth); `"Resource"` is any resource.
    """

    name: str
    types: tuple[str, ...]
    many: bool
    required: bool
    choice: bool

    @property
    def json_names(self) -> tuple[tuple[str, str], ...]:
        """The JSON member names with their types, such as `("valueQuantity", "Quantity")`."""
        if not self.choice:
            return ((self.name, self.types[0]),)
        return tuple((f"{self.name}{type_[0].upper()}{type_[1:]}", type_) for type_ in self.types)


@dataclass(frozen=True, slots=True)
class FhirType:
    """One type of a release: a resource, a complex or primitive type, or a backbone element.

    `base` is the parent type (`"BackboneElement"`, `"string"` for code) and is None for the root.
    `elements` goes by FHIR name; primitives have none, nor members. `members` goes by JSON member name, to
    the element and the member's own type: `"valueQuantity"` to (value, `"Quantity"`). It also has the members
    that carry the id and the extensions of primitives: `"_birthDate"` to (birthDate, `"Element"`); where the
    element repeats so does this member, parallel to its values. `resourceType` is not an element.
    """

    name: str
    kind: Kind
    base: str | None
    elements: Mapping[str, Element]
    members: Mapping[str, tuple[Element, str]]


class _TypeTable(TypedDict):
    kind: Kind
    base: str | None
    elements: dict[str, str]


class _ReleaseTable(TypedDict):
    """What `definitions/<release>.json.gz` holds.

    An element is written `"name": "HumanName*"`, `"value[x]": "Quantity|string"`: types separated by bars,
    then the cardinality, which is nothing for 0..1, `!` for 1..1, `*` for 0..* and `+` for 1..*.
    """

    release: str
    version: str
    abstract: list[str]
    types: dict[str, _TypeTable]
    compartment: dict[str, list[str]]


class FhirModel:
    """The types of one FHIR release; get one from `load_model`."""

    __slots__ = ("_compartment", "_paths", "_tables", "_types", "release", "resource_types", "version")

    def __init__(self, table: _ReleaseTable) -> None:
        self.version = table["version"]
        self.release = table["release"]
        self._tables = table["types"]
        self._compartment = {name: tuple(paths) for name, paths in table["compartment"].items()}
        self.resource_types = frozenset(
            name for name, type_ in self._tables.items() if type_["kind"] == "resource"
        ).difference(table["abstract"])
        """The concrete resource types: neither `Resource` nor `DomainResource`."""
        self._types: dict[str, FhirType] = {}
        self._paths: dict[str, Element] = {}

    def __repr__(self) -> str:
        return f"FhirModel({self.release}, {self.version})"

    def has_type(self, name: str) -> bool:
        """Whether the release defines `name`, a resource, complex, primitive or backbone type."""
        return name in self._tables

    def type(self, name: str) -> FhirType:
        """The type of that name.

        Raises InputError `unknown_fhir_type`, with near names, where the release has none.
        """
        found = self._types.get(name)
        if found is None:
            found = self._types[name] = self._build_type(name)
        return found

    def element(self, type_name: str, element_name: str) -> Element | None:
        """The element by its FHIR name (`"value"`, not `"valueQuantity"`), or None where the type has none.

        Raises InputError `unknown_fhir_type`.
        """
        return self.type(type_name).elements.get(element_name)

    def resolve(self, path: str) -> Element:
        """The element at a path that starts with a type: `"Patient.name.given"`, `"HumanName.given"`.

        A step is a FHIR name or a JSON member name. Only the latter leads through a choice of several types:
        `"Observation.valueQuantity.unit"`.

        Raises InputError `unknown_fhir_type`, `unknown_fhir_element` or `ambiguous_fhir_path`.
        """
        found = self._paths.get(path)
        if found is None:
            found = self._paths[path] = self._resolve_steps(path)
        return found

    def is_a(self, type_name: str, ancestor: str) -> bool:
        """Whether `type_name` is `ancestor` or derives from it: Age is a Quantity, code is a string.

        Raises InputError `unknown_fhir_type` for `type_name`.
        """
        return ancestor in self._lineage(type_name)

    def compartment(self, resource_type: str) -> tuple[str, ...]:
        """The paths of the references that put a resource in a patient's compartment, below its type.

        The clinically primary comes first: Observation gives `("subject", "performer")`, Appointment
        `("participant.actor",)`. A choice appears under its JSON member name (`"reportedReference"` of
        R5 NutritionIntake). A path says where a Patient may be referred to; the reference itself may still
        name something else. Empty for types outside the compartment. A Patient is in its own compartment by
        its `id`; `compartment("Patient")` is only what the definition lists, `("link.other",)`.

        Source: CompartmentDefinition `patient` of the release. Raises InputError `unknown_fhir_type`.
        """
        return self._compartment.get(self.type(resource_type).name, ())

    def _build_type(self, name: str) -> FhirType:
        table = self._tables.get(name)
        if table is None:
            near = _near_names(name, self._tables)
            raise InputError("unknown_fhir_type", f"{self.release} has no type {name!r}", hint=near)
        elements = {e.name: e for e in map(_read_element, table["elements"].items())}
        members = {m: pair for e in elements.values() for m, pair in _element_members(name, e)}
        return FhirType(name, table["kind"], table["base"], MappingProxyType(elements), MappingProxyType(members))

    def _resolve_steps(self, path: str) -> Element:
        root, *steps = path.split(".")
        owner, element = self.type(root), None
        for step in steps:
            if element is not None:
                owner = self.type(self._single_type(element, owner.name, path))
            element = owner.elements.get(step)
            if element is None and step in owner.members:
                member, type_ = owner.members[step]
                element = Element(member.name, (type_,), member.many, member.required, member.choice)
            if element is None:
                raise _unknown_element(owner, step)
        if element is None:
            raise InputError("unknown_fhir_element", f"{path!r} names a type, not an element")
        return element

    @staticmethod
    def _single_type(element: Element, owner: str, path: str) -> str:
        if len(element.types) == 1:
            return element.types[0]
        members = ", ".join(name for name, _ in element.json_names[:5])
        raise InputError(
            "ambiguous_fhir_path",
            f"{path!r} leads through {owner}.{element.name}, which has {len(element.types)} types",
            hint=f"name the JSON member instead: {members}…",
        )

    def _lineage(self, name: str) -> Iterator[str]:
        parent: str | None = name
        while parent is not None:
            type_ = self.type(parent)
            yield type_.name
            parent = type_.base


def load_model(version: str = "4.0.1") -> FhirModel:
    """The model of a release, loaded once per process.

    `version` is a release (`"R4"`, `"R4B"`, `"R5"`, `"STU3"`), or a version with or without its patch number.
    Raises SettingsError `unknown_fhir_version`.
    """
    table = RELEASES.get(version.strip().upper())
    if table is None:
        raise SettingsError(
            "unknown_fhir_version", f"FHIR {version!r} is not supported", hint=f"one of {', '.join(RELEASES)}"
        )
    return _load_table(table)


@cache
def _load_table(name: str) -> FhirModel:
    packed = files("lacustre.fhir").joinpath("definitions", f"{name}.json.gz").read_bytes()
    return FhirModel(json.loads(gzip.decompress(packed)))


def _read_element(entry: tuple[str, str]) -> Element:
    name, text = entry
    many, required = _CARDINALITIES.get(text[-1], (False, False))
    types = tuple(text.rstrip("*+!").split("|"))
    return Element(name.removesuffix("[x]"), types, many, required, name.endswith("[x]"))


def _element_members(owner: str, element: Element) -> Iterator[tuple[str, tuple[Element, str]]]:
    for member, type_ in element.json_names:
        yield member, (element, type_)
        if _is_extensible(owner, element, type_):
            yield f"_{member}", (element, "Element")


def _is_extensible(owner: str, element: Element, type_: str) -> bool:
    """Whether it is a primitive with an id and extensions: ids, `Extension.url` and XHTML have none."""
    attribute = element.name == "id" or (owner == "Extension" and element.name == "url")
    return type_ in JSON_KINDS and type_ != "xhtml" and not attribute


def _unknown_element(owner: FhirType, name: str) -> InputError:
    message = f"{owner.name} has no element {name!r}"
    return InputError("unknown_fhir_element", message, hint=_near_names(name, owner.elements))


def _near_names(name: str, known: Iterable[str]) -> str | None:
    by_folded = {candidate.lower(): candidate for candidate in known}
    near = [by_folded[folded] for folded in difflib.get_close_matches(name.lower(), by_folded)]
    return f"did you mean {', '.join(near)}?" if near else None
