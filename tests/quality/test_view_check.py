"""`Lake.check_views`: findings with code, level and place, and how far columns are filled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from lacustre import Lake
from lacustre.errors import InputError
from lacustre.views.builds.sources import CONTAINED_URL
from lacustre.views.catalog import starter_views
from lacustre.views.check import CheckedView, CheckReport, Finding
from lacustre.views.check.keywords import RESERVED_WORDS
from lacustre.views.check.rules import RULES
from lacustre.views.types import Typing

SHAREABLE = "http://hl7.org/fhir/uv/sql-on-fhir/StructureDefinition/ShareableViewDefinition"
TABULAR = "https://sql-on-fhir.org/ig/StructureDefinition/TabularViewDefinition|2.0.0"

PATIENTS: list[dict[str, Any]] = [
    {
        "resourceType": "Patient",
        "id": f"p{number}",
        "gender": "female",
        **({"birthDate": "1950-05"} if number < 3 else {}),
        "name": [{"family": "Curie", "given": ["Marie", "Salomea"]}],
        "deceasedDateTime": "1934-07-04",
        "identifier": [{"system": "urn:x", "value": "1"}],
    }
    for number in range(4)
]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    folder = tmp_path_factory.mktemp("check")
    source = folder / "patients.ndjson"
    source.write_text("".join(f"{json.dumps(patient)}\n" for patient in PATIENTS))
    found = Lake.open(folder / "lake")
    found.load(source)
    return found


def definition(*columns: dict[str, Any], **members: Any) -> dict[str, Any]:
    head = {"url": "https://example.org/v", "name": "person", "status": "draft", "resource": "Patient"}
    return {**head, "select": [{"column": list(columns)}], **members}


def column(path: str, name: str = "c", **members: Any) -> dict[str, Any]:
    return {"name": name, "path": path, **members}


def write(folder: Path, document: object, name: str = "view.json") -> Path:
    path = folder / name
    path.write_text(document if isinstance(document, str) else json.dumps(document, indent=1))
    return path


def check(lake: Lake, folder: Path, document: object) -> CheckedView:
    [view] = lake.check_views(write(folder, document)).views
    return view


def codes(view: CheckedView) -> list[tuple[str, str]]:
    return [(finding.level, finding.code) for finding in view.findings]


def only(view: CheckedView) -> Finding:
    [finding] = view.findings
    return finding


def test_how_far_columns_are_filled(lake: Lake, tmp_path: Path) -> None:
    columns = [
        column("getResourceKey()", "id"),
        column("birthDate", "birth_date"),
        column("name.given", "given", collection=True),
        column("name.prefix", "prefix", collection=True),
    ]
    view = check(lake, tmp_path, definition(*columns))
    assert (view.name, view.resource, view.rows) == ("person", "Patient", 4)
    assert [(c.name, c.filled) for c in view.columns] == [("id", 4), ("birth_date", 3), ("given", 4), ("prefix", 0)]
    finding = only(view)
    assert (finding.level, finding.code) == ("warning", "column_never_filled")
    assert finding.diagnostic.message == "prefix is never filled: no Patient of the lake has name.prefix"
    assert finding.diagnostic.hint == "`name` has family, given"
    assert "".join(finding.diagnostic.excerpt()) == "name.prefix" + "     ^^^^^^"


@pytest.mark.parametrize(
    ("path", "message", "hint"),
    [
        ("active", "c is never filled: no Patient of the lake has active", None),
        ("deceased.ofType(boolean)", "of type boolean", "the table has deceased.ofType(dateTime)"),
        ("name.first().period.start", "no Patient of the lake has name.period", "`name` has family, given"),
        ("managingOrganization.getReferenceKey()", "no Patient of the lake has managingOrganization", None),
        ("identifier.where(system = 'urn:y').first().value", "though the data have what its path names", "criteria"),
    ],
)
def test_columns_that_are_never_filled(lake: Lake, tmp_path: Path, path: str, message: str, hint: str | None) -> None:
    finding = only(check(lake, tmp_path, definition(column(path))))
    assert (finding.level, finding.code) == ("warning", "column_never_filled")
    assert message in finding.diagnostic.message
    assert (hint is None) == (finding.diagnostic.hint is None)
    assert (hint or "") in (finding.diagnostic.hint or "")


def test_a_path_beside_one_that_is_filled_is_a_note(lake: Lake, tmp_path: Path) -> None:
    assert codes(check(lake, tmp_path, definition(column("active or gender.exists()")))) == [
        ("note", "path_never_filled")
    ]


def test_a_choice_that_has_one_of_the_types_asked_for_is_there(lake: Lake, tmp_path: Path) -> None:
    assert codes(check(lake, tmp_path, definition(column("deceased.exists()")))) == []


@pytest.mark.parametrize(("kind", "rows"), [("forEach", 0), ("forEachOrNull", 4)])
def test_a_select_that_never_runs_is_named_once(lake: Lake, tmp_path: Path, kind: str, rows: int) -> None:
    select = [
        {"column": [column("id", "id")]},
        {kind: "contact", "column": [column("name.family", "family"), column("gender")]},
    ]
    view = check(lake, tmp_path, definition(select=select))
    assert view.rows == rows
    assert ("warning", "select_never_filled") in codes(view)
    assert ("warning", "column_never_filled") not in codes(view)
    assert (("warning", "view_without_rows") in codes(view)) == (rows == 0)


def test_a_where_that_leaves_no_row(lake: Lake, tmp_path: Path) -> None:
    view = check(lake, tmp_path, definition(column("id", "id"), where=[{"path": "active"}]))
    assert codes(view) == [("warning", "view_without_rows"), ("warning", "path_never_filled")]


def test_a_type_without_a_table(lake: Lake, tmp_path: Path) -> None:
    view = check(lake, tmp_path, definition(column("id", "id"), resource="Observation"))
    assert codes(view) == [("warning", "table_missing")]
    assert view.rows is None


def test_what_the_data_contradict_is_an_error_at_its_column(lake: Lake, tmp_path: Path) -> None:
    view = check(lake, tmp_path, definition(column("id", "id"), column("name.given", "given")))
    finding = only(view)
    assert (finding.level, finding.code) == ("error", "view_contradicts_data")
    assert finding.diagnostic.pointer == "/select/0/column/1/path"
    assert "Marie" not in str(finding)


def test_every_fault_of_the_definition_with_its_place(lake: Lake, tmp_path: Path) -> None:
    text = """{"url": "u", "name": "v", "status": "draft", "resource": "Patient",
 "select": [{"column": [
   {"name": "a", "path": "name.famly"},
   {"name": "b c", "path": "gender = "},
   {"name": "d", "path": "valueQuantity\\u002evalue"}]}]}"""
    view = check(lake, tmp_path, text)
    found = {
        f.code: (f.level, f.diagnostic.line, f.diagnostic.column, f.end_line, f.end_column) for f in view.findings[::-1]
    }
    assert found["unknown_element"] == ("error", 3, 32, 3, 37)
    assert found["sql_name"] == ("error", 4, 13, 4, 18)
    assert found["fhirpath_syntax"][:2] == ("error", 4)
    assert [f.diagnostic.column for f in view.findings if f.code == "unknown_element"] == [32, 27]
    assert "did you mean `family`" in str(view.findings[0].diagnostic.hint)


def test_a_file_that_is_not_json_is_one_error(lake: Lake, tmp_path: Path) -> None:
    finding = only(check(lake, tmp_path, '{"a": 1,\n "a": 2}'))
    assert (finding.level, finding.code, finding.diagnostic.line) == ("error", "view_duplicate_member", 2)


def test_what_a_view_should_say_of_itself(lake: Lake, tmp_path: Path) -> None:
    view = check(lake, tmp_path, {"resource": "Patient", "select": [{"column": [column("id", "id")]}]})
    missing = [("note", f"view_{member}_missing") for member in ("name", "status", "url")]
    assert codes(view) == missing


def test_names_that_sql_wants_quoted(lake: Lake, tmp_path: Path) -> None:
    view = check(lake, tmp_path, definition(column("id", "Order"), column("gender", "sex"), name="group"))
    assert codes(view) == [("note", "name_reserved")] * 2
    assert [f.diagnostic.hint for f in view.findings] == ['"group", or another name', '"Order", or another name']


def test_the_reserved_words_are_those_of_the_database() -> None:
    with duckdb.connect() as connection:
        words = {name for (name,) in connection.execute("SELECT keyword_name FROM duckdb_keywords()").fetchall()}
        refused = {word for word in words if not is_column(connection, word)}
    assert refused == RESERVED_WORDS


def is_column(connection: duckdb.DuckDBPyConnection, word: str) -> bool:
    try:
        return connection.execute(f'SELECT {word} FROM (SELECT 7 AS "{word}")').fetchone() == (7,)
    except duckdb.Error:
        return False


def test_constants_that_nothing_uses(lake: Lake, tmp_path: Path) -> None:
    constants = [{"name": name, "valueString": "x"} for name in ("used", "there", "idle")]
    where = [{"path": "gender != %used"}]
    select = [{"forEach": "name.where(family != %there)", "column": [column("family")]}]
    view = check(lake, tmp_path, definition(constant=constants, where=where, select=select))
    finding = only(view)
    assert (finding.level, finding.code, finding.diagnostic.pointer) == (
        "warning",
        "constant_unused",
        "/constant/2/name",
    )


def test_types_wider_than_what_was_found(lake: Lake, tmp_path: Path) -> None:
    columns = [column("birthDate", "a", type="string"), column("birthDate", "b", type="dateTime")]
    same = [column("gender", "d", type="string"), column("birthDate", "e", type="date"), column("birthDate", "f")]
    view = check(lake, tmp_path, definition(*columns, *same))
    assert codes(view) == [("note", "type_wider")] * 2
    assert {finding.diagnostic.hint for finding in view.findings} == {"declare date"}


def test_a_type_that_is_wrong_is_an_error(lake: Lake, tmp_path: Path) -> None:
    assert codes(check(lake, tmp_path, definition(column("birthDate", type="integer")))) == [("error", "column_type")]


def claim(*profiles: str) -> dict[str, Any]:
    return {"meta": {"profile": list(profiles)}}


def test_a_shareable_view_that_is_one(lake: Lake, tmp_path: Path) -> None:
    paths = ["name.where(use.empty() and family >= 'A' or true).first().family", "birthDate > %day", "name.given[0]"]
    columns = [
        column(path, f"c{n}", type=type_)
        for n, (path, type_) in enumerate(zip(paths, ("string", "boolean", "string"), strict=True))
    ]
    members = {**claim(SHAREABLE), "fhirVersion": ["4.0.1"], "constant": [{"name": "day", "valueDate": "1949"}]}
    assert {code for _, code in codes(check(lake, tmp_path, definition(*columns, **members)))} <= {"path_never_filled"}


@pytest.mark.parametrize(
    ("path", "level", "code"),
    [
        ("name.given.join(' ')", "note", "shareable_experimental"),
        ("gender.substring(1)", "warning", "shareable_expression"),
        ("gender & 'x'", "warning", "shareable_expression"),
        ("gender | 'x'", "warning", "shareable_expression"),
        ("(gender is code).first()", "warning", "shareable_expression"),
        ("birthDate > @1950", "warning", "shareable_expression"),
    ],
)
def test_a_shareable_view_that_uses_more(lake: Lake, tmp_path: Path, path: str, level: str, code: str) -> None:
    members = {**claim(SHAREABLE), "fhirVersion": ["4.0"]}
    view = check(lake, tmp_path, definition(column(path, type="string", collection=True), **members))
    assert (level, code) in codes(view)


def test_a_shareable_view_that_lacks_members(lake: Lake, tmp_path: Path) -> None:
    view = check(lake, tmp_path, {**definition(column("id", "id")), **claim(SHAREABLE), "url": ""})
    assert codes(view).count(("error", "shareable_member_missing")) == 2
    assert ("error", "shareable_type_missing") in codes(view)


def test_a_tabular_view_has_no_collections(lake: Lake, tmp_path: Path) -> None:
    """`date`, which the list of the profile forgets, is a primitive, and a column needs no type."""
    columns = [column("birthDate", "b", type="date"), column("gender", "g")]
    assert codes(check(lake, tmp_path, definition(*columns, **claim(TABULAR)))) == []
    view = check(lake, tmp_path, definition(column("name.given", "g", collection=True), **claim(TABULAR)))
    assert codes(view) == [("error", "tabular_collection")]


def test_names_that_clash(lake: Lake, tmp_path: Path) -> None:
    first = write(tmp_path, definition(column("id", "id")), "a.json")
    second = write(tmp_path, definition(column("id", "id"), name="Person"), "b.json")
    report = lake.check_views([first, second])
    assert [codes(view) for view in report.views] == [[], [("error", "view_name_clash")]]
    assert str(first) in report.views[1].findings[0].diagnostic.message


def test_a_name_that_the_lake_has_in_other_letters(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake")
    lake.load(write(tmp_path, json.dumps(PATIENTS[0]) + "\n", "p.ndjson"))
    folder = tmp_path / "views"
    folder.mkdir()
    write(folder, definition(column("id", "id")))
    lake.build_views(definitions=folder)
    assert codes(check(lake, tmp_path, definition(column("id", "id")))) == []
    assert codes(check(lake, tmp_path, definition(column("id", "id"), name="PERSON"))) == [("error", "view_name_taken")]


def test_without_a_lake_the_specification_is_left(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "nothing")
    path = write(tmp_path, definition(column("active"), column("famly", "d"), fhirVersion=["5.0.0"]))
    report = lake.check_views([path])
    assert report.lake is None
    assert codes(report.views[0]) == [("error", "unknown_element")]
    assert report.views[0].rows is None
    assert not (tmp_path / "nothing").exists()


def test_folders_and_paths_that_are_not_there(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "nowhere.json", tmp_path / "empty"):
        with pytest.raises(InputError, match=r"there is no|has no"):
            lake.check_views(path)


def test_the_starter_views_over_the_sample(sample_lake: Lake) -> None:
    report = sample_lake.check_views(starter_views())
    assert isinstance(report, CheckReport)
    assert report.count("error") == 0, [finding for _, finding in report.findings() if finding.level == "error"]
    built = {view.view: view.rows for view in sample_lake.views()}
    assert {view.name: view.rows for view in report.views if view.rows is not None}.items() <= built.items()
    assert {code for _, code in codes_of(report)} <= RULES.keys()


def codes_of(report: CheckReport) -> list[tuple[str, str]]:
    return [(finding.level, finding.code) for _, finding in report.findings()]


def test_values_that_do_not_fit_their_type(lake: Lake, tmp_path: Path) -> None:
    path = write(tmp_path, definition(column("birthDate", "born", type="date"), column("gender", "sex")))
    assert [codes(view) for view in lake.check_views(path).views] == [[]], "text holds partial dates"
    [view] = lake.check_views(path, typing=Typing("native")).views
    finding = only(view)
    assert (finding.level, finding.code, finding.diagnostic.pointer) == (
        "warning",
        "values_misfit",
        "/select/0/column/0/path",
    )
    assert finding.diagnostic.message == "3 partial dates of born became null in DATE"


def test_contained_resources_count_where_a_view_asks_for_them(tmp_path: Path) -> None:
    inner = {"resourceType": "Organization", "id": "o", "name": "Lab"}
    patient = {**PATIENTS[0], "contained": [inner], "managingOrganization": {"reference": "#o"}}
    lake = Lake.open(tmp_path / "lake")
    lake.load(write(tmp_path, json.dumps(patient) + "\n", "p.ndjson"))
    view = definition(column("name", "label"), resource="Organization", name="org")
    assert codes(check(lake, tmp_path, view)) == [("warning", "table_missing")]
    asking = {**view, "extension": [{"url": CONTAINED_URL, "valueBoolean": True}]}
    found = check(lake, tmp_path, asking)
    assert (found.rows, codes(found)) == (1, [])
    wrong = check(lake, tmp_path, {**view, "extension": [{"url": CONTAINED_URL}]})
    assert codes(wrong) == [("error", "extension_value")]
