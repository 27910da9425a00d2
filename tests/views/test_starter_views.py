"""The starter set of ViewDefinitions: well named, typed and described, and compiled without a fault."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from lacustre.fhir.model import load_model
from lacustre.views.compile import compile_view
from lacustre.views.model import load_view, parse_view

ROOT = Path(__file__).resolve().parents[2] / "view_definitions"
FILES = sorted(ROOT.rglob("*.json"))
SQL_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
# Words that SQL keeps for itself: a column must be usable without quotes.
RESERVED = {"all", "case", "desc", "end", "from", "group", "limit", "offset", "order", "select", "start", "to"}

NAMES = [
    "allergy_intolerance", "claim", "condition", "coverage", "diagnostic_report", "document_reference",
    "encounter", "immunization", "location", "medication_administration", "medication_request",
    "observation", "observation_component", "organization", "patient", "practitioner", "procedure",
    "specimen",
]  # fmt: skip


def read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def columns(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [column for select in document["select"] for column in select["column"]]


def test_what_analysts_ask_for_first_is_there() -> None:
    assert set(NAMES) <= {path.stem for path in FILES}


def test_names_are_unique() -> None:
    names = [path.stem for path in FILES]
    assert len(names) == len(set(names))


def test_files_lie_in_domain_folders() -> None:
    for path in FILES:
        domain = path.relative_to(ROOT).parts[:-1]
        assert len(domain) == 1, path.name
        assert SQL_NAME.fullmatch(domain[0])


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.stem))
def test_the_definition_says_what_it_is(path: Path) -> None:
    document = read(path)
    assert document["resourceType"] == "ViewDefinition"
    assert document["name"] == path.stem
    assert SQL_NAME.fullmatch(document["name"])
    assert document["url"] == f"https://lacustre.health/ViewDefinition/{path.stem}"
    assert document["status"] == "active"
    assert document["fhirVersion"] == ["4.0.1"]
    assert document["title"]
    assert document["description"].endswith(".")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.stem))
def test_columns_are_named_typed_and_described(path: Path) -> None:
    found = columns(read(path))
    names = [column["name"] for column in found]
    assert len(names) == len(set(names))
    assert names[0].endswith("id")
    for column in found:
        assert set(column) == {"name", "path", "type", "description"}
        assert SQL_NAME.fullmatch(column["name"])
        assert column["name"] not in RESERVED
        assert column["description"].endswith((".", "…"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.stem))
def test_the_first_column_is_the_key(path: Path) -> None:
    first = columns(read(path))[0]
    assert first["path"] == "getResourceKey()"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.stem))
def test_the_view_compiles(path: Path) -> None:
    model = load_model("4.0.1")
    compiled = compile_view(load_view(path), model, {})
    assert compiled.name == path.stem
    declared = [(column["name"], column["type"]) for column in columns(read(path))]
    assert [(column.name, column.type) for column in compiled.columns] == declared
    assert not any(column.collection for column in compiled.columns)
    assert compiled.warnings == ()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.stem))
def test_the_declared_types_are_those_of_the_elements(path: Path) -> None:
    """Without its types a view compiles to the same columns: the compiler finds them in the FHIR model."""
    model = load_model("4.0.1")
    document = read(path)
    untyped = json.loads(json.dumps(document))
    for column in columns(untyped):
        del column["type"]
    compiled = compile_view(parse_view(untyped, path.name), model, {})
    inferred = {column.name: column.type for column in compiled.columns}
    assert inferred == {column["name"]: column["type"] for column in columns(document)}
