"""Definitions that are wrong, absurd or hostile: each is a typed error with code, place and hint, or runs quickly."""

from __future__ import annotations

import codecs
import json
import time
from pathlib import Path
from typing import Any

import duckdb
import pytest

from lacustre.errors import InputError, ViewDefinitionError
from lacustre.fhir.model import load_model
from lacustre.views.compile import CompiledView, compile_view
from lacustre.views.model import load_view, parse_view
from lacustre.views.view_source import MAX_BYTES
from support.view_runs import run_view

PATIENT = {
    "resourceType": "Patient",
    "id": "p1",
    "gender": "female",
    "name": [{"use": "official", "family": "Curie", "given": ["Marie"]}],
    "extension": [{"url": "a", "extension": [{"url": "b", "valueString": "x"}]}],
}
SHAPE: dict[str, Any] = {"id": {}, "gender": {}, "name": {"use": {}, "family": {}, "given": {}}}
QUICK = 1.0
"""Seconds of this process within which anything is refused or compiled."""


def view(*columns: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {"resource": "Patient", "select": [{"column": list(columns)}], **members}


def column(path: str, name: str = "c", **members: Any) -> dict[str, Any]:
    return {"name": name, "path": path, **members}


def compiled(document: dict[str, Any]) -> CompiledView:
    return compile_view(parse_view(document), load_model(), SHAPE)


def refusal(document: dict[str, Any]) -> tuple[str, str, str]:
    """Code, pointer and message of the first fault, which is found quickly and rendered briefly."""
    started = time.process_time()
    with pytest.raises(ViewDefinitionError) as caught:
        compiled(document)
    assert time.process_time() - started < QUICK
    first = caught.value.diagnostics[0]
    assert max(map(len, first.render().splitlines())) < 300, "an error is read by people"
    return first.code, first.pointer, first.message


@pytest.mark.parametrize(
    ("path", "code", "says"),
    [
        ("name.where()", "wrong_arity", "1 argument"),
        ("name.first(1)", "wrong_arity", "0 arguments"),
        ("gender.substring()", "wrong_arity", "1 to 2 arguments"),
        ("name.ofType(A, B)", "wrong_arity", "1 argument"),
        ("frst()", "unknown_function", "frst"),
        ("gender.htmlChecks()", "unsupported_function", "htmlChecks"),
        ("name.where(use = 'a'", "fhirpath_syntax", "`)`"),
        ("name.where(use = 'a'))", "fhirpath_syntax", "`)`"),
        ("((((((", "fhirpath_syntax", "the end"),
        ("name[0", "fhirpath_syntax", "`]`"),
        ("'abc", "fhirpath_syntax", "never closed"),
        ("/* abc", "fhirpath_syntax", "never closed"),
        ("gender..id", "fhirpath_syntax", "`.`"),
        ("@@", "fhirpath_syntax", "date"),
        ("", "fhirpath_syntax", "the end"),
        ("  \n ", "fhirpath_syntax", "the end"),
        ("gender = ", "fhirpath_syntax", "the end"),
        ("é", "fhirpath_syntax", "é"),
        ("name[gender]", "index_not_fixed", "integer"),
        ("99999999999", "integer_too_large", "2147483647"),
        ("%nothing", "undefined_constant", "nothing"),
        ("'\\ud800'", "fhirpath_syntax", "surrogate"),
        ("-deceased[value]", "unknown_element", "value"),
    ],
)
def test_expressions_that_are_wrong(path: str, code: str, says: str) -> None:
    found, pointer, message = refusal(view(column(path)))
    assert (found, pointer) == (code, "/select/0/column/0/path")
    assert says in message


@pytest.mark.parametrize(
    "path",
    [
        "a" * 10_000,
        "'" + "x" * 10_000 + "'",
        " or ".join(["gender = 'a'"] * 800),
        "+".join(["1"] * 5_000),
        "(" * 5_000 + "gender" + ")" * 5_000,
        "(" * 900 + "gender" + ")" * 900,
        "(" * 10_000,
        "-" * 5_000 + "1",
        "name" + ".first()" * 1_300,
        "name" + "[0]" * 3_000,
        "name.where(" * 300 + "true" + ")" * 300,
        " = ".join(["1"] * 900),
        "gender" + " is code" * 500,
        "iif(true, " * 400 + "1" + ", 2)" * 400,
    ],
    ids=lambda path: f"{path[:12]}…{len(path)}",
)
def test_expressions_that_are_too_long_or_too_deep(path: str) -> None:
    code, pointer, message = refusal(view(column(path)))
    assert code in ("fhirpath_syntax", "expression_too_large"), message
    assert "more than" in message
    assert pointer == "/select/0/column/0/path"


def test_a_list_of_five_hundred_codes_is_compared() -> None:
    codes = " or ".join(f"use = '{number}'" for number in range(500))
    assert len(codes) < 8_000
    [row] = run_view(view(column(f"name.exists({codes} or use = 'official')")), [PATIENT])
    assert row == {"c": True}


def test_five_hundred_columns_compile_fast_and_run() -> None:
    columns = [column("name.where(use = 'official').first().family", f"c{number}") for number in range(500)]
    started = time.process_time()
    found = compiled(view(*columns))
    assert time.process_time() - started < 2 * QUICK
    assert len(found.columns) == 500
    [row] = run_view(view(*columns), [PATIENT])
    assert set(row.values()) == {"Curie"}


@pytest.mark.parametrize(
    ("repeat", "code"),
    [
        (["$this"], "repeat_endless"),
        (["%resource.extension"], "repeat_endless"),
        (["extension", "%resource"], "repeat_endless"),
        (["name.given"], "repeat_types"),
        (["extension", "name"], "repeat_types"),
        ([], "repeat_empty"),
        ([1], "path_not_string"),
    ],
)
def test_recursion_without_end(repeat: list[Any], code: str) -> None:
    document = {"resource": "Patient", "select": [{"repeat": repeat, "column": [column("url")]}]}
    found, pointer, _ = refusal(document)
    assert found == code
    assert pointer.startswith("/select/0/repeat")


def test_a_repeat_that_would_go_everywhere() -> None:
    shape: dict[str, Any] = {"url": {}}
    for _ in range(13):
        shape = {"url": {}, "extension": shape}
    for paths, refused in ((["extension"], False), (["extension", "extension"], True), (["extension"] * 50, True)):
        document = {"resource": "Patient", "select": [{"repeat": paths, "column": [column("url")]}]}
        try:
            assert compile_view(parse_view(document), load_model(), {"extension": shape}).columns
            assert not refused
        except ViewDefinitionError as error:
            assert [fault.code for fault in error.diagnostics] == ["repeat_too_large"]
            assert refused


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"valueInteger": "1"}, "'1' is not a value of type integer"),
        ({"valueInteger": 2**31}, "is not a value of type integer"),
        ({"valueInteger": True}, "a boolean is not a value of type integer"),
        ({"valueBoolean": "true"}, "is not a value of type boolean"),
        ({"valueDate": "15/06/1970"}, "is not a value of type date"),
        ({"valueDate": "2015-02-30"}, "is not a value of type date"),
        ({"valueString": 1}, "1 is not a value of type string"),
        ({"valueDecimal": float("nan")}, "is not a value of type decimal"),
        ({"valueDecimal": float("inf")}, "is not a value of type decimal"),
        ({"valueCode": None}, "null is not a value of type code"),
        ({"valueUuid": "x"}, "is not a value of type uuid"),
        ({}, "has no value"),
        ({"valueCode": "a", "valueString": "a"}, "2 values"),
    ],
)
def test_constants_of_the_wrong_type(value: dict[str, Any], says: str) -> None:
    code, pointer, message = refusal(view(column("id"), constant=[{"name": "k", **value}]))
    assert code == "constant_value"
    assert pointer.startswith("/constant/0")
    assert says in message


def test_two_columns_of_one_name() -> None:
    assert refusal(view(column("id", "a"), column("gender", "A")))[:2] == (
        "column_duplicate",
        "/select/0/column/0/name",
    )


def nested(depth: int) -> dict[str, Any]:
    select: dict[str, Any] = {"column": [column("id")]}
    for _ in range(depth):
        select = {"select": [select]}
    return {"resource": "Patient", "select": [select]}


@pytest.mark.parametrize("depth", [25, 300, 100_000])
def test_selects_inside_selects(depth: int) -> None:
    assert refusal(nested(depth))[0] == "view_too_deep"


def test_twenty_selects_inside_each_other_run() -> None:
    assert run_view(nested(19), [PATIENT]) == [{"c": "p1"}]


@pytest.mark.parametrize(("siblings", "branches"), [(1, 500), (3, 10), (40, 3)])
def test_unions_that_multiply(siblings: int, branches: int) -> None:
    selects = [
        {"unionAll": [{"column": [column("id", f"c{sibling}")]} for _ in range(branches)]}
        for sibling in range(siblings)
    ]
    code, pointer, message = refusal({"resource": "Patient", "select": selects})
    assert (code, pointer) == ("too_many_branches", "/select")
    assert "400" in message


def test_a_union_of_three_hundred_branches_runs() -> None:
    select = {"unionAll": [{"column": [column(f"'{number}'")]} for number in range(300)]}
    rows = run_view({"resource": "Patient", "select": [select]}, [PATIENT])
    assert len(rows) == len({row["c"] for row in rows}) == 300


@pytest.mark.parametrize(
    ("data", "code", "line", "place"),
    [
        (b"", "view_not_json", 1, 1),
        (b"resource: Patient\n", "view_not_json", 1, 1),
        (b'{"resource": "Patient"', "view_not_json", 1, 23),
        (b'{\n  "resource": "Patient",\n}', "view_not_json", 3, 1),
        (b'{"resource": "Patient"} {}', "view_not_json", 1, 25),
        (b'{\n "constant": [{"name": "a", "valueDecimal": NaN}]}', "view_not_json", 2, 45),
        (b'{\n "constant": [{"name": "a", "valueDecimal": -Infinity}]}', "view_not_json", 2, 45),
        (b'{"resource": "Patient",\n "resource": "Group"}', "view_duplicate_member", 2, 2),
        (b'{"select": [{"column": [{"path": "id", "name": "a", "path": "gender"}]}]}', "view_duplicate_member", 1, 53),
        (b'{"name": "\xe9t\xe9"}', "view_not_utf8", 1, 11),
        ('{"resource": "Patient"}'.encode("utf-16"), "view_not_utf8", 1, 1),
        (b'{"name": "\\ud800"}', "view_not_json", 1, 11),
        (b'{"name": "a\nb"}', "view_not_json", 1, 10),
        (b'{"name": "\\x"}', "view_not_json", 1, 10),
        (b"[" * 200_000, "view_too_deep", 1, 101),
        (b'{"a":' * 200_000, "view_too_deep", 1, 501),
        (b'{"a": ' + b"9" * 5_000 + b"}", "view_not_json", 1, 7),
        (b"[]", "view_not_object", 1, 1),
        (b'"Patient"', "view_not_object", 1, 1),
        (b"null", "view_not_object", 1, 1),
    ],
    ids=range(20),
)
def test_files_that_are_no_definition(data: bytes, code: str, line: int, place: int, tmp_path: Path) -> None:
    path = tmp_path / "view.json"
    path.write_bytes(data)
    with pytest.raises(ViewDefinitionError) as caught:
        load_view(path)
    [fault] = caught.value.diagnostics
    assert (fault.code, fault.line, fault.column) == (code, line, place)
    assert f"line {line}, column {place}" in caught.value.message
    assert str(path) in caught.value.message


def test_a_file_of_fifty_megabytes_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "patients.ndjson"
    with path.open("wb") as target:
        target.truncate(50_000_000)
    started = time.process_time()
    with pytest.raises(ViewDefinitionError) as caught:
        load_view(path)
    assert time.process_time() - started < QUICK / 2
    [fault] = caught.value.diagnostics
    assert fault.code == "view_too_large"
    assert f"{MAX_BYTES:,}" in fault.message
    assert fault.hint


@pytest.mark.parametrize("path", ["nowhere.json", "."])
def test_a_path_without_a_file(path: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_view(tmp_path / path)
    assert caught.value.code == "no_view_definitions"


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "view.json"
    path.write_bytes(codecs.BOM_UTF8 + json.dumps(view(column("id"))).encode())
    assert load_view(path).resource == "Patient"


def test_the_faults_of_a_file_have_lines_and_columns(tmp_path: Path) -> None:
    path = tmp_path / "view.json"
    path.write_text(
        '{"resource": "Patient",\n "select": [{"column": [\n  {"name": "é \\"x", "path": "a\\u0020= ("}]}]}'
    )
    with pytest.raises(ViewDefinitionError) as caught:
        load_view(path)
    places = {fault.code: (fault.line, fault.column) for fault in caught.value.diagnostics}
    assert places == {"sql_name": (3, 12), "fhirpath_syntax": (3, 40)}


@pytest.mark.parametrize("name", ["a\ud800", "\udfff"])
def test_half_a_character_in_a_document(name: str) -> None:
    assert refusal(view(column("id"), title=name))[0] == "view_not_text"


@pytest.mark.parametrize("text", ["'\\u0000'", "'%_'", "'; DROP TABLE x; --'", "'\\\\'", "'\\'\\'\"'", "'$1 ? :a {b}'"])
def test_texts_that_sql_could_mistake_are_texts(text: str) -> None:
    expected = text[1:-1].replace("\\u0000", "\0").replace("\\'", "'").replace("\\\\", "\\")
    assert run_view(view(column(text)), [PATIENT]) == [{"c": expected}]


def test_two_escapes_may_be_one_character() -> None:
    assert run_view(view(column("'\\ud83d\\ude00'")), [PATIENT]) == [{"c": "\U0001f600"}]


def test_no_error_quotes_the_sql_that_was_made() -> None:
    with pytest.raises(ViewDefinitionError) as caught:
        compiled(view(column("name.family + 1"), column("gender.first", "d")))
    assert "SELECT" not in str(caught.value)
    assert not isinstance(caught.value, duckdb.Error)
