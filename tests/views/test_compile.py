"""The compiled view as a whole: its SQL, its columns, its hash, and what it reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from lacustre.errors import ViewDefinitionError
from lacustre.fhir.model import JSON_KINDS, FhirModel, load_model
from lacustre.fhir.shape import Shape
from lacustre.views.compile import CompiledView, compile_view
from lacustre.views.definition import Tag
from lacustre.views.model import load_view, parse_view
from support.shared import shared_dir

VIEW: dict[str, Any] = {
    "resource": "Patient",
    "name": "patients",
    "select": [
        {
            "column": [
                {"name": "id", "path": "getResourceKey()", "description": "Key."},
                {"name": "active", "path": "active", "tags": [{"name": "ansi/type", "value": "BOOLEAN"}]},
                {"name": "rank", "path": "telecom.rank.first()"},
                {"name": "given", "path": "name.given", "collection": True},
                {"name": "updated", "path": "meta.lastUpdated"},
                {"name": "photo", "path": "photo.data.first()"},
                {"name": "big", "path": "telecom.count()", "type": "integer64"},
                {"name": "value", "path": "extension('u').value.ofType(decimal)"},
            ]
        }
    ],
}
SQL_TYPES = ["VARCHAR", "BOOLEAN", "INTEGER", "VARCHAR[]", "TIMESTAMP WITH TIME ZONE", "BLOB", "BIGINT", "VARCHAR"]
SHAPE: Shape = {
    "id": {},
    "active": {},
    "telecom": {"rank": {}},
    "name": {"given": {}},
    "meta": {"lastUpdated": {}},
    "photo": {"data": {}},
    "extension": {"url": {}, "valueDecimal": {}},
}


def compile_json(view: dict[str, Any], shape: Shape | None = None, **options: Any) -> CompiledView:
    return compile_view(parse_view(view), load_model(), SHAPE if shape is None else shape, **options)


def test_output_columns() -> None:
    compiled = compile_json(VIEW)
    assert (compiled.name, compiled.resource) == ("patients", "Patient")
    assert [column.name for column in compiled.columns] == [column["name"] for column in VIEW["select"][0]["column"]]
    assert [column.sql_type for column in compiled.columns] == SQL_TYPES
    assert compiled.columns[0].description == "Key."
    assert compiled.columns[1].tags == (Tag("ansi/type", "BOOLEAN"),)
    assert [column.type for column in compiled.columns[:4]] == ["id", "boolean", "positiveInt", "string"]
    assert compiled.columns[3].collection


def test_a_table_that_is_not_there_is_empty_with_the_full_schema() -> None:
    for lineage in (False, True):
        compiled = compile_json(VIEW, {}, lineage=lineage)
        with duckdb.connect() as connection:
            assert connection.execute(compiled.sql).fetchall() == []
            found = [type_ for _, type_, *_ in connection.execute(f"DESCRIBE {compiled.sql}").fetchall()]
        assert found[: len(SQL_TYPES)] == SQL_TYPES
        hidden = ["VARCHAR", "BIGINT", "STRUCT(file VARCHAR, line BIGINT)", "VARCHAR[]"]
        assert found[len(SQL_TYPES) :] == hidden * lineage


def test_the_sql_reads_the_raw_table_and_names_every_column() -> None:
    compiled = compile_json(VIEW, lineage=True)
    assert 'FROM fhir."Patient" AS r' in compiled.sql
    assert '\'Patient/\' || r."id" AS "lake_resource"' in compiled.sql


def test_the_sql_is_the_same_every_time() -> None:
    assert len({compile_json(VIEW).sql for _ in range(3)}) == 1


def test_the_hash_is_of_the_definition_alone() -> None:
    one = compile_json(VIEW)
    assert one.hash == compile_json(VIEW, {}).hash
    assert one.hash != compile_json({**VIEW, "name": "other"}).hash
    assert one.hash != compile_json(VIEW, lineage=True).hash
    r4b = compile_view(parse_view(VIEW), load_model("4.3.0"), SHAPE)
    assert one.hash != r4b.hash
    assert len(one.hash) == 64


def test_required_paths() -> None:
    document = {
        "resource": "Patient",
        "where": [{"path": "active"}],
        "select": [
            {"column": [{"name": "a", "path": "name.where(use = 'x').family.first()"}]},
            {"forEach": "contact", "column": [{"name": "b", "path": "name.given", "collection": True}]},
            {"forEach": "extension('u')", "column": [{"name": "c", "path": "value.ofType(Quantity).value"}]},
            {"column": [{"name": "d", "path": "deceased.exists()"}, {"name": "e", "path": "birthDate.id"}]},
            {"column": [{"name": "f", "path": "managingOrganization.getReferenceKey()"}]},
        ],
    }
    assert compile_json(document).paths == (
        "_birthDate.id",
        "active",
        "contact.name.given",
        "deceasedBoolean",
        "deceasedDateTime",
        "extension.url",
        "extension.valueAge.value",
        "extension.valueCount.value",
        "extension.valueDistance.value",
        "extension.valueDuration.value",
        "extension.valueQuantity.value",
        "managingOrganization.reference",
        "name.family",
        "name.use",
    )


def test_paths_of_a_repeat() -> None:
    document = {
        "resource": "Questionnaire",
        "select": [{"repeat": ["item"], "column": [{"name": "a", "path": "linkId"}]}],
    }
    assert compile_json(document).paths == ("item.item", "item.linkId")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("name.first().family", 'r."name"[1]."family"'),
        ("name[1].family", 'r."name"[2]."family"'),
        ("maritalStatus.coding.first().code", 'r."maritalStatus"."coding"[1]."code"'),
        ("name.exists()", 'r."name" IS NOT NULL'),
        ("maritalStatus.text", 'r."maritalStatus"."text"'),
        ("name.suffix.first()", "CAST(NULL AS TEXT)"),
        ("gender = 'male'", "r.\"gender\" = 'male'"),
    ],
)
def test_paths_become_plain_access(path: str, expected: str) -> None:
    shape: Shape = {
        "name": {"family": {}},
        "gender": {},
        "maritalStatus": {"text": {}, "coding": {"code": {}}},
    }
    view = {"resource": "Patient", "select": [{"column": [{"name": "v", "path": path}]}]}
    assert compile_json(view, shape).sql == f'SELECT\n  {expected} AS "v"\nFROM fhir."Patient" AS r'


def test_expressions_at_the_limit_of_depth_compile_or_are_refused() -> None:
    """Whatever the parser lets through ends in SQL or in a typed error, never in a RecursionError."""
    deep = [
        "name" + ".where(use = 'x')" * 56 + ".use.first()",
        "extension" + ".extension" * 56 + ".url.first()",
        "name.where(" * 50 + "true" + ").exists()" * 50,
        "(" * 55 + "1" + " + 1)" * 55,
        "(1 / " * 55 + "1" + ")" * 55,
        " or ".join(f"gender = '{number}'" for number in range(380)),
        "'a'" + " & 'b'" * 58,
        "gender" + ".substring(0)" * 58,
    ]
    for path in deep:
        for shape in ({}, {"gender": {}, "name": {"use": {}}, "extension": nested_extensions(60)}):
            view = {"resource": "Patient", "select": [{"column": [{"name": "v", "path": path}]}]}
            try:
                assert compile_json(view, shape).sql
            except ViewDefinitionError as error:
                assert error.code in ("view_too_deep", "fhirpath_syntax")


def nested_extensions(depth: int) -> Shape:
    return {"url": {}, "extension": nested_extensions(depth - 1)} if depth else {"url": {}}


def test_text_of_the_view_stays_text() -> None:
    nasty = "x'); DROP TABLE t; --\\\" \n \t %s {} :p ? $1"
    escaped = nasty.replace("\\", "\\\\").replace("'", "\\'")
    compiled = compile_json({"resource": "Patient", "select": [{"column": [{"name": "v", "path": f"'{escaped}'"}]}]})
    with duckdb.connect() as connection:
        connection.execute('CREATE SCHEMA fhir; CREATE TABLE fhir."Patient" AS SELECT 1 AS id')
        assert connection.execute(compiled.sql).fetchall() == [(nasty,)]


def full_shape(model: FhirModel, type_: str, depth: int) -> Shape:
    """Every member of a type, so deep."""
    if depth == 0 or type_ in JSON_KINDS:
        return {}
    return {
        name: full_shape(model, member_type, depth - 1)
        for name, (_, member_type) in model.type(type_).members.items()
        if member_type in JSON_KINDS or (depth > 1 and member_type != "Resource")
    }


def published() -> list[Any]:
    try:
        files = sorted(shared_dir("view_definitions").rglob("*.json"))
    except (pytest.skip.Exception, pytest.fail.Exception):
        return []  # test_the_published_views_are_here says why
    return [pytest.param(path, id=f"{path.parent.name}/{path.name}") for path in files]


def test_the_published_views_are_here() -> None:
    assert len(list(shared_dir("view_definitions").rglob("*.json"))) == 42


@pytest.mark.parametrize("path", published())
def test_published_views_compile_unmodified(path: Path) -> None:
    """All but one, which steps into a string: `DiagnosticReport.conclusion.coding`."""
    model, view = load_model(), load_view(path)
    shape = full_shape(model, view.resource, 4)
    if path.name == "diagnostic_report_flat_view.json":
        with pytest.raises(ViewDefinitionError, match="string has no element coding"):
            compile_view(view, model, shape)
        return
    compiled = compile_view(view, model, shape)
    assert compiled.warnings == ()
    with duckdb.connect() as connection:
        create_table(connection, model, view.resource, shape)
        found = connection.execute(f"DESCRIBE {compiled.sql}").fetchall()
        plan = json.dumps(connection.execute(f"EXPLAIN {compiled.sql}").fetchall())
    assert [(name, type_) for name, type_, *_ in found] == [(c.name, c.sql_type) for c in compiled.columns]
    for slow in ("delim", "Join", "Cross Product", "Window"):
        assert slow not in plan


def create_table(connection: duckdb.DuckDBPyConnection, model: FhirModel, type_: str, shape: Shape) -> None:
    fields = ", ".join(f'"{name}" {sql_type(model, type_, name, below)}' for name, below in shape.items())
    connection.execute(f'CREATE SCHEMA fhir; CREATE TABLE fhir."{type_}" ({fields})')


def sql_type(model: FhirModel, owner: str, name: str, shape: Shape) -> str:
    element, type_ = model.type(owner).members[name]
    if type_ in JSON_KINDS:
        found = {"boolean": "BOOLEAN", "integer": "INTEGER"}.get(JSON_KINDS[type_], "VARCHAR")
    else:
        found = ", ".join(f'"{inner}" {sql_type(model, type_, inner, below)}' for inner, below in shape.items())
        found = f"STRUCT({found})"
    return f"{found}[]" if element.many else found
