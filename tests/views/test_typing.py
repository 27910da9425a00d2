"""Native types, the tag `ansi/type`, and the notes of what does not fit."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from string import ascii_lowercase
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from lacustre.errors import ViewDefinitionError
from lacustre.fhir.model import load_model
from lacustre.views.builds.misfits import count_misfits, describe_misfits
from lacustre.views.compile import CompiledView, compile_view
from lacustre.views.declared_types import TYPES_EXTENSION
from lacustre.views.model import parse_view
from lacustre.views.types import PartialDates, TypeMode, Typing
from support.native_values import Native, native_date, native_decimal, native_moment, native_time
from support.typed_tables import load_tables

ZONE = "Europe/Paris"
NATIVE = Typing("native", "null")
START = Typing("native", "start")


def compiled_of(view: dict[str, Any], resources: list[dict[str, Any]], typing: Typing) -> tuple[CompiledView, Any]:
    connection = duckdb.connect()
    connection.execute(f"SET TimeZone = '{ZONE}'")
    definition, model = parse_view(view), load_model()
    shapes = load_tables(connection, [json.dumps(resource) for resource in resources], model)
    return compile_view(definition, model, shapes[definition.resource], lineage=True, typing=typing), connection


def rows_of(view: dict[str, Any], resources: list[dict[str, Any]], typing: Typing = NATIVE) -> list[dict[str, Any]]:
    compiled, connection = compiled_of(view, resources, typing)
    with connection:
        found = connection.execute(compiled.sql)
        names = [name for name, *_ in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def column(path: str, tag: str | None = None, **members: Any) -> dict[str, Any]:
    tags = {"tag": [{"name": "ansi/type", "value": tag}]} if tag is not None else {}
    return {"name": "value", "path": path, **tags, **members}


def view_of(*columns: dict[str, Any], resource: str = "Patient", **members: Any) -> dict[str, Any]:
    return {"resource": resource, "name": "typed", "select": [{"column": list(columns)}], **members}


def value_of(
    path: str, resource: dict[str, Any], tag: str | None = None, typing: Typing = NATIVE, **members: Any
) -> tuple[Any, Any]:
    """The value of a column, and the notes of its row."""
    described = {"resourceType": "Patient", "id": "p", **resource}
    view = view_of(column(path, tag, **members), resource=described["resourceType"])
    [row] = rows_of(view, [described], typing)
    return row["value"], row.get("lake_misfits")


def type_of(path: str, tag: str | None = None, typing: Typing = NATIVE, **members: Any) -> str:
    """The SQL type of a column of Observation."""
    view = parse_view(view_of(column(path, tag, **members), resource="Observation"))
    return compile_view(view, load_model(), {}, typing=typing).columns[0].sql_type


BORN = "birthDate"
DIED = "deceased.ofType(dateTime)"
QUANTITY = "value.ofType(Quantity).value"


def observed(number: str) -> dict[str, Any]:
    return {"resourceType": "Observation", "valueQuantity": {"value": number}}


@pytest.mark.parametrize(
    ("path", "spec", "native"),
    [
        ("effective.ofType(dateTime)", "VARCHAR", "TIMESTAMP WITH TIME ZONE"),
        ("effective.ofType(instant)", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP WITH TIME ZONE"),
        ("extension('u').value.ofType(date)", "VARCHAR", "DATE"),
        ("value.ofType(time)", "VARCHAR", "TIME"),
        (QUANTITY, "VARCHAR", "DECIMAL(38,18)"),
        ("value.ofType(integer)", "INTEGER", "INTEGER"),
        ("value.ofType(boolean)", "BOOLEAN", "BOOLEAN"),
        ("status", "VARCHAR", "VARCHAR"),
        ("extension('u').value.ofType(base64Binary)", "BLOB", "BLOB"),
    ],
)
def test_the_two_modes(path: str, spec: str, native: str) -> None:
    assert type_of(path, typing=Typing()) == spec
    assert type_of(path) == native


def test_a_declared_type_goes_before_that_of_the_path() -> None:
    assert type_of("effective.ofType(dateTime)", type="string") == "VARCHAR"
    assert type_of("value.ofType(integer)", type="decimal") == "DECIMAL(38,18)"
    assert type_of("component.value.ofType(dateTime)", collection=True) == "TIMESTAMP WITH TIME ZONE[]"


PARIS = ZoneInfo(ZONE)
NOON = datetime(2020, 5, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("path", "resource", "null", "start"),
    [
        (BORN, {"birthDate": "1970-06-15"}, (date(1970, 6, 15), None), (date(1970, 6, 15), None)),
        (BORN, {"birthDate": "1970-06"}, (None, ["value:partial"]), (date(1970, 6, 1), None)),
        (BORN, {"birthDate": "1970"}, (None, ["value:partial"]), (date(1970, 1, 1), None)),
        (BORN, {"birthDate": "1970-02-30"}, (None, ["value"]), (None, ["value"])),
        (BORN, {"birthDate": "15/06/1970"}, (None, ["value"]), (None, ["value"])),
        (BORN, {"birthDate": "70-6-15"}, (None, ["value"]), (None, ["value"])),
        (BORN, {"birthDate": "1970-06-1 "}, (None, ["value"]), (None, ["value"])),
        (BORN, {"birthDate": "1970-06-15T10:00:00Z"}, (None, ["value"]), (None, ["value"])),
        (BORN, {"birthDate": "0000-01-01"}, (None, ["value"]), (None, ["value"])),
        (BORN, {"birthDate": "0000"}, (None, ["value"]), (None, ["value"])),
        (BORN, {}, (None, None), (None, None)),
        (DIED, {"deceasedDateTime": "2020-05-01T12:00:00+02:00"}, (NOON, None), (NOON, None)),
        (DIED, {"deceasedDateTime": "2020-05-01T12:00:00"}, (NOON, None), (NOON, None)),
        (
            DIED,
            {"deceasedDateTime": "2020-05-01"},
            (None, ["value:partial"]),
            (datetime(2020, 5, 1, tzinfo=PARIS), None),
        ),
        (DIED, {"deceasedDateTime": "2020-05-01T12:00+02:00"}, (None, ["value:partial"]), (NOON, None)),
        (DIED, {"deceasedDateTime": "2020-05-01T12"}, (None, ["value:partial"]), (NOON, None)),
        (DIED, {"deceasedDateTime": "2020-05-01T12:00:00+99:99"}, (None, ["value"]), (None, ["value"])),
        (DIED, {"deceasedDateTime": "2016-12-31T23:59:60Z"}, (None, ["value"]), (None, ["value"])),
        (DIED, {"deceasedDateTime": "2020-05-32"}, (None, ["value"]), (None, ["value"])),
        ("meta.lastUpdated", {"meta": {"lastUpdated": "2020-05"}}, (None, ["value"]), (None, ["value"])),
        ("meta.lastUpdated", {"meta": {"lastUpdated": "2020-05-01T10:00:00Z"}}, (NOON, None), (NOON, None)),
        ("meta.lastUpdated", {"meta": {"lastUpdated": "2020-05-01T10:00:00Z\n"}}, (None, ["value"]), (None, ["value"])),
        ("meta.lastUpdated", {"meta": {"lastUpdated": "2020-05-01 10:00:00Z"}}, (None, ["value"]), (None, ["value"])),
        ("meta.lastUpdated", {"meta": {"lastUpdated": ""}}, (None, ["value"]), (None, ["value"])),
        ("@2020-05", {}, (None, ["value:partial"]), (date(2020, 5, 1), None)),
    ],
)
def test_dates_and_moments(path: str, resource: dict[str, Any], null: Any, start: Any) -> None:
    assert value_of(path, resource) == null
    assert value_of(path, resource, typing=START) == start


def test_an_hour_that_comes_twice_or_never() -> None:
    twice, never = {"deceasedDateTime": "2020-10-25T02:30:00"}, {"deceasedDateTime": "2020-03-29T02:30:00"}
    assert value_of(DIED, twice) == (None, ["value:partial"])
    assert value_of(DIED, twice, typing=START) == (datetime(2020, 10, 25, 0, 30, tzinfo=UTC), None)
    assert value_of(DIED, never) == value_of(DIED, never, typing=START) == (None, ["value"])
    assert value_of(DIED, never, "TIMESTAMP") == (datetime(2020, 3, 29, 2, 30), None)


def test_what_is_finer_than_a_microsecond_is_cut_and_told() -> None:
    fine, zeros = (
        {"deceasedDateTime": "2020-05-01T10:00:00.1234567Z"},
        {"deceasedDateTime": "2020-05-01T10:00:00.1234560Z"},
    )
    expected = NOON.replace(microsecond=123456)
    assert value_of(DIED, fine) == (expected, ["value:cut"])
    assert value_of(DIED, zeros) == (expected, None)
    assert value_of("meta.lastUpdated", {"meta": {"lastUpdated": fine["deceasedDateTime"]}}, typing=Typing()) == (
        expected,
        ["value:cut"],
    )


def test_times_of_day() -> None:
    def timed(text: str, typing: Typing = NATIVE) -> Any:
        return value_of("value.ofType(time)", {"resourceType": "Observation", "valueTime": text}, typing=typing)

    assert timed("12:34:56.789") == (time(12, 34, 56, 789000), None)
    assert timed("12:34") == (None, ["value:partial"])
    assert timed("12:34", START) == (time(12, 34), None)
    assert timed("24:00:00") == timed("12:34:56+02:00") == timed("12:60") == timed("1:2:3") == (None, ["value"])
    assert timed("12:34:56.1234567") == (time(12, 34, 56, 123456), ["value:cut"])


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("1.10", "1.1"),
        ("-0.000000000000000001", "-1E-18"),
        ("1E-18", "1E-18"),
        ("1.5e3", "1500"),
        ("99999999999999999999.999999999999999999", "99999999999999999999.999999999999999999"),
        ("0.5" + "0" * 40, "0.5"),
        ("1E-19", None),
        ("0.1234567890123456789", None),
        ("100000000000000000000", None),
        ("1" * 40, None),
        ("1E400", None),
    ],
)
def test_decimals_are_exact_or_not_at_all(number: str, expected: str | None) -> None:
    text = json.dumps(observed("?") | {"id": "o"}).replace('"?"', number)
    view = view_of(column(QUANTITY), resource="Observation")
    with duckdb.connect() as connection:
        shapes = load_tables(connection, [text], load_model())
        sql = compile_view(parse_view(view), load_model(), shapes["Observation"], lineage=True, typing=NATIVE).sql
        ((value, *_, notes),) = connection.execute(sql).fetchall()
    assert (value, notes) == ((None, ["value"]) if expected is None else (Decimal(expected), None))


# The tag ansi/type


@pytest.mark.parametrize(
    ("path", "tag", "sql_type"),
    [
        ("effective.ofType(dateTime)", "DATE", "DATE"),
        ("effective.ofType(dateTime)", "timestamp  without TIME zone", "TIMESTAMP"),
        ("effective.ofType(dateTime)", "TIMESTAMP(6) WITH TIME ZONE", "TIMESTAMP WITH TIME ZONE"),
        (QUANTITY, "DECIMAL(9, 3)", "DECIMAL(9,3)"),
        (QUANTITY, "NUMERIC(4)", "DECIMAL(4,0)"),
        (QUANTITY, "DEC", "DECIMAL(38,18)"),
        (QUANTITY, "DOUBLE PRECISION", "DOUBLE"),
        (QUANTITY, "REAL", "FLOAT"),
        (QUANTITY, "FLOAT(24)", "FLOAT"),
        (QUANTITY, "FLOAT", "DOUBLE"),
        (QUANTITY, "CHARACTER VARYING (20)", "VARCHAR"),
        (QUANTITY, "INTEGER", "INTEGER"),
        ("value.ofType(integer)", "SMALLINT", "SMALLINT"),
        ("value.ofType(integer)", "BIGINT", "BIGINT"),
        ("value.ofType(string)", "DATE", "DATE"),
        ("value.ofType(boolean)", "CHAR(5)", "VARCHAR"),
        ("value.ofType(time)", "TIME", "TIME"),
        ("extension('u').value.ofType(base64Binary)", "VARBINARY", "BLOB"),
        ("extension('u').value.ofType(base64Binary)", "VARCHAR", "VARCHAR"),
    ],
)
@pytest.mark.parametrize("mode", ["spec", "native"])
def test_tags_name_sql_types_in_both_modes(path: str, tag: str, sql_type: str, mode: TypeMode) -> None:
    assert type_of(path, tag, Typing(mode)) == sql_type


@pytest.mark.parametrize(
    ("path", "tag", "message", "hint"),
    [
        ("value.ofType(boolean)", "DATE", "type boolean cannot be DATE", "leave the tag out for BOOLEAN"),
        ("value.ofType(boolean)", "INTEGER", "type boolean cannot be INTEGER", "leave the tag out"),
        ("effective.ofType(dateTime)", "TIME", "type dateTime cannot be TIME", "leave the tag out for"),
        ("effective.ofType(dateTime)", "INTEGER", "type dateTime cannot be INTEGER", "leave the tag out"),
        ("value.ofType(time)", "TIMESTAMP", "type time cannot be TIMESTAMP", "leave the tag out"),
        ("value.ofType(integer)", "DATE", "type integer cannot be DATE", "leave the tag out"),
        ("status", "INTEGER", "type code cannot be INTEGER", "leave the tag out for"),
        ("value.ofType(string)", "VARBINARY", "type string cannot be VARBINARY", "leave the tag out"),
        (QUANTITY, "DECIMAL(39,2)", "'DECIMAL(39,2)' is not a type", "such as"),
        (QUANTITY, "DECIMAL(3,4)", "'DECIMAL(3,4)' is not a type", "such as"),
        (QUANTITY, "DECIMALS", "'DECIMALS' is not a type", "`DECIMAL`"),
        (QUANTITY, "", "'' is not a type", "such as"),
        ("effective.ofType(dateTime)", "TIMESTAMP(3)", "'TIMESTAMP(3)' is not a type", "such as"),
        ("effective.ofType(dateTime)", "TIME WITH TIME ZONE", "'TIME WITH TIME ZONE' is not a type", "TIME"),
        ("status", "VARCHAR(0)", "'VARCHAR(0)' is not a type", "such as"),
        ("status", "VARCHAR(2,3)", "'VARCHAR(2,3)' is not a type", "such as"),
        ("status", "INTEGER(4)", "'INTEGER(4)' is not a type", "such as"),
        ("status", "VARCHAR); DROP TABLE x", "is not a type", ""),
    ],
)
def test_unknown_and_impossible_types_are_refused(path: str, tag: str, message: str, hint: str) -> None:
    with pytest.raises(ViewDefinitionError) as caught:
        type_of(path, tag)
    (fault,) = caught.value.diagnostics
    assert (fault.code, fault.pointer) == ("ansi_type", "/select/0/column/0/tag/0/value")
    assert message in fault.message
    assert hint in (fault.hint or "")


def test_two_different_tags_are_refused() -> None:
    tags = [{"name": "ansi/type", "value": value} for value in ("DATE", "date", "TIME")]
    view = view_of({"name": "c", "path": BORN, "tag": [*tags, {"name": "other", "value": "TEXT"}]})
    with pytest.raises(ViewDefinitionError, match="several types"):
        compile_view(parse_view(view), load_model(), {})


@pytest.mark.parametrize(
    ("path", "resource", "tag", "expected"),
    [
        (BORN, {"birthDate": "1970-06-15"}, "DATE", (date(1970, 6, 15), None)),
        (BORN, {"birthDate": "1970-06-15"}, "TIMESTAMP", (None, ["value:partial"])),
        (BORN, {"birthDate": "1970-06-15"}, "VARCHAR(9)", (None, ["value"])),
        (BORN, {"birthDate": "1970-06-15"}, "VARCHAR(10)", ("1970-06-15", None)),
        (DIED, {"deceasedDateTime": "2020-05-01T23:30:00Z"}, "DATE", (date(2020, 5, 2), None)),
        (DIED, {"deceasedDateTime": "2020-05-01T23:30:00Z"}, "TIMESTAMP", (datetime(2020, 5, 2, 1, 30), None)),
        (DIED, {"deceasedDateTime": "2020-05-01T23:30:00"}, "TIMESTAMP", (datetime(2020, 5, 1, 23, 30), None)),
        (DIED, {"deceasedDateTime": "2020-05"}, "DATE", (None, ["value:partial"])),
        ("multipleBirth.ofType(integer)", {"multipleBirthInteger": 2}, "SMALLINT", (2, None)),
        ("multipleBirth.ofType(integer)", {"multipleBirthInteger": 40000}, "SMALLINT", (None, ["value"])),
        ("multipleBirth.ofType(integer)", {"multipleBirthInteger": 40000}, "DECIMAL(4,2)", (None, ["value"])),
        ("multipleBirth.ofType(integer)", {"multipleBirthInteger": 40}, "DECIMAL(4,2)", (Decimal("40.00"), None)),
        ("multipleBirth.ofType(integer)", {"multipleBirthInteger": 40000}, "VARCHAR(4)", (None, ["value"])),
        ("multipleBirth.ofType(integer)", {"multipleBirthInteger": 40000}, "DOUBLE PRECISION", (40000.0, None)),
        ("active", {"active": True}, "VARCHAR(4)", ("true", None)),
        ("active", {"active": False}, "VARCHAR(4)", (None, ["value"])),
        ("name.text", {"name": [{"text": "12"}]}, "INTEGER", (12, None)),
        ("name.text", {"name": [{"text": "12.00"}]}, "INTEGER", (12, None)),
        ("name.text", {"name": [{"text": "12.5"}]}, "INTEGER", (None, ["value"])),
        ("name.text", {"name": [{"text": " 12"}]}, "INTEGER", (None, ["value"])),
        ("name.text", {"name": [{"text": "1_2"}]}, "INTEGER", (None, ["value"])),
        ("name.text", {"name": [{"text": "3000000000"}]}, "INTEGER", (None, ["value"])),
        ("name.text", {"name": [{"text": "1.2e1"}]}, "INTEGER", (12, None)),
        ("name.text", {"name": [{"text": "12."}]}, "INTEGER", (None, ["value"])),
        ("name.text", {"name": [{"text": "12."}]}, "DECIMAL(4,2)", (None, ["value"])),
        ("name.text", {"name": [{"text": "1e2147483648"}]}, "INTEGER", (None, ["value"])),
        ("name.text", {"name": [{"text": "1e-2147483649"}]}, "DECIMAL(4,2)", (None, ["value"])),
        ("name.text", {"name": [{"text": "0.1"}]}, "DOUBLE PRECISION", (0.1, None)),
        ("name.text", {"name": [{"text": "1e400"}]}, "DOUBLE PRECISION", (None, ["value"])),
        ("name.text", {"name": [{"text": "1e-400"}]}, "DOUBLE PRECISION", (None, ["value"])),
        ("name.text", {"name": [{"text": "0e-400"}]}, "DOUBLE PRECISION", (0.0, None)),
        ("name.text", {"name": [{"text": "nan"}]}, "DOUBLE PRECISION", (None, ["value"])),
        ("name.text", {"name": [{"text": "1e39"}]}, "REAL", (None, ["value"])),
        ("name.text", {"name": [{"text": "true"}]}, "BOOLEAN", (True, None)),
        ("name.text", {"name": [{"text": "yes"}]}, "BOOLEAN", (None, ["value"])),
        ("name.text", {"name": [{"text": "été"}]}, "CHAR(3)", ("été", None)),
        ("photo.data", {"photo": [{"data": "YWJj"}]}, "VARBINARY(3)", (b"abc", None)),
        ("photo.data", {"photo": [{"data": "YWJj"}]}, "VARBINARY(2)", (None, ["value"])),
        ("photo.data", {"photo": [{"data": "YWJj"}]}, "VARCHAR", ("YWJj", None)),
        ("photo.data", {"photo": [{"data": "?"}]}, "BLOB", (None, ["value"])),
    ],
)
@pytest.mark.parametrize("mode", ["spec", "native"])
def test_values_of_tagged_columns(path: str, resource: dict[str, Any], tag: str, expected: Any, mode: TypeMode) -> None:
    assert value_of(path, resource, tag, Typing(mode)) == expected


# What a view says of itself


def test_the_view_goes_before_the_build() -> None:
    def compiled(typing: Typing, **parts: str) -> CompiledView:
        extension = [{"url": name, "valueCode": code} for name, code in parts.items()]
        view = view_of(column(BORN), extension=[{"url": "other"}, {"url": TYPES_EXTENSION, "extension": extension}])
        return compile_view(parse_view(view), load_model(), {}, typing=typing)

    assert compiled(Typing(), mode="native").typing == NATIVE
    assert compiled(NATIVE, mode="spec").columns[0].sql_type == "VARCHAR"
    assert compiled(NATIVE, partialDates="start").typing == START
    assert compiled(START).typing == START


@pytest.mark.parametrize(
    ("part", "pointer"),
    [
        ({"url": "mode", "valueCode": "sql"}, "/extension/0/extension/0/valueCode"),
        ({"url": "mode"}, "/extension/0/extension/0/valueCode"),
        ({"url": "modes", "valueCode": "native"}, "/extension/0/extension/0/url"),
        ({"url": "partialDates", "valueCode": "end"}, "/extension/0/extension/0/valueCode"),
        ({"url": ["mode"], "valueCode": "native"}, "/extension/0/extension/0/url"),
    ],
)
def test_a_wrong_extension_is_refused(part: dict[str, Any], pointer: str) -> None:
    with pytest.raises(ViewDefinitionError) as caught:
        parse_view(view_of(column(BORN), extension=[{"url": TYPES_EXTENSION, "extension": [part]}]))
    (fault,) = caught.value.diagnostics
    assert (fault.code, fault.pointer) == ("view_types", pointer)


def test_the_hash_is_of_the_typing_too() -> None:
    view = parse_view(view_of(column("id")))
    hashes = {compile_view(view, load_model(), {}, typing=typing).hash for typing in (Typing(), NATIVE, START)}
    assert len(hashes) == 3


def test_branches_of_a_union_agree_in_the_types_of_the_mode() -> None:
    view = parse_view(
        {"resource": "Patient", "select": [{"unionAll": [{"column": [column(BORN)]}, {"column": [column("id")]}]}]}
    )
    compile_view(view, load_model(), {})
    with pytest.raises(ViewDefinitionError, match=r"value is a id \(VARCHAR\) here, a date \(DATE\)") as caught:
        compile_view(view, load_model(), {}, typing=NATIVE)
    assert caught.value.diagnostics[0].code == "union_mismatch"


# Misfits


@pytest.mark.parametrize("rule", ["null", "start"])
def test_columns_may_be_called_as_the_parameters_of_lambdas_are(rule: PartialDates) -> None:
    letters = list(ascii_lowercase)
    paths = ["birthDate", "deceased.ofType(dateTime)", "multipleBirth.ofType(integer)", "name.period.start"]
    tags = ["TIMESTAMP WITH TIME ZONE", "TIMESTAMP", "DECIMAL(9,2)", "TIMESTAMP WITH TIME ZONE"]
    person = {
        "resourceType": "Patient",
        "id": "p",
        "birthDate": "1970-01-01",
        "deceasedDateTime": "2020-05-06T10",
        "name": [{"period": {"start": "2020-05"}}, {"period": {"start": "2020-05-06T10:00:00.1234567Z"}}],
    }
    for path, tag in zip(paths, tags, strict=True):
        several = path.startswith("name")
        columns = [column(path, tag, **{"name": name, "collection": several}) for name in letters]
        (row,) = rows_of(view_of(*columns), [person], Typing("native", rule))
        (one,) = {repr(row[name]) for name in letters}
        (expected, _) = value_of(path, person, tag, Typing("native", rule), collection=several)
        assert one == repr(expected)


def test_a_view_that_cannot_misfit_has_no_column_of_misfits() -> None:
    view = parse_view(
        view_of(column(BORN), {"name": "b", "path": "active"}, {"name": "n", "path": "multipleBirth.ofType(integer)"})
    )
    assert not compile_view(view, load_model(), {}, lineage=True).misfits
    assert "lake_misfits" not in compile_view(view, load_model(), SHAPE, lineage=True).sql
    native = compile_view(view, load_model(), {}, lineage=True, typing=NATIVE)
    assert native.misfits
    assert "lake_misfits" in native.sql
    assert "lake_misfits" not in compile_view(view, load_model(), SHAPE, typing=NATIVE).sql


PERIODS = {
    "resourceType": "Patient",
    "id": "p",
    "birthDate": "unknown",
    "name": [
        {"period": {"start": "2020", "end": "2021-01-01T00:00:00.0000001Z"}},
        {"period": {"start": "never", "end": "2021-01-01T00:00:00Z"}},
        {"period": {"start": "2022-01-01"}},
    ],
}


def test_items_of_collections_are_noted_one_by_one() -> None:
    view = view_of(
        {"name": "starts", "path": "name.period.start", "collection": True},
        {"name": "ends", "path": "name.period.end", "collection": True},
        {"name": "born", "path": BORN},
    )
    [row] = rows_of(view, [PERIODS])
    assert row["starts"] == [None, None, None]
    assert row["ends"] == [datetime(2021, 1, 1, tzinfo=UTC)] * 2
    assert Counter(row["lake_misfits"]) == Counter({"starts:partial": 2, "starts": 1, "ends:cut": 1, "born": 1})
    [row] = rows_of(
        view, [{"resourceType": "Patient", "id": "q", "name": PERIODS["name"][1:2], "birthDate": "2020-01-01"}]
    )
    assert row["lake_misfits"] == ["starts"]


def test_rows_of_nulls_and_branches_note_nothing_of_what_is_not_there() -> None:
    view = {
        "resource": "Patient",
        "name": "typed",
        "select": [
            {"column": [column("id") | {"name": "id"}]},
            {
                "unionAll": [
                    {
                        "forEachOrNull": "contact",
                        "column": [column("period.start"), column(f"%resource.{BORN}") | {"name": "b"}],
                    },
                    {
                        "forEach": "name",
                        "column": [column("period.start"), column(f"%resource.{BORN}") | {"name": "b"}],
                    },
                    {"column": [column("@2020-05", type="dateTime"), column("{}", type="date") | {"name": "b"}]},
                ]
            },
        ],
    }
    found = rows_of(view, [PERIODS])
    assert [(row["value"], row["b"], row["lake_misfits"]) for row in found] == [
        (None, None, None),
        (None, None, ["value:partial", "b"]),
        (None, None, ["value", "b"]),
        (None, None, ["value:partial", "b"]),
        (None, None, ["value:partial"]),
    ]


def test_misfits_are_counted_from_a_file_and_described(tmp_path: Path) -> None:
    view = view_of(
        {"name": "born", "path": BORN},
        {"name": "died", "path": DIED},
        {"name": "g", "path": "name.text", "collection": True},
    )
    people = [
        {"resourceType": "Patient", "id": str(number), "birthDate": born, "deceasedDateTime": died}
        for number, (born, died) in enumerate(
            [
                ("x", "2020-01-01T00:00:00Z"),
                ("1970", "2020-01-01T00:00:00.1234567Z"),
                ("y", "?"),
                ("1970-01-01", "2020"),
            ]
        )
    ]
    compiled, connection = compiled_of(view, people, NATIVE)
    with connection:
        connection.execute(f"COPY ({compiled.sql}) TO '{tmp_path}/x.parquet'")
        connection.execute(f"COPY (SELECT 1 AS a) TO '{tmp_path}/y.parquet'")
    found = count_misfits(tmp_path / "x.parquet")
    assert found == {"born": 2, "born:partial": 1, "died": 1, "died:partial": 1, "died:cut": 1}
    assert count_misfits(tmp_path / "y.parquet") == Counter()
    types = {column.name: column.sql_type for column in compiled.columns}
    assert list(describe_misfits(found, types)) == [
        ("born", "2 values of born do not fit DATE and became null"),
        ("born:partial", "1 partial date of born became null in DATE"),
        ("died", "1 value of died does not fit TIMESTAMP WITH TIME ZONE and became null"),
        ("died:cut", "1 value of died was cut to microseconds"),
        ("died:partial", "1 partial date of died became null in TIMESTAMP WITH TIME ZONE"),
    ]


# Random values, judged by Python

YEARS = st.sampled_from(["0001", "1582", "1900", "1970", "1999", "2000", "2015", "2024", "9999"]) | st.integers(
    0, 9999
).map("{:04}".format)
DIGITS = st.sampled_from("0123456789")
TWO = st.integers(0, 61).map("{:02}".format)
MONTHS = st.integers(0, 13).map("{:02}".format)
DAYS = st.integers(0, 32).map("{:02}".format)
ZONES = st.sampled_from(["Z", "+00:00", "-00:00", "+02:00", "-05:30", "+14:00", "-12:00", "+14:01", "+05:75", "+0200"])
FRACTIONS = st.text("0123456789", min_size=1, max_size=12).map(".{}".format)
DATES = st.builds("-".join, st.tuples(YEARS, MONTHS, DAYS) | st.tuples(YEARS, MONTHS) | st.tuples(YEARS))
REAL_DATES = st.dates(min_value=date(1, 1, 2), max_value=date(9999, 12, 30)).map(date.isoformat)
CHANGES = st.sampled_from(["2020-03-29", "2020-10-25", "1976-03-28", "1976-09-26", "2015-03-29"])
CLOCKS = st.builds("{}:{}:{}{}".format, st.integers(0, 24).map("{:02}".format), TWO, TWO, st.just("") | FRACTIONS)
REAL_CLOCKS = st.builds(
    "{}{}".format, st.times().map(lambda t: t.replace(microsecond=0).isoformat()), st.just("") | FRACTIONS
)
MOMENTS = st.one_of(
    st.builds("{}T{}{}".format, REAL_DATES, REAL_CLOCKS, ZONES),
    st.builds("{}T{}".format, REAL_DATES, REAL_CLOCKS),
    st.builds("{}T{}".format, CHANGES, st.builds("0{}:{}:00".format, st.integers(0, 4), st.integers(10, 59))),
    st.builds("{}T{}{}".format, DATES, CLOCKS, ZONES | st.just("")),
    st.builds("{}T{:02}{}".format, REAL_DATES, st.integers(0, 25), ZONES | st.just("") | st.builds(":{}".format, TWO)),
    st.sampled_from(["2016-12-31T23:59:60Z", "2015-06-30T23:59:60.5+00:00", "infinity", "now", "2020-05-01 10:00:00Z"]),
    DATES,
)
NUMBERS = st.one_of(
    st.builds(
        "{}{}".format,
        st.sampled_from(["", "-"]),
        st.from_regex(r"(0|[1-9][0-9]{0,39})([.][0-9]{1,40})?", fullmatch=True),
    ),
    st.from_regex(r"-?(0|[1-9][0-9]{0,9})([.][0-9]{1,20})?[eE][+-]?[0-9]{1,2}", fullmatch=True),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
)
TIMES = CLOCKS | REAL_CLOCKS | TWO | st.builds("{}:{}".format, TWO, TWO) | st.builds("{}Z".format, REAL_CLOCKS)

IMMUNIZATION = view_of(
    {"name": "born", "path": "expirationDate"},
    {"name": "given", "path": "occurrence.ofType(dateTime)"},
    {"name": "updated", "path": "meta.lastUpdated"},
    {"name": "dose", "path": "doseQuantity.value"},
    resource="Immunization",
)
SHAPE = {
    "id": {},
    "expirationDate": {},
    "occurrenceDateTime": {},
    "meta": {"lastUpdated": {}},
    "doseQuantity": {"value": {}},
}
TABLE = """CREATE OR REPLACE TABLE fhir."Immunization" AS SELECT unnest(range(len($dates))) AS id,
unnest($dates) AS "expirationDate", unnest($moments) AS "occurrenceDateTime",
unnest(list_transform($moments, lambda m: struct_pack("lastUpdated" := m))) AS meta,
unnest(list_transform($numbers, lambda n: struct_pack("value" := n))) AS "doseQuantity",
0::BIGINT AS lake_patient_key, NULL::STRUCT(file VARCHAR, line BIGINT) AS lake_source"""


def noted(name: str, judged: Native) -> list[str]:
    return {"": [], "misfit": [name], "partial": [f"{name}:partial"], "cut": [f"{name}:cut"]}[judged.note]


@pytest.mark.parametrize("rule", ["null", "start"])
@settings(max_examples=12, phases=[Phase.generate])
@given(st.lists(st.tuples(DATES | REAL_DATES, MOMENTS, NUMBERS), min_size=20, max_size=60))
def test_native_values_are_those_of_python(rule: PartialDates, values: list[tuple[str, str, str]]) -> None:
    dates, moments, numbers = map(list, zip(*values, strict=True))
    view, model, typing = parse_view(IMMUNIZATION), load_model(), Typing("native", rule)
    sql, plain = (compile_view(view, model, SHAPE, lineage=lineage, typing=typing).sql for lineage in (True, False))
    with duckdb.connect() as connection:
        connection.execute(f"SET TimeZone = '{ZONE}'; CREATE SCHEMA fhir")
        connection.execute(TABLE, {"dates": dates, "moments": moments, "numbers": numbers})
        rows = connection.execute(
            f"SELECT born, epoch_us(given), epoch_us(updated), dose, lake_misfits FROM ({sql}) "
            "ORDER BY string_split(lake_resource, '/')[2]::INT"
        ).fetchall()
        without = connection.execute(f"SELECT born, epoch_us(given), epoch_us(updated), dose FROM ({plain})").fetchall()
    assert Counter(without) == Counter(row[:-1] for row in rows)
    for (day, moment, number), row in zip(values, rows, strict=True):
        born, dose = native_date(day, rule), native_decimal(number)
        given_, updated = (native_moment(moment, rule, PARIS, instant=instant) for instant in (False, True))
        judged = [("born", born), ("given", given_), ("updated", updated), ("dose", dose)]
        expected = [value.value for _, value in judged]
        notes = [note for name, value in judged for note in noted(name, value)]
        assert (*expected, notes or None) == row, (day, moment, number)


@pytest.mark.parametrize("rule", ["null", "start"])
@settings(max_examples=8, phases=[Phase.generate])
@given(st.lists(TIMES, min_size=20, max_size=60))
def test_native_times_are_those_of_python(rule: PartialDates, texts: list[str]) -> None:
    view = view_of(
        {"name": "opens", "path": "availableTime.availableStartTime", "collection": True}, resource="HealthcareService"
    )
    shape = {"id": {}, "availableTime": {"availableStartTime": {}}}
    sql = compile_view(parse_view(view), load_model(), shape, lineage=True, typing=Typing("native", rule)).sql
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA fhir")
        connection.execute(
            'CREATE TABLE fhir."HealthcareService" AS SELECT 1 AS id, '
            'list_transform($texts, lambda t: struct_pack("availableStartTime" := t)) AS "availableTime", '
            "0::BIGINT AS lake_patient_key, NULL::STRUCT(file VARCHAR, line BIGINT) AS lake_source",
            {"texts": texts},
        )
        ((opens, *_, notes),) = connection.execute(sql).fetchall()
    judged = [native_time(text, rule) for text in texts]
    assert opens == [value.value for value in judged]
    assert (notes or []) == [note for value in judged for note in noted("opens", value)]
