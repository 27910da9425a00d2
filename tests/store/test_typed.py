"""The typed parser takes a line as it is, or refuses it: it never changes a value."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from lacustre.fhir.model import load_model
from lacustre.fhir.shape import Shape
from lacustre.store.numbers import quote_numbers
from lacustre.store.schema import fhir_schema
from lacustre.store.typed import MisfitError, read_block, widen

MODEL = load_model()
SHAPE: Shape = {
    "id": {},
    "active": {},
    "gender": {},
    "name": {"family": {}, "given": {}, "period": {"start": {}}},
    "multipleBirthInteger": {},
    "maritalStatus": {"text": {}},
    "extension": {"url": {}, "valueDecimal": {}},
}


def parse(*members: str, kind: str = "Patient", shape: Shape = SHAPE) -> list[dict[str, Any]]:
    """The lines' values, members without one left out."""
    lines = [f'{{"resourceType":"{kind}","id":"x"{member and "," + member}}}' for member in members]
    text, marks = quote_numbers("\n".join(lines).encode())
    schemas = (fhir_schema(MODEL, kind, shape, parsed=parsed) for parsed in (True, False))
    table = read_block(text, len(lines), marks, kind, *schemas)
    table.validate(full=True)
    return [{name: value for name, value in row.items() if value is not None} for row in table.to_pylist()]


def test_values_keep_their_text() -> None:
    numbers = ["1.10", "1E2", "-0", "1e-7", "1" * 30]
    rows = parse(*(f'"extension":[{{"url":"u","valueDecimal":{number}}}]' for number in numbers))
    assert [row["extension"][0]["valueDecimal"] for row in rows] == numbers
    assert parse('"multipleBirthInteger":-2147483648', "")[0] == {"id": "x", "multipleBirthInteger": -(2**31)}


def test_lists_and_objects_stay_with_their_line() -> None:
    name = '"name":[{"family":"a","given":["b","c"]},{"period":{"start":"2020"}}]'
    first, second, third = parse(name, '"active":false', '"maritalStatus":{"text":""}')
    assert first["name"] == [
        {"family": "a", "given": ["b", "c"], "period": None},
        {"family": None, "given": None, "period": {"start": "2020"}},
    ]
    assert (second, third) == ({"id": "x", "active": False}, {"id": "x", "maritalStatus": {"text": ""}})


@pytest.mark.parametrize(
    "member",
    [
        '"gender":5', '"gender":true', '"gender":["a"]', '"gender":{}', '"active":"true"', '"active":1',
        '"multipleBirthInteger":"2"', '"multipleBirthInteger":2.0', '"multipleBirthInteger":1E2',
        '"multipleBirthInteger":2147483648', '"multipleBirthInteger":-0', '"multipleBirthInteger":[1]',
        '"multipleBirthInteger":[1, 2]', '"extension":[{"url":"u","valueDecimal":"1.10"}]',
        '"extension":[{"url":"u","valueDecimal":[1, 2]}]', '"name":[]', '"name":[{}]', '"name":[{"given":[]}]',
        '"name":[{"period":{}}]', '"maritalStatus":{}', '"name":{"family":"x"}', '"name":["x"]', '"zz":1', '"Gender":"x"',
        '"name":[{"family":"a","zz":1}]', '"gender":"a","gender":"b"', '"gender":"a"} {"resourceType":"Patient","id":"y"',
        '"gender":"a",', '"gender":\'a\'', '"gender":NaN', '"name":[{"given":["a",5]}]', '"name":[{"given":[1, 2]}]',
    ],
)  # fmt: skip
def test_surprises_are_refused_alone_and_among_others(member: str) -> None:
    with pytest.raises(MisfitError):
        parse(member)
    with pytest.raises(MisfitError):
        parse('"gender":"a"', member, '"name":[{"family":"b"}]')


@pytest.mark.parametrize(
    "text",
    [
        '{"resourceType":"Basic","id":"x"}',
        '{"id":"x"}',
        '{"resourceType":"Patient"}',
        '{"resourceType":"Patient","id":"a b"}',
    ],
)
def test_another_type_or_no_id(text: str) -> None:
    schemas = (fhir_schema(MODEL, "Patient", SHAPE, parsed=parsed) for parsed in (True, False))
    with pytest.raises(MisfitError):
        read_block(pa.py_buffer(text.encode()), 1, 0, "Patient", *schemas)


def test_lists_of_numbers() -> None:
    shape: Shape = {"id": {}, "enableWhen": {"answerInteger": {}}}
    with pytest.raises(MisfitError):
        parse('"enableWhen":[{"answerInteger":[1]}]', kind="Questionnaire", shape=shape)
    timing: Shape = {"id": {}, "position": {"longitude": {}}}
    (row,) = parse('"position":{"longitude":1.50}', kind="Location", shape=timing)
    assert row["position"] == {"longitude": "1.50"}


def test_widening_adds_nulls_and_keeps_the_rest() -> None:
    narrow = pa.schema([("b", pa.list_(pa.struct([("x", pa.string())]))), ("a", pa.struct([("y", pa.int32())]))])
    wide = pa.schema(
        [
            ("a", pa.struct([("n", pa.struct([("m", pa.string())])), ("y", pa.int32())])),
            ("b", pa.list_(pa.struct([("x", pa.string()), ("w", pa.list_(pa.string()))]))),
            ("c", pa.bool_()),
        ]
    )
    rows = [
        {"b": [{"x": "1"}, None, {"x": None}], "a": None},
        {"b": None, "a": {"y": 2}},
        {"b": [], "a": {"y": None}},
        {"b": [{"x": "4"}], "a": {"y": 4}},
    ]
    for part in (slice(0, 4), slice(1, 3), slice(3, 4)):
        table = pa.Table.from_pylist(rows, narrow).slice(part.start, part.stop - part.start)
        widened = widen(table, wide)
        widened.validate(full=True)
        assert widened.to_pylist() == [
            {
                "a": row["a"] and {"n": None, **row["a"]},
                "b": row["b"] and [item and {**item, "w": None} for item in row["b"]],
                "c": None,
            }
            for row in rows[part]
        ]
