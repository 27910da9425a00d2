"""Names and texts in SQL, and files of several shapes as one relation."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lacustre.store.objects import ObjectStore
from lacustre.store.scan import bind_table, connect, read_parquet, sql_list, sql_name, sql_text

ODD = ["plain", "o'clock", 'say "x"', "'; DROP TABLE t; --", "é\n\\", ""]


@pytest.mark.parametrize("text", ODD)
def test_texts_and_names_are_quoted(text: str, tmp_path: Path) -> None:
    with connect(ObjectStore(str(tmp_path))) as connection:
        assert connection.execute(f"SELECT {sql_text(text)}, {sql_list([text])}").fetchall() == [(text, [text])]
        if text:
            assert connection.sql(f"SELECT 1 AS {sql_name(text)}").columns == [text]


def test_the_session_has_the_tenants_zone(tmp_path: Path) -> None:
    with connect(ObjectStore(str(tmp_path)), time_zone="Indian/Reunion") as connection:
        query = "SELECT (TIMESTAMPTZ '2024-01-01T20:00:00Z')::DATE::VARCHAR"
        assert connection.execute(query).fetchall() == [("2024-01-02",)]


INNER = pa.struct([("c", pa.string())])


def test_files_of_several_shapes_are_one_relation(tmp_path: Path) -> None:
    schemas = [
        pa.schema([("id", pa.string()), ("a", pa.struct([("x", INNER)]))]),
        pa.schema([("a", pa.struct([("x", INNER), ("b", INNER)])), ("l", pa.list_(INNER)), ("id", pa.string())]),
        pa.schema([("id", pa.string())]),
    ]
    rows = [
        {"id": "1", "a": {"x": {"c": "one"}}},
        {"id": "2", "a": {"b": {"c": "two"}}, "l": [{"c": "q"}]},
        {"id": "3"},
    ]
    uris = []
    for number, (schema, row) in enumerate(zip(schemas, rows, strict=True)):
        path = tmp_path / f"lake_shard={number}" / "it's.parquet"
        path.parent.mkdir()
        pq.write_table(pa.Table.from_pylist([row], schema), path)
        uris.append(str(path))
    with connect(ObjectStore(str(tmp_path))) as connection:
        assert set(connection.sql(f"FROM {read_parquet(uris)}").columns) == {"id", "a", "l"}
        bind_table(connection, "Patient", uris, pa.unify_schemas([schemas[1], schemas[2]]))
        query = "SELECT id, a.x.c, a.b.c, a IS NULL, l[1].c FROM fhir.Patient ORDER BY id"
        assert connection.execute(query).fetchall() == [
            ("1", "one", None, False, None),
            ("2", None, "two", False, "q"),
            ("3", None, None, True, None),
        ]
