"""Library resources: what is read of them, and every fault with its place."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lacustre.errors import SqlLibraryError
from lacustre.fhir.canonical import Canonical
from lacustre.query.library import LIBRARY_TYPES, SQL_TEXT, Dependency, Parameter, Variant
from lacustre.query.library_json import library_json, parse_library, read_library

SQL = "SELECT p.id FROM patient p WHERE p.city = :city"


def content(sql: str, content_type: str = "application/sql", shown: str | None = None) -> dict[str, Any]:
    extension = [{"url": SQL_TEXT, "valueString": sql if shown is None else shown}]
    return {"contentType": content_type, "extension": extension, "data": base64.b64encode(sql.encode()).decode()}


def document(**members: Any) -> dict[str, Any]:
    made = {
        "resourceType": "Library",
        "type": {"coding": [{"system": LIBRARY_TYPES, "code": "sql-query"}]},
        "name": "patients_of_a_city",
        "status": "active",
        "relatedArtifact": [
            {"type": "depends-on", "resource": "https://example.org/ViewDefinition/patient|2", "label": "patient"}
        ],
        "parameter": [{"name": "city", "type": "string", "use": "in", "documentation": "A city"}],
        "content": [content(SQL)],
        **members,
    }
    return {name: value for name, value in made.items() if value is not None}


def faults(**members: Any) -> list[tuple[str, str]]:
    with pytest.raises(SqlLibraryError) as caught:
        parse_library(document(**members))
    return [(fault.code, fault.pointer) for fault in caught.value.diagnostics]


def test_a_library_is_read() -> None:
    library = parse_library(document(version="1.0.0", author=[{"name": "Unit 4"}, {"name": "Unit 5"}]))
    assert (library.name, library.kind, library.status, library.version) == (
        "patients_of_a_city",
        "sql-query",
        "active",
        "1.0.0",
    )
    assert library.dependencies == (
        Dependency("patient", Canonical("https://example.org/ViewDefinition/patient", "2"), "/relatedArtifact/0"),
    )
    assert library.parameters == (Parameter("city", "string", "A city"),)
    assert library.variants == (Variant(None, SQL, "/content/0"),)
    assert library.authors == ("Unit 4", "Unit 5")


@pytest.mark.parametrize(
    ("content_type", "dialect"),
    [
        ("application/sql", None),
        ("application/sql;dialect=duckdb", "duckdb"),
        ("application/sql; charset=utf-8; dialect=DuckDB", "duckdb"),
        ("Application/SQL ; Dialect = postgresql", "postgresql"),
    ],
)
def test_dialects(content_type: str, dialect: str | None) -> None:
    assert parse_library(document(content=[content(SQL, content_type)])).variants[0].dialect == dialect


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"resourceType": "Patient"}, ("library_resource_type", "/resourceType")),
        ({"type": None}, ("library_type", "/type")),
        ({"type": {"coding": [{"system": "x", "code": "sql-query"}]}}, ("library_type", "/type")),
        ({"type": {"coding": [{"system": LIBRARY_TYPES, "code": "sql"}]}}, ("library_type", "/type")),
        ({"name": "of a city"}, ("library_name", "/name")),
        ({"status": "final"}, ("library_status", "/status")),
        ({"content": None}, ("content_missing", "/content")),
        ({"content": {}}, ("library_not_array", "/content")),
        ({"content": [content(SQL), content(SQL)]}, ("content_duplicate", "/content/0")),
        ({"content": [content(SQL, "text/plain")]}, ("content_type", "/content/0/contentType")),
        ({"content": [content(SQL, "application/sqlx")]}, ("content_type", "/content/0/contentType")),
        ({"content": [content(SQL, shown="SELECT 1")]}, ("sql_text_differs", "/content/0")),
        ({"content": [content(" ")]}, ("content_data", "/content/0")),
        ({"content": [{"contentType": "application/sql"}]}, ("content_data", "/content/0")),
        ({"content": [{"contentType": "application/sql", "data": "%%"}]}, ("content_data", "/content/0/data")),
        ({"content": [{"contentType": "application/sql", "data": "/w=="}]}, ("content_data", "/content/0/data")),
        ({"content": [{"data": "U0VMRUNUIDE="}]}, ("content_type", "/content/0")),
        ({"parameter": [{"name": "a b", "type": "string", "use": "in"}]}, ("parameter_name", "/parameter/0/name")),
        ({"parameter": [{"name": "a", "type": "Quantity", "use": "in"}]}, ("parameter_type", "/parameter/0/type")),
        ({"parameter": [{"name": "a", "use": "in"}]}, ("parameter_type", "/parameter/0")),
        ({"parameter": [{"name": "a", "type": "date"}]}, ("parameter_use", "/parameter/0")),
        ({"parameter": [{"name": "a", "type": "date", "use": "out"}]}, ("parameter_use", "/parameter/0/use")),
        (
            {"parameter": [{"name": "a", "type": "date", "use": "in", "max": "*"}]},
            ("parameter_repeats", "/parameter/0/max"),
        ),
        ({"parameter": [5]}, ("library_not_object", "/parameter/0")),
        ({"relatedArtifact": [{"type": "depends-on", "resource": "u"}]}, ("dependency_label", "/relatedArtifact/0")),
        ({"relatedArtifact": [{"type": "depends-on", "label": "u"}]}, ("dependency_resource", "/relatedArtifact/0")),
        (
            {"relatedArtifact": [{"type": "citation", "resource": "u", "label": "u"}]},
            ("dependency_type", "/relatedArtifact/0/type"),
        ),
        (
            {"relatedArtifact": [{"type": "depends-on", "resource": "u", "label": "_u"}]},
            ("label_name", "/relatedArtifact/0/label"),
        ),
        (
            {"relatedArtifact": [{"type": "depends-on", "resource": "u", "label": "Order"}]},
            ("label_reserved", "/relatedArtifact/0/label"),
        ),
        (
            {"relatedArtifact": [{"type": "depends-on", "resource": "a b", "label": "u"}]},
            ("dependency_resource", "/relatedArtifact/0/resource"),
        ),
        (
            {"relatedArtifact": [{"type": "depends-on", "resource": r, "label": r} for r in ("u", "U")]},
            ("label_duplicate", "/relatedArtifact/0/label"),
        ),
        ({"title": 5}, ("library_not_string", "/title")),
    ],
)
def test_a_fault_has_its_code_and_place(members: dict[str, Any], expected: tuple[str, str]) -> None:
    assert faults(**members)[0] == expected


def test_all_faults_are_told_at_once() -> None:
    found = faults(name="a b", status="x", parameter=[{}, {"name": "1"}], content=[content(SQL, "x")])
    assert {code for code, _ in found} == {"library_name", "library_status", "parameter_type", "parameter_use"} | {
        "content_type"
    }


def test_a_view_has_a_url_and_no_parameters() -> None:
    view = {"coding": [{"system": LIBRARY_TYPES, "code": "sql-view"}]}
    assert [code for code, _ in faults(type=view)] == ["library_url", "view_with_parameters"]
    assert parse_library(document(type=view, url="u", parameter=None, content=[content("SELECT 1")])).kind == "sql-view"


def test_shown_sql_may_differ_in_line_ends_only() -> None:
    text = "SELECT 1\nFROM patient\n"
    parse_library(document(content=[content(text, shown="SELECT 1\r\nFROM patient")], parameter=None))


def test_faults_in_a_file_have_lines() -> None:
    text = json.dumps(document(status="x"), indent=1)
    with pytest.raises(SqlLibraryError) as caught:
        read_library(text, "a.json")
    assert caught.value.diagnostics[0].line == text[: text.index('"x"')].count("\n") + 1


@pytest.mark.parametrize("text", ["", "{", "[]", "5", '{"a": NaN}', '{"name": "a", "name": "b"}', "[" * 5_000])
def test_what_is_no_json_object_is_refused(text: str) -> None:
    with pytest.raises(SqlLibraryError):
        read_library(text, "a.json")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=6,
)
_MEMBERS = st.sampled_from(sorted(document(url="u", title="t", author=[], publisher="p", description="d", version="1")))


@given(member=_MEMBERS, value=_JSON)
def test_only_typed_errors_come_out_of_broken_members(member: str, value: object) -> None:
    try:
        parse_library({**document(), member: value})
    except SqlLibraryError as error:
        assert all(fault.code and fault.message for fault in error.diagnostics)


def test_what_is_written_is_what_was_read() -> None:
    library = parse_library(
        document(
            url="https://example.org/Library/q",
            version="2",
            title="Patients d'une ville",
            author=[{"name": "Unit 4"}],
            publisher="Hospital",
            content=[content(SQL), content("SELECT 2", "application/sql;dialect=duckdb")],
        )
    )
    assert parse_library(library_json(library)) == library
