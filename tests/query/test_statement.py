"""What an SQLQuery may say: a query of its own tables. Everything else is refused before it runs."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lacustre.errors import SqlLibraryError
from lacustre.fhir.canonical import Canonical
from lacustre.query.library import Dependency, Parameter, SqlLibrary, Variant
from lacustre.query.statement import REFUSED_FUNCTIONS, REFUSED_PREFIXES, TABLE_FUNCTIONS, read_statement


def library(sql: str, *parameters: str, variants: tuple[Variant, ...] = ()) -> SqlLibrary:
    return SqlLibrary(
        "tested",
        "sql-query",
        variants or (Variant(None, sql),),
        tuple(Dependency(label, Canonical(f"https://example.org/{label}")) for label in ("t", "u")),
        tuple(Parameter(name, "string") for name in parameters),
    )


def codes(sql: str, *parameters: str) -> list[str]:
    with pytest.raises(SqlLibraryError) as caught:
        read_statement(library(sql, *parameters))
    return [fault.code for fault in caught.value.diagnostics]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM t",
        'FROM "t"',
        "FROM T",
        "TABLE t",
        "SELECT a FROM t JOIN u USING (id), LATERAL (SELECT t.a)",
        "WITH t AS (SELECT * FROM t) SELECT * FROM t",
        "WITH RECURSIVE c AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM c WHERE i < 9) FROM c",
        "WITH âge AS MATERIALIZED (FROM t) FROM âge",
        "(SELECT 1) UNION ALL BY NAME (SELECT 2) EXCEPT SELECT 3",
        "SELECT * FROM (VALUES (1), (2)) v(a), range(3), unnest([1]), generate_series(1, 2)",
        "SELECT j.key FROM t, json_each(t.x) j",
        "PIVOT t ON s IN ('a') USING count(*)",
        "UNPIVOT t ON a, b",
        "SELECT row_number() OVER (PARTITION BY a ORDER BY b) FROM t QUALIFY 1 = 1",
        "SELECT count(*) FILTER (a > 1), sum(DISTINCT a) FROM t GROUP BY GROUPING SETS ((a), ())",
        "SELECT DISTINCT ON (a) * EXCLUDE (b), COLUMNS('x.*') FROM t ORDER BY a NULLS LAST LIMIT 10%",
        "SELECT list_transform(a, lambda x: x + 1), {'k': a}, a.upper(), a::INTEGER, now(), current_date FROM t",
        "SELECT EXISTS (FROM t), a IN (FROM u) FROM t TABLESAMPLE 10%",
        "SELECT * FROM t ASOF JOIN u ON t.a >= u.a",
        "SELECT 'DROP TABLE t; SELECT 1' -- ; DROP TABLE t",
        "SELECT 1;",
    ],
)
def test_queries_are_taken(sql: str) -> None:
    read_statement(library(sql))


@pytest.mark.parametrize(
    "sql",
    [
        *(
            "INSERT INTO t VALUES (1)",
            "UPDATE t SET a = 1",
            "DELETE FROM t",
            "TRUNCATE t",
            "MERGE INTO t USING u ON true",
        ),
        *("CREATE TABLE x AS SELECT 1", "CREATE MACRO m() AS 1", "CREATE MACRO m() AS TABLE FROM t", "DROP VIEW t"),
        *("ALTER TABLE t ADD COLUMN x INTEGER", "COMMENT ON TABLE t IS 'x'", "CREATE SECRET s (TYPE s3)"),
        *("ATTACH 'x.db'", "DETACH x", "USE main", "COPY t TO 'x.csv'", "COPY t FROM 'x.csv'", "EXPORT DATABASE 'x'"),
        *("IMPORT DATABASE 'x'", "INSTALL httpfs", "LOAD httpfs", "SET threads = 1", "RESET threads", "PRAGMA version"),
        *("SET VARIABLE a = 1", "CALL range(3)", "PREPARE p AS SELECT 1", "EXECUTE p", "BEGIN", "CHECKPOINT", "VACUUM"),
        *("EXPLAIN SELECT 1", "EXPLAIN ANALYZE SELECT 1", "DESCRIBE t", "SUMMARIZE t", "SHOW TABLES", "ANALYZE"),
        *("SELECT * FROM (DESCRIBE t)", "SELECT * FROM (SHOW ALL TABLES)", "SELECT * FROM (SUMMARIZE t)"),
        *("WITH x AS (INSERT INTO t VALUES (1) RETURNING *) FROM x", "WITH x AS (DELETE FROM t RETURNING *) FROM x"),
        *("WITH x AS (UPDATE t SET a = 1 RETURNING *) FROM x", "SELECT * FROM t AT (VERSION => 1)"),
        "SELECT (WITH x AS (DELETE FROM t RETURNING *) SELECT count(*) FROM x)",
        "PIVOT t ON s USING count(*)",
    ],
)
def test_what_is_no_query_is_refused(sql: str) -> None:
    assert set(codes(sql)) <= {"not_a_query", "sql_syntax"}


@pytest.mark.parametrize(
    "sql", ["SELECT 1; SELECT 2", "SELECT 1; DROP TABLE t", "SELECT 1; SELECT 2;", "DROP TABLE t; SELECT 1"]
)
def test_several_statements_are_refused(sql: str) -> None:
    assert codes(sql) == ["several_statements"]


@pytest.mark.parametrize("sql", ["", "  ", "-- nothing", ";", "SELEC 1", "SELECT (", "SELECT 'a", "SELECT 1 \0 FROM t"])
def test_what_cannot_be_read_is_refused(sql: str) -> None:
    assert codes(sql) == ["sql_syntax"]


@pytest.mark.parametrize("depth", [500, 5_000, 200_000])
def test_depth_is_refused_or_taken_and_never_breaks(depth: int) -> None:
    try:
        read_statement(library(f"SELECT {'(' * depth}1{')' * depth}"))
    except SqlLibraryError as error:
        assert error.code in ("sql_syntax", "sql_too_long")


FILES = (
    *("read_csv", "read_csv_auto", "read_parquet", "parquet_scan", "read_json", "read_json_auto", "read_ndjson"),
    *("read_text", "read_blob", "read_duckdb", "glob", "sniff_csv", "parquet_metadata", "parquet_schema"),
    *("read_json_objects", "read_ndjson_objects", "parquet_kv_metadata", "parquet_file_metadata", "query_table"),
)
PLACES = (
    "SELECT * FROM {}",
    "SELECT * FROM system.main.{}",
    "SELECT * FROM t WHERE a IN (SELECT 1 FROM {})",
    "WITH c AS (FROM {}) FROM c",
    "WITH c AS (FROM {}) SELECT 1",
    "WITH RECURSIVE c AS (SELECT 1 UNION ALL SELECT 2 FROM {}) FROM c",
    "SELECT (SELECT count(*) FROM {})",
    "SELECT EXISTS (FROM {})",
    "SELECT a FROM t ORDER BY (SELECT 1 FROM {})",
    "SELECT a FROM t LIMIT (SELECT count(*) FROM {})",
    "SELECT a FROM t OFFSET (SELECT count(*) FROM {})",
    "SELECT a FROM t GROUP BY (SELECT 1 FROM {})",
    "SELECT a FROM t QUALIFY (SELECT true FROM {})",
    "SELECT a FROM t HAVING (SELECT true FROM {})",
    "SELECT sum(a) FILTER ((SELECT true FROM {})) FROM t",
    "SELECT sum(a) OVER (ORDER BY (SELECT 1 FROM {})) FROM t",
    "SELECT sum(a) OVER (ROWS (SELECT 1 FROM {}) PRECEDING) FROM t",
    "SELECT list_transform([1], lambda x: (SELECT 1 FROM {}))",
    "SELECT [x FOR x IN (SELECT a FROM {})]",
    "SELECT * FROM t JOIN u ON (SELECT true FROM {})",
    "SELECT * FROM t, LATERAL (FROM {})",
    "SELECT * FROM (VALUES ((SELECT 1 FROM {})))",
    "SELECT * FROM range((SELECT count(*) FROM {}))",
    "SELECT CASE WHEN a THEN (SELECT 1 FROM {}) END FROM t",
    "SELECT * REPLACE ((SELECT 1 FROM {}) AS a) FROM t",
    "SELECT 1 UNION SELECT 2 FROM {}",
    "FROM t SELECT DISTINCT ON ((SELECT 1 FROM {})) a",
    "PIVOT (FROM {}) ON s IN ('a') USING count(*)",
    "PIVOT t ON s IN ('a') USING sum((SELECT 1 FROM {}))",
    "UNPIVOT (FROM {}) ON a, b",
    "SELECT a BETWEEN (SELECT 1 FROM {}) AND 2 FROM t",
    "SELECT {{'k': (SELECT 1 FROM {})}}",
    "SELECT * FROM t POSITIONAL JOIN {}",
)


@pytest.mark.parametrize("place", PLACES)
def test_no_place_hides_a_reader_of_files(place: str) -> None:
    assert "function_refused" in codes(place.format("read_text('/etc/hostname')"))


@pytest.mark.parametrize("function", FILES)
def test_no_function_reads_files(function: str) -> None:
    assert "function_refused" in codes(f"SELECT * FROM {function}('x')")
    assert "function_refused" in codes(f"SELECT * FROM {function.upper()}(['x'])")


@pytest.mark.parametrize(
    "sql",
    [
        *(
            "SELECT getenv('HOME')",
            "SELECT GETENV('HOME')",
            "SELECT system.main.getenv('HOME')",
            "SELECT 'HOME'.getenv()",
        ),
        *("SELECT current_setting('home_directory')", "SELECT current_query()", "SELECT current_database()"),
        *("SELECT getvariable('x')", "SELECT nextval('s')", "SELECT write_log('x')", "SELECT setseed(0.5)"),
        *("SELECT json_serialize_plan('SELECT * FROM read_csv(''x'')')", "SELECT pg_get_viewdef(1)"),
        *("SELECT * FROM query('SELECT 1')", "SELECT * FROM json_execute_serialized_sql('{}')", "SELECT sleep_ms(9)"),
        *("SELECT * FROM duckdb_settings()", "SELECT * FROM pragma_database_list()", "SELECT * FROM duckdb_secrets()"),
        *(
            "SELECT * FROM which_secret('x', 's3')",
            "SELECT * FROM pragma_table_info('t')",
            "SELECT * FROM test_all_types()",
        ),
    ],
)
def test_no_function_reaches_beyond_its_arguments(sql: str) -> None:
    assert "function_refused" in codes(sql)


@pytest.mark.parametrize(
    "sql",
    [
        *("FROM v", "FROM main.t", "FROM memory.main.t", "FROM fhir.Patient", "FROM lineage.t", "FROM lake.rejects"),
        *("FROM 'x.parquet'", "FROM '/etc/hosts'", 'FROM "x.csv"', "FROM 's3://bucket/x.parquet'", "FROM 'x.json'"),
        *("FROM duckdb_settings", "FROM information_schema.tables", "FROM pg_catalog.pg_class", "FROM sqlite_master"),
        *("SELECT (SELECT a FROM v)", "WITH c AS (FROM v) FROM t", "SELECT * FROM t, (FROM 'x.csv') x", "FROM tenant"),
        *("SELECT * FROM t JOIN main.u USING (a)", 'FROM "lake:result"', "FROM library_0.t"),
    ],
)
def test_other_tables_are_refused(sql: str) -> None:
    assert codes(sql) == ["table_unknown"]


@pytest.mark.parametrize(
    "sql",
    [
        'SELECT * FROM (WITH "x.parquet" AS (SELECT 1) FROM "x.parquet"), (SELECT * FROM "x.parquet")',
        'SELECT * FROM (WITH "/etc/hosts" AS (SELECT 1) FROM "/etc/hosts"), "/etc/hosts"',
        "SELECT * FROM (WITH duckdb_settings AS (SELECT 1) FROM duckdb_settings), duckdb_settings",
        "SELECT * FROM (WITH pg_class AS (SELECT 1) FROM pg_class), pg_class",
        "SELECT * FROM (WITH sqlite_master AS (SELECT 1) FROM sqlite_master), sqlite_master",
    ],
)
def test_a_name_given_in_one_place_opens_nothing_in_another(sql: str) -> None:
    assert codes(sql) == ["table_unknown"]


def test_every_fault_is_told_at_once_and_shown() -> None:
    with pytest.raises(SqlLibraryError) as caught:
        read_statement(library("SELECT :b, getenv('é')\nFROM tt, read_csv('x')", "a"))
    found = caught.value.diagnostics
    assert [fault.code for fault in found] == [
        "parameter_undeclared",
        "function_refused",
        "table_unknown",
        "function_refused",
        "parameter_unused",
    ]
    assert found[2].excerpt() == ("FROM tt, read_csv('x')", "     ^^")
    assert found[2].hint == "did you mean t?"


def test_a_fault_of_syntax_is_shown_in_the_text_as_it_was_written() -> None:
    with pytest.raises(SqlLibraryError) as caught:
        read_statement(library("SELECT :a, x:(y) :a FROM t", "a"))
    (fault,) = caught.value.diagnostics
    assert (fault.code, fault.excerpt()) == ("sql_syntax", ("SELECT :a, x:(y) :a FROM t", "                 ^"))


def test_the_dialect_is_chosen_and_never_guessed() -> None:
    def chosen(*dialects: str | None) -> str:
        return read_statement(library("", variants=tuple(Variant(d, f"SELECT '{d}'") for d in dialects))).sql

    assert chosen("postgresql", None, "duckdb") == "SELECT 'duckdb'"
    assert chosen("postgresql", None) == "SELECT 'None'"
    with pytest.raises(SqlLibraryError, match="no_dialect"):
        chosen("postgresql", "spark-sql")


def test_every_function_with_effects_is_known() -> None:
    """A new release of DuckDB may bring functions that its catalogue does not call pure."""
    query = "SELECT DISTINCT function_name FROM duckdb_functions() WHERE has_side_effects OR stability = 'VOLATILE'"
    harmless = {"gen_random_uuid", "random", "uuid", "uuidv4", "uuidv7"}
    for (name,) in duckdb.sql(query).fetchall():
        assert name in harmless or name in REFUSED_FUNCTIONS or name.startswith(REFUSED_PREFIXES)


def test_every_macro_that_calls_a_refused_function_is_refused() -> None:
    """A macro of DuckDB's is another name for what it is made of."""
    query = """
        SELECT function_name, macro_definition FROM duckdb_functions() WHERE function_type = 'macro' AND internal
    """
    harmless = {"current_user", "json_group_object", "user"}  # a fixed name, a fixed message
    opened = set()
    for name, definition in duckdb.sql(query).fetchall():
        try:
            read_statement(library(f"SELECT {definition}"))
        except SqlLibraryError as error:
            if any(fault.code == "function_refused" for fault in error.diagnostics):
                opened.add(name)
    refused = {name for name in opened if name in REFUSED_FUNCTIONS or name.startswith(REFUSED_PREFIXES)}
    assert {"assert_true", "format_type", "get_block_size"} <= opened
    assert opened - refused <= harmless


def test_the_table_functions_read_nothing() -> None:
    connection = duckdb.connect(config={"enable_external_access": "false"})
    for call in ("range(2)", "generate_series(1, 2)", "unnest([1])", "json_each('[1]')", "json_tree('[1]')"):
        assert call.partition("(")[0] in TABLE_FUNCTIONS
        assert connection.sql(f"FROM {call}").fetchall()
    assert len(TABLE_FUNCTIONS) == 5


_WORDS = (
    *(
        "SELECT",
        "FROM",
        "t",
        "u",
        "x",
        "WHERE",
        "(",
        ")",
        ",",
        "*",
        "WITH",
        "AS",
        ":a",
        ":b",
        "1",
        "'s'",
        "=",
        "[",
        "]",
    ),
    *(":", "::", "INT", ";", "UNION", "JOIN", "ON", "range", "read_csv", "glob", "-- c\n", "/* d */", "$$", '"q"', "{"),
    *(
        "}",
        "PIVOT",
        "USING",
        "IN",
        "lambda",
        "->",
        "CASE",
        "END",
        "LIMIT",
        "ORDER BY",
        ".",
        "main",
        "VALUES",
        "?",
        "$a",
    ),
    *("INSERT INTO", "DELETE", "RECURSIVE", "ATTACH", "'", "é", "\x00", "\ud800", "EXPLAIN", "DESCRIBE", "AT", "query"),
)


@given(words=st.lists(st.sampled_from(_WORDS), max_size=12), space=st.sampled_from([" ", ""]))
@settings(max_examples=500)
def test_only_typed_errors_come_out_and_only_own_tables(words: list[str], space: str) -> None:
    try:
        statement = read_statement(library(space.join(words), "a"))
    except SqlLibraryError as error:
        assert all(fault.code and fault.message for fault in error.diagnostics)
        assert str(error)
    else:
        assert set(statement.tables) <= {"t", "u"}
        assert not {"read_csv", "glob"} & {word for word in words if word + "(" in space.join(words)}
