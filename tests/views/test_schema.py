"""The schema of a view, from its definition alone, is that of what a build writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from lacustre import Lake
from lacustre.errors import InputError
from lacustre.fhir.model import load_model
from lacustre.views.catalog import find_views, starter_views
from lacustre.views.model import load_view, parse_view
from lacustre.views.schema import ViewSchema, view_schema
from lacustre.views.types import SPEC, TypeMode, Typing

HIDDEN = {"lake_resource", "lake_patient_key", "lake_source", "lake_misfits"}
MODES: tuple[TypeMode, ...] = ("spec", "native")
VIEWS = sorted(find_views(starter_views()).items())


def schema_of(*columns: dict[str, Any], typing: Typing = SPEC, **select: Any) -> ViewSchema:
    view = {"resource": "Observation", "name": "o", "select": [{"column": list(columns), **select}]}
    return view_schema(parse_view(view), load_model(), typing)


def column(path: str, name: str = "c", **members: Any) -> dict[str, Any]:
    return {"name": name, "path": path, **members}


@pytest.fixture(scope="module", params=MODES)
def built(request: pytest.FixtureRequest, sample_lake: Lake, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A lake whose starter views are built in one of the modes, and the mode."""
    folder = tmp_path_factory.mktemp(request.param) / "lake"
    lake = Lake.open(folder)
    lake.load(Path(sample_lake.uri).parent / "export", processes=1)
    manifests = lake.build_views(definitions=starter_views(), typing=Typing(request.param))
    return lake, {manifest.view: manifest for manifest in manifests}, Typing(request.param)


def test_the_schema_is_that_of_a_build(built: tuple[Lake, dict[str, Any], Typing]) -> None:
    """Of all starter views: names, order and types of the files, of the tables in SQL, and of the manifest."""
    lake, manifests, typing = built
    assert len(manifests) == len(VIEWS)
    written = 0
    with lake.session() as session:
        for name, manifest in manifests.items():
            schema = lake.view_schema(name, starter_views(), typing=typing)
            described = session.sql(f'DESCRIBE main."{name}"').fetchall()
            assert [(row[0], row[1]) for row in described] == [(found.name, found.sql_type) for found in schema.columns]
            assert [(found.name, found.type, found.sql_type) for found in manifest.columns] == [
                (found.name, found.type, found.sql_type) for found in schema.columns
            ]
            for file in manifest.files[:1]:
                found = pq.read_schema(f"{lake.uri}/{file.path}")
                assert [(field.name, field.type) for field in found if field.name not in HIDDEN] == [
                    (field.name, field.type) for field in schema.arrow()
                ]
                written += 1
            never = [found.name for found in schema.columns if not found.nullable]
            for required in never:
                assert session.sql(f'SELECT count(*) FROM main."{name}" WHERE "{required}" IS NULL').fetchall() == [
                    (0,)
                ]
    assert written > 30


@pytest.mark.parametrize(("name", "path"), VIEWS, ids=[name for name, _ in VIEWS])
@pytest.mark.parametrize("mode", MODES)
def test_the_statement_makes_the_table(name: str, path: Path, mode: TypeMode) -> None:
    schema = view_schema(load_view(path), load_model(), Typing(mode))
    with duckdb.connect() as connection:
        connection.execute(schema.sql())
        described = connection.sql(f'DESCRIBE "{name}"').fetchall()
        comments = dict(
            connection.execute(
                "SELECT column_name, comment FROM duckdb_columns() WHERE table_name = $1", [name]
            ).fetchall()
        )
    assert [(row[0], row[1], row[2] == "YES") for row in described] == [
        (column.name, column.sql_type, column.nullable) for column in schema.columns
    ]
    assert comments == {column.name: column.description for column in schema.columns}
    assert [row["name"] for row in json.loads(schema.json())] == [row[0] for row in described]


def test_every_type_has_its_arrow_type(tmp_path: Path) -> None:
    tags = [
        "CHAR(3)",
        "VARBINARY",
        "SMALLINT",
        "INT",
        "BIGINT",
        "REAL",
        "DOUBLE PRECISION",
        "DECIMAL(9,3)",
        "NUMERIC(4)",
    ]
    tags += ["DATE", "TIME", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "BOOLEAN"]
    columns = [
        {
            "name": f"c{number}",
            "path": "extension('u').value.ofType(base64Binary)" if tag == "VARBINARY" else "note.author.ofType(string)",
            "collection": True,
            "tag": [{"name": "ansi/type", "value": tag}],
        }
        for number, tag in enumerate(tags)
    ]
    schema = schema_of(*columns)
    target = tmp_path / "types.parquet"
    fields = ", ".join(f'NULL::{found.sql_type} AS "{found.name}"' for found in schema.columns)
    duckdb.execute(f"COPY (SELECT {fields}) TO '{target}' (FORMAT parquet)")
    assert [(field.name, field.type) for field in pq.read_schema(target)] == [
        (field.name, field.type) for field in schema.arrow()
    ]


@pytest.mark.parametrize(
    ("columns", "select", "nullable"),
    [
        ([column("getResourceKey()")], {}, [False]),
        ([column("id")], {}, [False]),
        ([column("status")], {}, [True]),
        ([column("code.exists()")], {}, [False]),
        ([column("component.count()")], {}, [False]),
        ([column("note.text", collection=True)], {}, [False]),
        ([column("'x'")], {}, [False]),
        ([column("%rowIndex")], {"forEachOrNull": "component"}, [False]),
        ([column("%resource.id"), column("'x'", "d")], {"forEachOrNull": "component"}, [True, True]),
        ([column("%resource.id"), column("code.text", "d")], {"forEach": "component"}, [False, True]),
        ([column("'xyz'", tag=[{"name": "ansi/type", "value": "VARCHAR(2)"}])], {}, [True]),
        (
            [],
            {
                "unionAll": [
                    {"column": [column("id")]},
                    {"forEachOrNull": "component", "column": [column("%resource.id")]},
                ]
            },
            [True],
        ),
    ],
)
def test_what_is_always_there_is_not_nullable(
    columns: list[dict[str, Any]], select: dict[str, Any], nullable: list[bool]
) -> None:
    assert [found.nullable for found in schema_of(*columns, **select).columns] == nullable


def test_arrow_fields_say_what_they_are() -> None:
    schema = schema_of(column("status", description="Whether it is final.")).arrow()
    assert schema.field("c").metadata == {b"fhir_type": b"code", b"description": b"Whether it is final."}


def test_a_lake_without_data_has_its_schemas(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "none")
    found = lake.view_schema("patient", starter_views(), typing=Typing("native"))
    assert (found.view, found.resource, found.typing) == ("patient", "Patient", Typing("native"))
    assert {column.name: column.sql_type for column in found.columns}["birth_date"] == "DATE"
    assert not (tmp_path / "none").exists()
    with pytest.raises(InputError, match="there is no view 'patiant'"):
        lake.view_schema("patiant", starter_views())
