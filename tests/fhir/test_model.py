"""The FHIR model: its tables against their sources, and its look-ups."""

from __future__ import annotations

import gzip
import importlib.util
import json
import re
import timeit
from functools import cache
from importlib.resources import files
from types import ModuleType
from typing import Any

import pytest

from lacustre.errors import InputError, SettingsError
from lacustre.fhir.model import JSON_KINDS, Element, FhirModel, load_model
from support.shared import REPOSITORY, shared_dir

RELEASES = ("R4", "R4B", "R5", "STU3")

RELEASE_TABLES = ("r4", "r4b", "r5", "stu3")


@cache
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_fhir_model", REPOSITORY / "scripts/build_fhir_model.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def built() -> dict[str, Any]:
    tables: dict[str, Any] = script().build_tables(shared_dir("fhir-definitions"))
    return tables


def packed(name: str) -> bytes:
    return files("lacustre.fhir").joinpath("definitions", f"{name}.json.gz").read_bytes()


@pytest.fixture(params=RELEASES)
def model(request: pytest.FixtureRequest) -> FhirModel:
    return load_model(request.param)


@pytest.fixture
def r4() -> FhirModel:
    return load_model()


# The tables


@pytest.mark.parametrize("name", RELEASE_TABLES)
def test_the_committed_table_is_what_the_script_builds(name: str) -> None:
    committed = gzip.decompress(packed(name))
    assert json.dumps(built()[name], separators=(",", ":")).encode() == committed


@pytest.mark.parametrize("name", RELEASE_TABLES)
def test_tables_are_small_and_their_bytes_reproducible(name: str) -> None:
    assert len(packed(name)) < 50_000
    assert packed(name)[4:8] == b"\0\0\0\0"  # gzip's time stamp
    assert script().pack(built()[name]) == script().pack(json.loads(gzip.decompress(packed(name))))


KNOWN_DIFFERENCES = {
    # fhir.resources derives MetadataResource from DomainResource, without the elements of CanonicalResource.
    ("R5", "MetadataResource"),
    # An abstract type of the definitions that fhir.resources leaves out.
    ("R4B", "DataType"),
}


@pytest.mark.parametrize(("release", "package"), [("R4B", "fhir.resources.R4B"), ("R5", "fhir.resources")])
def test_definitions_agree_with_an_independent_rendering(release: str, package: str) -> None:
    own = built()[release.lower()]["types"]
    other = script().types_from_classes(package)
    differing = {
        name
        for name in own.keys() | other.keys()
        if "primitive" not in (own.get(name, other.get(name))["kind"]) and not same_type(own, other, name)
    }
    assert differing == {name for known, name in KNOWN_DIFFERENCES if known == release}
    assert primitives(own) == primitives(other)


def primitives(types: dict[str, Any]) -> set[str]:
    return {name for name, table in types.items() if table["kind"] == "primitive"}


def same_type(own: dict[str, Any], other: dict[str, Any], name: str) -> bool:
    if name not in own or name not in other:
        return False
    ours, theirs = own[name], other[name]
    same_elements = list(ours["elements"].items()) == list(theirs["elements"].items())
    return same_elements and (ours["kind"], ours["base"]) == (theirs["kind"], theirs["base"])


# The whole of a model


def test_every_element_has_types_that_exist(model: FhirModel) -> None:
    for name in all_types(model):
        for element in model.type(name).elements.values():
            assert element.types
            assert element.choice or len(element.types) == 1
            for type_ in element.types:
                assert model.has_type(type_), (name, element)


def test_every_element_resolves_by_its_own_path(model: FhirModel) -> None:
    for name in all_types(model):
        if "." in name or model.type(name).kind == "primitive":
            continue
        for path, element in walk(model, name, depth=3):
            assert model.resolve(path) == element


def test_json_members_are_unambiguous(model: FhirModel) -> None:
    for name in all_types(model):
        type_ = model.type(name)
        members = [member for e in type_.elements.values() for member, _ in e.json_names]
        assert len(members) == len(set(members)), name
        assert set(members) == {member for member in type_.members if not member.startswith("_")}


def test_primitives_are_leaves_with_a_json_kind(model: FhirModel) -> None:
    found = {name for name in all_types(model) if model.type(name).kind == "primitive"}
    assert found <= JSON_KINDS.keys()
    assert found >= {"boolean", "code", "date", "dateTime", "decimal", "instant", "integer", "string", "uri"}
    assert all(not model.type(name).elements and not model.type(name).members for name in found)


def test_every_type_descends_from_a_root(model: FhirModel) -> None:
    roots = {name for name in all_types(model) if model.type(name).base is None}
    assert roots == ({"Base"} if model.release == "R5" else {"Element", "Resource"})
    for name in all_types(model):
        ancestor = "Resource" if model.type(name).kind == "resource" else "Element"
        assert model.is_a(name, ancestor) or name == "Base"


def test_abstract_resources_are_no_resource_types(model: FhirModel) -> None:
    assert {"Patient", "Observation", "Bundle", "Binary", "Parameters"} <= model.resource_types
    abstract = {"Resource", "DomainResource", "CanonicalResource", "MetadataResource"}
    assert not abstract & model.resource_types
    assert model.type("DomainResource").kind == "resource"


def test_backbone_types_are_named_by_their_path(model: FhirModel) -> None:
    for name in all_types(model):
        if model.type(name).kind == "backbone":
            assert name in model.resolve(name).types
            assert model.type(name).base in {"BackboneElement", "Element"}


def test_resource_ids_are_ids_and_element_ids_strings(model: FhirModel) -> None:
    assert model.resolve("Patient.id").types == ("id",)
    assert model.resolve("Patient.contact.id").types == ("string",)
    assert model.resolve("HumanName.id").types == ("string",)


def all_types(model: FhirModel) -> list[str]:
    return list(built()[model.release.lower()]["types"])


def walk(model: FhirModel, path: str, depth: int, owner: str | None = None) -> list[tuple[str, Element]]:
    found = []
    for name, element in model.type(owner or path).elements.items():
        found.append((f"{path}.{name}", element))
        backbone = len(element.types) == 1 and "." in element.types[0]
        if depth > 1 and backbone:
            found += walk(model, f"{path}.{name}", depth - 1, element.types[0])
    return found


# Single elements and types


def test_cardinality_and_type(r4: FhirModel) -> None:
    assert r4.resolve("Patient.birthDate") == Element("birthDate", ("date",), False, False, False)
    assert r4.resolve("Patient.name.given") == Element("given", ("string",), True, False, False)
    assert r4.resolve("Observation.status") == Element("status", ("code",), False, True, False)
    assert r4.resolve("Observation.component") == Element("component", ("Observation.component",), True, False, False)
    assert r4.resolve("Consent.category") == Element("category", ("CodeableConcept",), True, True, False)


def test_choice_elements(r4: FhirModel) -> None:
    value = r4.resolve("Observation.component.value")
    assert value.choice and not value.many
    assert ("valueQuantity", "Quantity") in value.json_names
    assert ("valueDateTime", "dateTime") in value.json_names
    assert r4.element("Observation.component", "value") is value
    assert r4.element("Observation.component", "valueQuantity") is None
    assert r4.element("Observation.component", "value[x]") is None
    component = r4.type("Observation.component")
    assert component.members["valueQuantity"] == (value, "Quantity")
    assert "value" not in component.members
    assert r4.resolve("Patient.multipleBirth").json_names == (
        ("multipleBirthBoolean", "boolean"),
        ("multipleBirthInteger", "integer"),
    )


def test_a_json_member_name_leads_through_a_choice(r4: FhirModel) -> None:
    assert r4.resolve("Observation.valueQuantity.value").types == ("decimal",)
    assert r4.resolve("Observation.valueQuantity") == Element("value", ("Quantity",), False, False, True)
    with pytest.raises(InputError, match="which has 11 types") as raised:
        r4.resolve("Observation.value.unit")
    assert raised.value.code == "ambiguous_fhir_path"
    assert "valueQuantity" in (raised.value.hint or "")


def test_a_choice_of_one_type_is_still_a_choice() -> None:
    single = Element("effective", ("Period",), False, False, True)
    assert single.json_names == (("effectivePeriod", "Period"),)


def test_content_references_are_resolved_at_every_depth(r4: FhirModel) -> None:
    deep = r4.resolve("Questionnaire" + ".item" * 12)
    assert deep == Element("item", ("Questionnaire.item",), True, False, False)
    assert r4.resolve("Questionnaire" + ".item" * 12 + ".linkId").types == ("string",)
    assert r4.resolve("Observation.component.referenceRange").types == ("Observation.referenceRange",)
    assert r4.resolve("Bundle.entry.link").types == ("Bundle.link",)
    assert r4.resolve("QuestionnaireResponse.item.answer.item").types == ("QuestionnaireResponse.item",)


def test_recursive_data_types(r4: FhirModel) -> None:
    assert r4.resolve("Patient" + ".extension" * 9 + ".valueIdentifier.assigner.identifier.value").types == ("string",)


def test_contained_resources_are_any_resource(r4: FhirModel) -> None:
    assert r4.resolve("Patient.contained") == Element("contained", ("Resource",), True, False, False)
    assert r4.resolve("Bundle.entry.resource.id").types == ("id",)


def test_extension_members_of_primitives(r4: FhirModel) -> None:
    patient = r4.type("Patient")
    assert patient.members["_birthDate"] == (patient.elements["birthDate"], "Element")
    assert r4.type("HumanName").members["_given"][0].many
    assert r4.type("Observation").members["_valueString"][1] == "Element"
    assert not {"_id", "_name", "_contact"} & patient.members.keys()
    assert "_url" not in r4.type("Extension").members
    assert "_url" in r4.type("Attachment").members
    assert "_div" not in r4.type("Narrative").members
    assert set(r4.type("Element").members) == {"id", "extension"}


def test_inheritance(r4: FhirModel) -> None:
    assert r4.is_a("Age", "Quantity") and r4.is_a("Age", "Age") and r4.is_a("Age", "Element")
    assert r4.is_a("code", "string") and r4.is_a("positiveInt", "integer") and r4.is_a("uuid", "uri")
    assert r4.is_a("Patient", "DomainResource") and not r4.is_a("Bundle", "DomainResource")
    assert r4.is_a("Patient.contact", "BackboneElement") and r4.is_a("Timing.repeat", "Element")
    assert not r4.is_a("Quantity", "Age") and not r4.is_a("string", "code")
    assert not r4.is_a("Patient", "NoSuchType")


def test_releases_differ_as_published() -> None:
    assert load_model("STU3").resolve("Patient.animal.species").types == ("CodeableConcept",)
    assert load_model("R4").element("Patient", "animal") is None
    assert load_model("R4").resolve("Encounter.class") == Element("class", ("Coding",), False, True, False)
    assert load_model("R5").resolve("Encounter.class").many
    assert load_model("R5").resolve("Attachment.size").types == ("integer64",)
    assert load_model("STU3").resolve("Questionnaire.item.enableWhen.answer").choice
    assert load_model("STU3").resolve("Observation.related.target").types == ("Reference",)
    assert load_model("R4B").has_type("CodeableReference") and not load_model("R4").has_type("CodeableReference")
    assert load_model("STU3").type("Money").base == "Quantity"


# Faults


@pytest.mark.parametrize(
    ("name", "near"),
    [("Patien", "Patient"), ("patient", "Patient"), ("Patient.contcat", "Patient.contact"), ("Code", "code")],
)
def test_an_unknown_type_names_near_ones(r4: FhirModel, name: str, near: str) -> None:
    with pytest.raises(InputError, match=re.escape(repr(name))) as raised:
        r4.type(name)
    assert raised.value.code == "unknown_fhir_type"
    assert near in (raised.value.hint or "")
    assert not r4.has_type(name)


@pytest.mark.parametrize(
    ("path", "owner", "near"),
    [
        ("Patient.nam.given", "Patient", "name"),
        ("Patient.name.givn", "HumanName", "given"),
        ("Patient.name.given.first", "string", None),
        ("Observation.value[x]", "Observation", "value"),
        ("Patient.", "Patient", None),
        ("Patient.name..given", "HumanName", None),
        ("Patient._birthDate.valu", "Element", None),
    ],
)
def test_an_unknown_element_names_its_type_and_near_ones(
    r4: FhirModel, path: str, owner: str, near: str | None
) -> None:
    with pytest.raises(InputError, match=f"^unknown_fhir_element: {owner} has no element") as raised:
        r4.resolve(path)
    assert (raised.value.hint is None) == (near is None)
    assert near is None or near in str(raised.value.hint)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("", "unknown_fhir_type"),
        ("Patient", "unknown_fhir_element"),
        ("patient.name", "unknown_fhir_type"),
        (".name", "unknown_fhir_type"),
        ("Frog.legs", "unknown_fhir_type"),
    ],
)
def test_paths_that_name_no_element(r4: FhirModel, path: str, code: str) -> None:
    with pytest.raises(InputError) as raised:
        r4.resolve(path)
    assert raised.value.code == code


def test_nothing_like_an_unknown_type_gives_no_hint(r4: FhirModel) -> None:
    with pytest.raises(InputError) as raised:
        r4.type("zzzzqqqq")
    assert raised.value.hint is None


def test_questions_about_unknown_types(r4: FhirModel) -> None:
    for ask in (
        lambda: r4.element("Frog", "legs"),
        lambda: r4.is_a("Frog", "Frog"),
        lambda: r4.compartment("Frog"),
    ):
        with pytest.raises(InputError) as raised:
            ask()
        assert raised.value.code == "unknown_fhir_type"


# Loading


@pytest.mark.parametrize(
    ("version", "release", "full"),
    [
        ("R4", "R4", "4.0.1"),
        ("4.0", "R4", "4.0.1"),
        ("4.0.1", "R4", "4.0.1"),
        ("r4b", "R4B", "4.3.0"),
        ("4.3", "R4B", "4.3.0"),
        ("5.0.0", "R5", "5.0.0"),
        (" R5 ", "R5", "5.0.0"),
        ("stu3", "STU3", "3.0.2"),
        ("3.0.1", "STU3", "3.0.2"),
        ("3.0", "STU3", "3.0.2"),
    ],
)
def test_versions(version: str, release: str, full: str) -> None:
    model = load_model(version)
    assert (model.release, model.version) == (release, full)
    assert model is load_model(full)


@pytest.mark.parametrize("version", ["", "4", "4.0.0", "4.1.0", "R6", "DSTU2", "1.0.2", "6.0.0-ballot3"])
def test_unknown_versions(version: str) -> None:
    with pytest.raises(SettingsError) as raised:
        load_model(version)
    assert raised.value.code == "unknown_fhir_version"
    assert "4.0.1" in (raised.value.hint or "")


def test_the_default_is_r4(r4: FhirModel) -> None:
    assert r4.version == "4.0.1" and repr(r4) == "FhirModel(R4, 4.0.1)"


def test_look_ups_are_cached(r4: FhirModel) -> None:
    assert r4.type("Observation") is r4.type("Observation")
    assert r4.resolve("Observation.component.value") is r4.resolve("Observation.component.value")
    with pytest.raises(TypeError):
        r4.type("Observation").elements["x"] = r4.resolve("Observation.status")  # type: ignore[index]
    best = min(timeit.repeat(lambda: r4.resolve("Observation.component.value"), number=1000, repeat=5))
    assert best / 1000 < 50e-6
