"""SQLQueries on real lakes: what their labels mean, and what is refused before anything runs."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from lacustre import Lake
from lacustre.errors import InputError, SqlLibraryError
from lacustre.query import dependencies
from lacustre.query.annotations import read_annotated_sql
from lacustre.query.library_json import library_json
from support.loading import load_lines

BASE = "https://example.org"
PATIENTS = [
    {"resourceType": "Patient", "id": "a", "gender": "female", "birthDate": "1950-02-01"},
    {"resourceType": "Patient", "id": "b", "gender": "male", "birthDate": "1980"},
    {"resourceType": "Patient", "id": "c", "birthDate": "2001-12-31"},
]


def view(name: str, *columns: tuple[str, str, str], **members: str) -> dict[str, object]:
    return {
        "resourceType": "ViewDefinition",
        "name": name,
        "url": f"{BASE}/ViewDefinition/{name}",
        "resource": "Patient",
        "select": [{"column": [{"name": n, "path": path, "type": type_} for n, path, type_ in columns]}],
        **members,
    }


PERSON = view("person", ("id", "id", "id"), ("gender", "gender", "code"), ("born", "birthDate", "date"))


class Site:
    """A lake with a folder of views and one of queries."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.queries, self.views = folder, folder / "queries", folder / "views"
        self.queries.mkdir()
        self.views.mkdir()
        self.lake = Lake.open(folder / "lake")

    def define(self, *views: dict[str, object]) -> None:
        for each in views:
            (self.views / f"{each['name']}.json").write_text(json.dumps(each))

    def build(self, *views: dict[str, object]) -> None:
        self.define(*views)
        self.lake.build_views(*(str(each["name"]) for each in views), definitions=self.views)

    def write(self, name: str, sql: str, *on: str, kind: str = "sql-query", params: tuple[str, ...] = ()) -> Path:
        """An SQL file; `on` are canonicals below the base, with their labels after a space."""
        lines = [f"-- @type: {kind}", f"-- @url: {BASE}/Library/{name}", "-- @version: 1"]
        lines += [f"-- @relatedDependency: {BASE}/{each.replace(' ', ' as ')}" for each in on]
        lines += [f"-- @param: {each}" for each in params]
        path = self.queries / f"{name}.sql"
        path.write_text("\n".join([*lines, sql]))
        return path

    def rows(self, name: str, **values: object) -> list[tuple[object, ...]]:
        return self.lake.query(name, self.queries, **values).fetchall()

    def refusal(self, name: str, **values: object) -> InputError:
        with pytest.raises(InputError) as caught:
            self.lake.query(name, self.queries, **values)
        return caught.value


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path)
    load_lines(made.lake, tmp_path, *PATIENTS)
    made.build(PERSON)
    return made


def test_labels_are_the_tables_and_values_are_bound(site: Site) -> None:
    site.write("q", "SELECT id FROM p WHERE gender = :sex", "ViewDefinition/person p", params=("sex code",))
    assert site.rows("q", sex="female") == [("a",)]
    assert site.rows("q", sex="' OR '1' = '1") == []
    relation = site.lake.query("q", site.queries, sex="male")
    assert isinstance(relation, duckdb.DuckDBPyRelation)
    assert relation.columns == ["id"]
    assert relation.pl().to_dicts() == [{"id": "b"}]
    assert relation.limit(1).fetchall() == [("b",)]


def test_every_type_reaches_the_sql(site: Site) -> None:
    types = {
        "b": ("boolean", "true", True, "BOOLEAN"),
        "i": ("integer", "7", 7, "INTEGER"),
        "d": ("decimal", "7.50", Decimal("7.50"), "DECIMAL(3,2)"),
        "day": ("date", "2024-02-29", datetime(2024, 2, 29).date(), "DATE"),
        "at": ("dateTime", "2024-02-29T12:00:00Z", datetime(2024, 2, 29, 12, tzinfo=UTC), "TIMESTAMP WITH TIME ZONE"),
        "s": ("string", "é'", "é'", "VARCHAR"),
    }
    columns = ", ".join(f":{name}, typeof(:{name})" for name in types)
    site.write("q", f"SELECT {columns}", params=tuple(f"{name} {each[0]}" for name, each in types.items()))
    (row,) = site.rows("q", **{name: each[1] for name, each in types.items()})
    assert list(zip(row[::2], row[1::2], strict=True)) == [each[2:] for each in types.values()]


def test_text_is_not_compared_with_another_type(site: Site) -> None:
    """Columns of the default mapping are text: a comparison of text with a date would be one of letters."""
    site.write("q", "SELECT id FROM p WHERE born >= :day", "ViewDefinition/person p", params=("day date",))
    assert "cast" in str(site.refusal("q", day="1970-01-01"))
    sql = "SELECT id FROM p WHERE TRY_CAST(born AS DATE) >= :day"
    site.write("q", sql, "ViewDefinition/person p", params=("day date",))
    assert site.rows("q", day="1970-01-01") == [("c",)]


@pytest.mark.parametrize(
    "condition",
    [
        *("born = :n", ":n = born", "born <> :n", "born IN (:n, 5)", ":n IN (born)", "born NOT IN (:n)"),
        *("born IS DISTINCT FROM :n", "born = :n + 1", "CASE born WHEN :n THEN true END", "NOT (born == -:n)"),
        *("EXISTS (SELECT 1 FROM p q WHERE q.born = :n)", "id = 'a' AND (born = :n OR id = 'b')", "born < :n"),
        *("born BETWEEN :n AND 2000", "born = ANY (SELECT :n)", "born IN (SELECT :n)", "born = :n::BIGINT"),
        *("born = (SELECT v FROM (SELECT :n AS v))", "nullif(born, :n) IS NULL", "NULLIF(:n, born) IS NULL"),
        *(
            "EXISTS (SELECT 1 FROM (SELECT :n AS v) WHERE v = born)",
            "EXISTS (WITH c AS (SELECT :n v) FROM c WHERE born IN (v))",
        ),
    ],
)
@pytest.mark.parametrize("type_", ["integer 1950", "decimal 7.4", "date 1950-01-01", "boolean true"])
def test_text_is_not_cast_behind_the_back(site: Site, condition: str, type_: str) -> None:
    """DuckDB takes '7.449' = 7 for true: it casts the text, and rounds."""
    kind, value = type_.split()
    site.write("q", f"SELECT id FROM p WHERE {condition}", "ViewDefinition/person p", params=(f"n {kind}",))
    assert site.refusal("q", n=value).code in ("text_compared", "sql_refused")


@pytest.mark.parametrize(
    "condition",
    [
        *("gender = :t", "gender IN (:t, 'x')", "length(born) = 4 AND id <> :t || 'x'"),
        *(
            "EXISTS (SELECT 1 FROM (SELECT :t AS v) WHERE v = gender AND born = '1980')",
            "nullif(gender, :t) IS NULL AND gender = :t",
        ),
    ],
)
def test_text_is_compared_with_text(site: Site, condition: str) -> None:
    site.write("q", f"SELECT id FROM p WHERE {condition}", "ViewDefinition/person p", params=("t string",))
    assert site.rows("q", t="male") == [("b",)]


def test_numbers_are_compared_with_numbers(site: Site) -> None:
    sql = "SELECT id FROM p WHERE length(born) = :n OR TRY_CAST(born AS INTEGER) IN (:year)"
    site.write("q", sql, "ViewDefinition/person p", params=("n integer", "year decimal"))
    assert site.rows("q", n=4, year="1980.0") == [("b",)]


@pytest.mark.parametrize(
    ("type_", "value", "cast"),
    [("integer", 7, "DECIMAL(18, 6)"), ("decimal", 7, "DECIMAL(18, 6)"), ("date", "2020-01-01", "DATE")],
)
def test_the_cast_that_is_told_does_not_round(site: Site, type_: str, value: object, cast: str) -> None:
    """TRY_CAST('7.449' AS DECIMAL(1,0)) is 7."""
    site.write("q", "SELECT id FROM p WHERE born = :n", "ViewDefinition/person p", params=(f"n {type_}",))
    assert site.refusal("q", n=value).hint == f"write TRY_CAST(column AS {cast})"


def test_a_sample_is_taken(site: Site) -> None:
    site.write(
        "q", "SELECT id FROM p WHERE gender = :t USING SAMPLE 100%", "ViewDefinition/person p", params=("t code",)
    )
    assert site.rows("q", t="male") == [("b",)]


def test_no_value_is_told_in_an_error(site: Site) -> None:
    site.write("q", "SELECT CAST(:a AS INTEGER) + length(:b)", params=("a string", "b integer"))
    error = site.refusal("q", a="Dupont", b="123456")
    assert "123456" not in str(error)
    assert "Dupont" not in str(error)


def test_views_of_sql_are_put_in_at_any_depth(site: Site) -> None:
    site.write("women", "SELECT id, born FROM p WHERE gender = 'female'", "ViewDefinition/person p", kind="sql-view")
    site.write("old", "SELECT id FROM p WHERE born < '1960'", "Library/women p", kind="sql-view")
    # in each Library `p` is another table
    site.write("q", "SELECT count(*), (SELECT count(*) FROM p) FROM o", "Library/old o", "ViewDefinition/person p")
    assert site.rows("q") == [(1, 3)]
    assert site.rows("old") == [("a",)]


def test_a_view_of_sql_may_end_in_a_comment_or_semicolon(site: Site) -> None:
    for number, end in enumerate((";", " -- all", "; -- all", " /* all */ ;")):
        site.write(
            f"v{number}", f"WITH c AS (FROM p) SELECT id FROM c{end}", "ViewDefinition/person p", kind="sql-view"
        )
        site.write("q", "SELECT count(*) FROM v", f"Library/v{number} v")
        assert site.rows("q") == [(3,)]


def test_a_view_that_two_views_read_is_one(site: Site) -> None:
    site.write("base", "SELECT id FROM p", "ViewDefinition/person p", kind="sql-view")
    for name in ("left_one", "right_one"):
        site.write(name, "SELECT id FROM base", "Library/base", kind="sql-view")
    site.write("q", "SELECT count(*) FROM l JOIN r USING (id)", "Library/left_one l", "Library/right_one r")
    assert site.rows("q") == [(3,)]


@pytest.mark.parametrize("length", [1, 2, 5])
def test_a_circle_is_named(site: Site, length: int) -> None:
    for number in range(length):
        site.write(f"v{number}", "FROM v", f"Library/v{(number + 1) % length} v", kind="sql-view")
    site.write("q", "FROM v", "Library/v0 v")
    error = site.refusal("q")
    assert error.code == "dependency_cycle"
    assert " → ".join([*(f"v{number}" for number in range(length)), "v0"]) in error.message


def test_depth_and_breadth_are_bounded(site: Site) -> None:
    site.write("v0", "SELECT 1 AS i", kind="sql-view")
    for number in range(1, 40):
        site.write(f"v{number}", "FROM v", f"Library/v{number - 1} v", kind="sql-view")
    assert site.rows("v20") == [(1,)]
    assert site.refusal("v39").code == "dependencies_too_deep"
    for number in range(1, 16):
        site.write(f"v{number}", "FROM v UNION ALL FROM v", f"Library/v{number - 1} v", kind="sql-view")
    assert site.refusal("v12").code == "dependencies_too_many"
    assert dependencies.MAX_PARTS < 2**12


def test_what_is_not_built_is_named_with_the_command(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.define(view("contact", ("id", "id", "id")))
    monkeypatch.chdir(site.folder)
    site.views.rename(site.folder / "view_definitions")
    site.write("q", "FROM c", "ViewDefinition/contact c")
    error = site.refusal("q")
    assert (error.code, error.hint) == ("view_not_built", "`lacustre views build contact`")
    site.write("q", "FROM c", "ViewDefinition/persn c")
    error = site.refusal("q")
    assert (error.code, (error.hint or "").split(" or ")[0]) == (
        "dependency_not_found",
        f"did you mean {BASE}/ViewDefinition/person",
    )


def test_versions_are_kept_apart(site: Site) -> None:
    site.build({**view("person_2", ("id", "id", "id")), "url": PERSON["url"], "version": "2"})
    site.write("q", "SELECT * FROM p", "ViewDefinition/person|2 p")
    assert site.lake.query("q", site.queries).columns == ["id"]
    site.write("q", "SELECT * FROM p", "ViewDefinition/person p")
    error = site.refusal("q")
    assert error.code == "dependency_ambiguous"
    assert "the view person" in error.message
    assert "the view person_2" in error.message
    site.write("q", "SELECT * FROM p", "ViewDefinition/person|3 p")
    assert site.refusal("q").code == "dependency_not_found"


def test_a_query_is_no_table(site: Site) -> None:
    site.write("other", "SELECT 1")
    site.write("q", "FROM o", "Library/other o")
    assert site.refusal("q").code == "dependency_is_query"


def test_a_fault_in_a_view_is_told_as_its_own(site: Site) -> None:
    site.write("v", "SELECT * FROM read_text('/etc/hostname')", kind="sql-view")
    site.write("q", "FROM v", "Library/v v")
    with pytest.raises(SqlLibraryError, match="SQL of v") as caught:
        site.lake.query("q", site.queries)
    assert caught.value.code == "function_refused"
    site.write("v", "SELECT nme FROM p", "ViewDefinition/person p", kind="sql-view")
    error = site.refusal("q")
    assert (error.code, error.message.startswith("v: ")) == ("sql_refused", True)


@pytest.mark.parametrize(
    "sql",
    [
        *("SELECT * FROM person", "SELECT * FROM main.person", "SELECT * FROM lineage.person", "FROM fhir.Patient"),
        *("SELECT lake_source FROM p", "FROM rejects", "SELECT * FROM (WITH person AS (FROM p) FROM person), person"),
        *("WITH person AS (FROM person) FROM person", "WITH a AS (FROM person), person AS (FROM p) FROM a"),
        "WITH RECURSIVE person AS (FROM person UNION ALL FROM person) FROM person",
        "WITH RECURSIVE a AS (FROM person UNION ALL FROM a), person AS (FROM p) FROM a",
        "SELECT (WITH person AS (FROM p) SELECT count(*) FROM person), (SELECT count(*) FROM person)",
        "(WITH person AS (FROM p) FROM person) UNION ALL FROM person",
        "SELECT * FROM p WHERE EXISTS (WITH person AS (FROM p) FROM person) ORDER BY (SELECT max(id) FROM person)",
    ],
)
def test_the_rest_of_the_lake_is_not_there(site: Site, sql: str) -> None:
    site.write("q", sql, "ViewDefinition/person p")
    assert site.refusal("q").code in ("table_unknown", "sql_refused"), (
        "and so in every place of SQL that a name of a WITH clause does not reach"
    )


def test_files_are_out_of_reach(site: Site) -> None:
    secret = site.folder / "secret.csv"
    secret.write_text("a\nCANARY\n")
    for sql in (
        f"FROM '{secret}'",
        f'FROM "{secret}"',
        f"FROM read_csv('{secret}')",
        f"SELECT * FROM glob('{secret}')",
    ):
        site.write("q", sql)
        with pytest.raises(SqlLibraryError) as caught:
            site.lake.query("q", site.queries)
        assert "CANARY" not in str(caught.value)
    # a name given to a CTE elsewhere is no way to a file or to a variable of Python
    held = duckdb.sql("SELECT 1 AS a")
    assert held.fetchall() == [(1,)]
    site.write("q", "SELECT * FROM (WITH held AS (SELECT 2 AS a) FROM held), held")
    assert site.refusal("q").code == "table_unknown"


def test_what_a_parameter_says_opens_no_file(site: Site) -> None:
    secret = site.folder / "secret.csv"
    secret.write_text("a\nCANARY\n")
    site.write("q", "SELECT * FROM query_table(:file)", params=("file string",))
    assert site.refusal("q", file=str(secret)).code == "function_refused"
    site.write("q", "SELECT * FROM (SELECT :file)", params=("file string",))
    assert site.rows("q", file=str(secret)) == [(str(secret),)]


def test_a_json_library_is_run_like_its_file(site: Site) -> None:
    path = site.write("q", "SELECT id FROM p WHERE gender = :sex", "ViewDefinition/person p", params=("sex code",))
    document = library_json(read_annotated_sql(path.read_text(), str(path), path.name).library)
    path.unlink()
    (site.queries / "q.json").write_text(json.dumps(document))
    assert site.rows("q", sex="male") == [("b",)]
    assert site.lake.query(site.queries / "q.json", sex="male").fetchall() == [("b",)]


def test_a_file_is_run_with_what_lies_beside_it(site: Site) -> None:
    site.write("v", "SELECT id FROM p", "ViewDefinition/person p", kind="sql-view")
    path = site.write("q", "SELECT count(*) FROM v", "Library/v v")
    assert site.lake.query(path).fetchall() == [(3,)]
    assert site.lake.query(str(path)).fetchall() == [(3,)]


def test_names_and_folders(site: Site) -> None:
    site.write("q", "SELECT 1")
    (site.queries / "deeper").mkdir()
    (site.queries / "deeper/broken.sql").write_text("-- @status: x\nSELECT 1")
    (site.queries / "other.json").write_text('{"resourceType": "Patient", "id": "a"}')
    (site.queries / "cql.json").write_text('{"resourceType": "Library", "type": {"text": "logic"}}')
    (site.queries / "data.json").write_text('{"resourceType": "Patient", "id": ')
    (site.queries / "notes.txt").write_text("q")
    assert site.rows("q") == [(1,)]
    error = site.refusal("qq")
    assert (error.code, error.hint) == ("unknown_query", "did you mean q?")
    assert site.refusal("broken").code == "library_status"
    (site.queries / "cut.json").write_text('{"resourceType": "ValueSet", "url": ')
    assert site.refusal("cut").code == "library_not_json"
    (site.queries / "deeper/Q.sql").write_text("SELECT 2")
    assert site.refusal("q").code == "query_defined_twice"
    with pytest.raises(InputError, match="no_queries"):
        site.lake.query("q", site.folder / "none")
    with pytest.raises(InputError, match="no_queries"):
        site.lake.query(site.folder / "none.sql")


def test_parameters_of_any_name(site: Site) -> None:
    names = ("query", "folder", "self", "parameters", "date", "Select")
    site.write("q", "SELECT " + ", ".join(f":{name}" for name in names), params=tuple(f"{n} string" for n in names))
    assert site.lake.query("q", site.queries, **{name: name for name in names}).fetchall() == [names]


def test_a_lake_of_the_past_answers_as_it_was(site: Site) -> None:
    site.write("v", "SELECT id FROM p", "ViewDefinition/person p", kind="sql-view")
    site.write("q", "SELECT count(*) FROM v", "Library/v v")
    load_lines(site.lake, site.folder, {"resourceType": "Patient", "id": "d"})
    site.build(PERSON)
    assert site.rows("q") == [(4,)]
    assert site.lake.at(1).query("q", site.queries).fetchall() == [(3,)]


def test_an_empty_view_has_its_columns(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.build(PERSON)
    site.write("q", "SELECT id FROM p", "ViewDefinition/person p")
    assert site.rows("q") == []
