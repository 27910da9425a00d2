"""Annotated SQL files: Libraries are made of them, and they of Libraries."""

from __future__ import annotations

from dataclasses import replace

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lacustre.errors import SqlLibraryError
from lacustre.fhir.canonical import Canonical
from lacustre.query.annotations import read_annotated_sql, write_annotated_sql
from lacustre.query.library import PARAMETER_TYPES, STATUSES, Dependency, Parameter, SqlLibrary, Variant
from lacustre.query.library_json import library_json, parse_library
from lacustre.query.sql_parser import reserved_words, tokens

FILE = """/*
@name: BloodPressure
@title: Blood pressure
 * @version: 1.0.0
@status: active
@author: Unit 4
@author: Unit 5
Not an annotation: prose.
*/

-- @relatedDependency: https://example.org/ViewDefinition/patient_view as patient
-- @relatedDependency: https://example.org/ViewDefinition/bp_view|1.2
-- @param: patient_id string Patient identifier
--@param: from_date date
SELECT '-- @title: no', bp_view.systolic /* @publisher: Hospital */
FROM patient JOIN bp_view ON patient.id = bp_view.patient_id
WHERE patient.id = :patient_id AND CAST(bp_view.effective_date AS DATE) >= :from_date
"""


def test_a_file_makes_a_library() -> None:
    made = read_annotated_sql(FILE, "bp.sql", "bp.sql")
    library = made.library
    assert made.warnings == ()
    assert (library.name, library.kind, library.title, library.version) == (
        "BloodPressure",
        "sql-query",
        "Blood pressure",
        "1.0.0",
    )
    assert (library.status, library.authors, library.publisher) == ("active", ("Unit 4", "Unit 5"), "Hospital")
    assert [(each.label, str(each.canonical)) for each in library.dependencies] == [
        ("patient", "https://example.org/ViewDefinition/patient_view"),
        ("bp_view", "https://example.org/ViewDefinition/bp_view|1.2"),
    ]
    assert library.parameters == (
        Parameter("patient_id", "string", "Patient identifier"),
        Parameter("from_date", "date"),
    )
    assert library.variants[0].sql == FILE.strip()
    document = library_json(library)
    assert document["parameter"][0]["use"] == "in"
    assert document["content"][0]["contentType"] == "application/sql"
    assert document["content"][0]["extension"][0]["valueString"] == FILE.strip()
    assert document["relatedArtifact"][0]["type"] == "depends-on"


def test_what_is_not_said_is_the_default() -> None:
    library = read_annotated_sql("SELECT 1", "x", "last-hba1c.sql").library
    assert (library.name, library.status, library.kind) == ("last_hba1c", "draft", "sql-query")


def test_a_view_and_a_dialect() -> None:
    sql = "-- @type: sql-view\n-- @url: https://example.org/Library/v\n-- @dialect: DuckDB\nSELECT 1"
    library = read_annotated_sql(sql, "x", "v.sql").library
    assert (library.kind, library.url, library.variants[0].dialect) == (
        "sql-view",
        "https://example.org/Library/v",
        "duckdb",
    )


def test_unknown_annotations_are_warned_of() -> None:
    made = read_annotated_sql("-- @params: a string\n/* see\n@zzz: x */ SELECT 1", "x", "v.sql")
    assert made.warnings == ("line 1: no annotation @params, did you mean param?", "line 3: no annotation @zzz")


@pytest.mark.parametrize(
    ("sql", "code", "line"),
    [
        ("SELECT 1\n-- @status: final", "library_status", 2),
        ("-- @name: a b\nSELECT 1", "library_name", 1),
        ("-- @title:\nSELECT 1", "annotation_empty", 1),
        ("-- @title: a\n/*\n@title: b */ SELECT 1", "annotation_twice", 3),
        ("-- @type: query\nSELECT 1", "library_type", 1),
        ("-- @dialect: a b\nSELECT 1", "content_type", 1),
        ("-- @param: a\nSELECT 1", "parameter_type", 1),
        ("-- @param: a Quantity\nSELECT 1", "parameter_type", 1),
        ("\n\n-- @title: t\n-- @param: a-b date\nSELECT 1", "parameter_name", 2),
        ("-- @relatedDependency: a b\nSELECT 1", "dependency_resource", 1),
        ("-- @relatedDependency: https://example.org/a-b\nSELECT 1", "label_name", 1),
        ("-- @relatedDependency: u as select\nSELECT 1", "label_reserved", 1),
        ("-- @type: sql-view\nSELECT 1", "library_url", 0),
    ],
)
def test_faults_have_their_lines(sql: str, code: str, line: int) -> None:
    with pytest.raises(SqlLibraryError) as caught:
        read_annotated_sql(sql, "x", "q.sql")
    assert [(fault.code, fault.line) for fault in caught.value.diagnostics] == [(code, line)]


def test_the_file_of_a_library_made_of_a_file_is_that_file() -> None:
    library = parse_library(library_json(read_annotated_sql(FILE, "bp.sql", "bp.sql").library))
    assert write_annotated_sql(library, library.variants[0]).library.variants[0].sql == FILE.strip()


def test_the_library_counts_where_the_text_says_otherwise() -> None:
    library = replace(read_annotated_sql(FILE, "bp.sql", "bp.sql").library, title="Another", authors=())
    sql = write_annotated_sql(library, library.variants[0]).library.variants[0].sql
    assert "-- @title: Another\n" in sql
    assert "Blood pressure" not in sql
    assert "/* Not an annotation: prose. */" in sql
    assert "'-- @title: no'" in sql
    read = read_annotated_sql(sql, "bp.sql", "bp.sql").library
    assert (read.title, read.authors, read.dependencies) == ("Another", (), library.dependencies)


def test_what_annotations_cannot_say_is_told() -> None:
    variants = (Variant(None, "SELECT 1"), Variant("postgresql", "SELECT 2"))
    library = SqlLibrary("q", "sql-query", variants, title="two\nlines")
    assert write_annotated_sql(library, variants[0]).warnings == (
        "annotations do not hold the white space of the title",
        "annotations do not hold the SQL for postgresql",
    )


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 -/* @title: of the text\n prose */ 2",
        "SELECT 'a' /* @title: of the text\n prose */ || 'b'",
        "SELECT 1 /* @title: of the text\n prose /* inside */ of it */ + 2",
        "SELECT 1 /*\n@title: /* of the text\n*/ prose */ + 2",
        "SELECT 1 /* prose\n@title: of the text\n more **/ + 2",
    ],
)
def test_sql_means_the_same_without_its_annotations(sql: str) -> None:
    library = SqlLibrary("q", "sql-query", (Variant(None, sql),), title="Another")
    written = write_annotated_sql(library, library.variants[0]).library.variants[0].sql
    assert "of the text" not in written
    assert "prose" in written
    assert duckdb.sql(written).fetchall() == duckdb.sql(sql).fetchall()


def test_what_annotations_cannot_say_of_short_members_is_told() -> None:
    library = SqlLibrary("q", "sql-query", (Variant(None, "SELECT 1"),), url="\t", version="1\n2", authors=("A", " B"))
    assert write_annotated_sql(library, library.variants[0]).warnings == (
        "annotations do not hold the white space of the url",
        "annotations do not hold the white space of the version",
        "annotations do not hold the white space of the name of author 2",
    )


# a text of one line, as annotations hold it
_LINE = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=10).map(
    lambda text: " ".join(text.split())
)
_TEXT = st.lists(_LINE.filter(bool), min_size=1, max_size=3).map(" ".join)
_NAME = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,6}", fullmatch=True).filter(
    lambda name: name.lower() not in reserved_words()
)
_URL = st.from_regex(r"https://[a-z]{1,5}/[A-Za-z]{1,5}", fullmatch=True)
_SQL = st.lists(
    st.sampled_from(
        [
            *(
                "SELECT 1",
                "/* @title: of the text */",
                "-- @name: x\n",
                "/* prose */",
                "-- prose\n",
                "'/* @a: b */'",
                "1",
            ),
            *(
                "/* @status: active\n * prose */",
                "/* /* @x: y */ */",
                "\n",
                "AS a",
                "-- @param: a b c\n",
                "'é'",
                "$$--$$",
            ),
            *("/* a\n@version: 1\nb */", "FROM t", "/*@title:x*/", "--", "\n-- @author: x"),
        ]
    ),
    max_size=8,
).map("\n".join)


@st.composite
def libraries(draw: st.DrawFn) -> SqlLibrary:
    labels = draw(st.lists(_NAME, max_size=3, unique_by=str.casefold))
    names = draw(st.lists(_NAME, max_size=3, unique_by=str.casefold))
    canonical = st.builds(Canonical, _URL, st.none() | st.from_regex(r"[0-9.]{1,4}", fullmatch=True))
    view = draw(st.booleans())
    return SqlLibrary(
        name=draw(_NAME),
        kind="sql-view" if view else "sql-query",
        variants=(Variant(draw(st.sampled_from([None, "duckdb"])), "SELECT 1\n" + draw(_SQL), "/content/0"),),
        dependencies=tuple(
            Dependency(label, draw(canonical), f"/relatedArtifact/{index}") for index, label in enumerate(labels)
        ),
        parameters=()
        if view
        else tuple(Parameter(name, draw(st.sampled_from(PARAMETER_TYPES)), draw(st.none() | _TEXT)) for name in names),
        url=draw(_URL) if view else draw(st.none() | _URL),
        version=draw(st.none() | _LINE.filter(bool)),
        title=draw(st.none() | _TEXT),
        description=draw(st.none() | _TEXT),
        status=draw(st.sampled_from(STATUSES)),
        authors=tuple(draw(st.lists(_TEXT, max_size=2))),
        publisher=draw(st.none() | _TEXT),
    )


def meaning(sql: str) -> list[bytes]:
    """The tokens of SQL that are no comments."""
    data = sql.encode()
    return [data[each.start : each.end] for each in tokens(data) if each.kind != duckdb.token_type.comment]


@given(library=libraries())
def test_a_library_and_its_file_say_the_same(library: SqlLibrary) -> None:
    written = write_annotated_sql(library, library.variants[0])
    assert written.warnings == ()
    sql = written.library.variants[0].sql
    read = read_annotated_sql(sql, library.source, library.name).library
    assert replace(read, variants=()) == replace(library, variants=())
    assert read.variants[0].dialect == library.variants[0].dialect
    assert meaning(sql) == meaning(library.variants[0].sql)
    assert write_annotated_sql(read, read.variants[0]).library.variants[0].sql == sql, "and once more changes nothing"
    assert parse_library(library_json(read), library.source) == read
