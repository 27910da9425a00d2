"""Build the compact tables of the FHIR model, `src/lacustre/fhir/definitions/*.json.gz`.

    python scripts/build_fhir_model.py FOLDER

FOLDER holds `r4.json.gz`, `r4b.json.gz` and `r5.json.gz`: the HL7 base StructureDefinitions and the patient
compartment of each release. STU3 comes from the classes of `fhir.resources.STU3`, its compartment from R4's.
The same input gives the same bytes. The form of a table is described in `lacustre.fhir.model`.
"""

from __future__ import annotations

import argparse
import gzip
import importlib
import json
import pkgutil
import re
import typing
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any, TypeAlias

Table: TypeAlias = dict[str, Any]

DEFINITIONS = Path(__file__).resolve().parents[1] / "src" / "lacustre" / "fhir" / "definitions"
RELEASES = {"r4": ("R4", "4.0.1"), "r4b": ("R4B", "4.3.0"), "r5": ("R5", "5.0.0"), "stu3": ("STU3", "3.0.2")}

PRIMARY = ("subject", "patient", "beneficiary", "individual", "candidate")
"""Names of the references that say whom a resource is about, the strongest first."""

STU3_SUCCESSORS = {
    "BodySite": "BodyStructure",
    "EligibilityRequest": "CoverageEligibilityRequest",
    "ImagingManifest": "ImagingStudy",
    "ProcedureRequest": "ServiceRequest",
    "ReferralRequest": "ServiceRequest",
    "Sequence": "MolecularSequence",
}
"""Resource types of STU3 that R4 calls otherwise, whose compartment parameters are the successor's."""

STU3_REFERENCES = {
    "AuditEvent": ["agent.reference", "entity.reference"],
    "CommunicationRequest": ["requester.agent"],
    "ImagingManifest": ["author"],
    "ReferralRequest": ["requester.agent"],
    "SupplyRequest": ["requester.agent"],
}
"""References of the STU3 compartment that R4 moved to other elements."""

ABSTRACT = ("BackboneElement", "DomainResource", "Element", "MetadataResource", "Resource")
NO_TYPES = ("fhirprimitiveextension", "fhirresourcemodel", "fhirtypes", "integer64")
"""Modules of fhir.resources that hold no FHIR type."""

PRIMITIVE_BASES_STU3 = {
    "code": "string",
    "id": "string",
    "markdown": "string",
    "oid": "uri",
    "positiveInt": "integer",
    "unsignedInt": "integer",
    "uuid": "uri",
}


def build_tables(folder: Path) -> dict[str, Table]:
    """The table of every release, by file name; `folder` as in the description of this script."""
    sources = {name: read_json(folder / f"{name}.json.gz") for name in ("r4", "r4b", "r5")}
    types = {name: types_from_definitions(source) for name, source in sources.items()}
    types["stu3"] = types_from_classes("fhir.resources.STU3")
    compartments = {
        name: compartment_from_definition(source["patientCompartment"], types[name]) for name, source in sources.items()
    }
    # The compartment published with 4.3.0 lost Task, whose elements did not change.
    compartments["r4b"] = carry_over(compartments["r4"], types["r4b"]) | compartments["r4b"]
    compartments["stu3"] = stu3_compartment(compartments["r4"], types["stu3"])
    return {name: release_table(name, types[name], compartments[name]) for name in RELEASES}


def release_table(name: str, types: Table, compartment: dict[str, list[str]]) -> Table:
    release, version = RELEASES[name]
    return {
        "release": release,
        "version": version,
        "abstract": sorted(n for n, t in types.items() if t.pop("abstract", False)),
        "types": dict(sorted(types.items())),
        "compartment": {n: primary_first(paths) for n, paths in sorted(compartment.items()) if paths},
    }


def read_json(path: Path) -> Any:
    return json.loads(gzip.decompress(path.read_bytes()))


def pack(table: Table) -> bytes:
    """The bytes of a table's file: they depend on nothing but the table and the zlib at hand."""
    return gzip.compress(json.dumps(table, separators=(",", ":")).encode(), compresslevel=9, mtime=0)


# From StructureDefinitions


def types_from_definitions(source: Table) -> Table:
    """The types by name, as `_TypeTable` of `lacustre.fhir.model` (and `abstract` where they are)."""
    types: Table = {}
    for definition in source["structureDefinitions"]:
        name = definition["name"]
        types[name] = {
            "kind": definition["kind"].removesuffix("-type"),
            "base": definition.get("baseDefinition", "").rpartition("/")[2] or None,
            "elements": {},
        }
        if definition["abstract"]:
            types[name]["abstract"] = True
        if types[name]["kind"] != "primitive":
            add_elements(types, definition["snapshot"]["element"][1:])
    return types


def add_elements(types: Table, elements: list[Table]) -> None:
    parents = {element["path"].rpartition(".")[0] for element in elements}
    for element in elements:
        if element["max"] == "0":
            continue
        owner, _, name = element["path"].rpartition(".")
        if element["path"] in parents:
            [base] = element["type"]
            types[element["path"]] = {"kind": "backbone", "base": base["code"], "elements": {}}
            names = [element["path"]]
        else:
            names = element_types(element, types[owner]["kind"])
        types[owner]["elements"][name] = write_element(names, element["max"] != "1", element["min"] > 0)


def element_types(element: Table, owner_kind: str) -> list[str]:
    if "contentReference" in element:
        return [element["contentReference"].partition("#")[2]]
    codes = [type_["code"] for type_ in element["type"]]
    if codes[0].startswith("http://hl7.org/fhirpath/System."):
        return [system_type(element["path"], owner_kind)]
    return codes


def system_type(path: str, owner_kind: str) -> str:
    """The FHIR type where a definition gives a FHIRPath type: ids and `Extension.url`.

    The definitions' own `fhirType` says `string` for the id of a resource in R4 and varies in R5.
    """
    if path == "Extension.url":
        return "uri"
    assert path.endswith(".id"), path
    return "id" if owner_kind == "resource" else "string"


def write_element(types: list[str], many: bool, required: bool) -> str:
    mark = {(False, False): "", (False, True): "!", (True, False): "*", (True, True): "+"}[many, required]
    return "|".join(dict.fromkeys(types)) + mark


# From the classes of fhir.resources


def types_from_classes(package: str) -> Table:
    """The complex and resource types that a package of `fhir.resources` 8 defines, as from definitions.

    Primitive types are those that occur, with the bases of STU3.
    """
    roots = root_classes(package)
    paths = {cls: name for name, cls in roots.items()}
    for name, cls in roots.items():
        assign_paths(cls, name, paths)
    types: Table = {path: class_type(cls, path, paths) for cls, path in paths.items()}
    primitives = {
        type_
        for table in types.values()
        for text in table["elements"].values()
        for type_ in text.rstrip("*+!").split("|")
        if type_ not in types
    }
    for name in primitives:
        types[name] = {"kind": "primitive", "base": PRIMITIVE_BASES_STU3.get(name, "Element"), "elements": {}}
    return types


def root_classes(package: str) -> dict[str, Any]:
    """The class of every type that is not a backbone element, by type name."""
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
            if module.ispkg or module.name in NO_TYPES:
                continue
            members = vars(importlib.import_module(f"{package}.{module.name}"))
            found |= {name: cls for name, cls in members.items() if name.lower() == module.name}
    return found


def assign_paths(cls: Any, path: str, paths: dict[Any, str]) -> None:
    """Give the backbone classes below `cls` their paths; content references lead to one of these."""
    for name, field in element_fields(cls):
        child, _ = field_class(field)
        if isinstance(child, type) and child not in paths and child.__name__ == cls.__name__ + capitalise(name):
            paths[child] = f"{path}.{name}"
            assign_paths(child, paths[child], paths)


def class_type(cls: Any, path: str, paths: dict[Any, str]) -> Table:
    parent = cls.__mro__[1]
    lineage = {c.__name__ for c in cls.__mro__}
    kind = "backbone" if "." in path else "resource" if "Resource" in lineage else "complex"
    table = {"kind": kind, "base": paths.get(parent), "elements": class_elements(cls, paths)}
    if path in ABSTRACT:
        table["abstract"] = True
    return table


def class_elements(cls: Any, paths: dict[Any, str]) -> dict[str, str]:
    groups: dict[str, list[tuple[str, bool, bool]]] = {}
    for name, field in element_fields(cls):
        leaf, many = field_class(field)
        extra = field.json_schema_extra or {}
        choice = extra.get("one_of_many")
        required = field.is_required() or extra.get("element_required") or extra.get("one_of_many_required")
        type_ = leaf if isinstance(leaf, str) else paths[leaf]
        groups.setdefault(f"{choice}[x]" if choice else name, []).append((type_, many, bool(required)))
    return {
        name: write_element([type_ for type_, _, _ in group], group[0][1], group[0][2])
        for name, group in groups.items()
    }


def element_fields(cls: Any) -> Iterator[tuple[str, Any]]:
    """The elements in the order of the definition, by FHIR name: the alias, as Python reserves `class`."""
    by_alias = {field.alias: field for field in cls.model_fields.values()}
    for alias in cls.elements_sequence():
        yield alias, by_alias[alias]


def field_class(field: Any) -> tuple[Any, bool]:
    """What a field holds (a class, or the name of a primitive type) and whether it is a list of that."""
    annotation, many = field.annotation, False
    while True:
        origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
        if origin is typing.Annotated:
            marker = type(annotation.__metadata__[-1]).__name__.removesuffix("Version")
            return marker[0].lower() + marker[1:], many
        if origin is typing.Union or origin is UnionType:
            [annotation] = [a for a in arguments if a is not type(None)]
        elif origin is list:
            annotation, many = arguments[0], True
        elif annotation is bool:
            return "boolean", many
        else:
            module, _, name = annotation._model_klass.rpartition(".")
            return getattr(importlib.import_module(module), name), many


def capitalise(name: str) -> str:
    return name[0].upper() + name[1:]


# The patient compartment


def compartment_from_definition(parameters: list[Table], types: Table) -> dict[str, list[str]]:
    """The reference paths of each resource type, below it, in the order of the definition."""
    found: dict[str, list[str]] = {}
    for parameter in parameters:
        resource = parameter["code"]
        terms = [t for p in parameter["param"] for t in (p.get("expression") or "").split("|")]
        own = [t.strip() for t in terms if re.match(rf"\(?{resource}\.", t.strip())]
        paths = [path for term in own if (path := reference_path(term, types)) is not None]
        found[resource] = list(dict.fromkeys(paths))
    return found


TERM = re.compile(
    r"\(?(?P<path>[A-Z]\w+(?:\.(?!where\(|ofType\(|as\()\w+)+)"
    r"(?: as (?P<as>\w+)\)|\.(?:as|ofType)\((?P<of>\w+)\)|\.where\(resolve\(\) is Patient\))?"
)


def reference_path(term: str, types: Table) -> str | None:
    """`Observation.subject.where(resolve() is Patient)` to `subject`; None where the term is no Reference."""
    match = TERM.fullmatch(term)
    assert match, f"unknown form of compartment expression: {term}"
    resource, _, path = match["path"].partition(".")
    kind = match["as"] or match["of"] or "Reference"
    return plain_reference(resource, path, types) if kind == "Reference" else None


def plain_reference(resource: str, path: str, types: Table) -> str | None:
    """The path where it leads to a Reference, a choice under its JSON member name; else None."""
    owner, json_path = resource, []
    for step in path.split("."):
        elements = types.get(owner, {"elements": {}})["elements"]
        choice = f"{step}[x]" in elements
        text = elements.get(f"{step}[x]" if choice else step)
        if text is None:
            return None
        names = text.rstrip("*+!").split("|")
        owner = "Reference" if choice and "Reference" in names else names[0]
        json_path.append(f"{step}{owner}" if choice else step)
    return ".".join(json_path) if owner == "Reference" else None


def carry_over(compartment: dict[str, list[str]], types: Table) -> dict[str, list[str]]:
    """The paths of another release's compartment that lead to a Reference in this one too."""
    return {
        resource: [path for path in paths if plain_reference(resource, path, types)]
        for resource, paths in compartment.items()
    }


def stu3_compartment(r4: dict[str, list[str]], types: Table) -> dict[str, list[str]]:
    """R4's compartment as far as STU3 has its types and elements.

    Types that R4 renamed follow their successor. Where R4 moved the element that says whom a resource is
    about (`ImagingStudy.patient` became `subject`), STU3's own `subject` or `patient` is added.
    """
    renamed = {old: r4[new] for old, new in STU3_SUCCESSORS.items()}
    known = carry_over({**r4, **renamed}, types)
    added = carry_over(STU3_REFERENCES, types)
    assert added == STU3_REFERENCES, "a path that STU3 does not have"
    return {
        resource: [*own_subject(resource, types, paths), *paths, *added.get(resource, ())]
        for resource, paths in known.items()
    }


def own_subject(resource: str, types: Table, paths: list[str]) -> list[str]:
    if set(paths) & set(PRIMARY):
        return []
    return [name for name in ("subject", "patient") if plain_reference(resource, name, types)]


def primary_first(paths: list[str]) -> list[str]:
    return sorted(paths, key=lambda path: PRIMARY.index(path) if path in PRIMARY else len(PRIMARY))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the folder with the base definitions")
    for name, table in build_tables(parser.parse_args().folder).items():
        path = DEFINITIONS / f"{name}.json.gz"
        path.write_bytes(pack(table))
        print(f"{path.name}: {len(table['types'])} types, {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
