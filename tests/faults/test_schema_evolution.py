"""Resources of other shapes arrive: rows that they do not touch stay bit by bit, and no value is coerced.

Every case loads resources of a narrow and of a wide shape, in both orders. The second load also replaces a resource
of the first, so that the file which holds the others is written anew, with the other shape's schema.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from lacustre import Lake
from support.lake_content import exported
from support.loading import load_lines
from support.lossless import by_key

pytestmark = pytest.mark.faults("schema evolution")

EXTENSION = '{"extension":[{"url":"u","valueCode":"v"}]}'

# the narrow value of an element, and the wider one: more members, more levels, or another element beside it
SHAPES = {
    "struct": ('"maritalStatus":{"text":"t"}', '"maritalStatus":{"text":"w","coding":[{"code":"M"}]}'),
    "list of structs": ('"name":[{"family":"f"},{"family":"g"}]', '"name":[{"family":"w","use":"usual"}]'),
    "new column": ('"gender":"male"', '"gender":"female","birthDate":"1970"'),
    "struct in a list in a struct": (
        '"contact":[{"name":{"text":"t"}},{"gender":"male"}]',
        '"contact":[{"name":{"text":"w","period":{"start":"2020"}}}]',
    ),
    "list in a list": ('"name":[{"given":["a","b"]}]', '"name":[{"given":["w"],"prefix":["Dr"]},{"suffix":["x"]}]'),
    "extension of a primitive": ('"name":[{"given":["a","b"]}]', f'"name":[{{"given":["w",null],"_given":[null,{EXTENSION}]}}]'),
    "choice element": ('"deceasedBoolean":true', '"deceasedDateTime":"2020-01-01"'),
}  # fmt: skip

# what the wide resource has beside it: nothing, the same element as null, as an empty value
FORMS = {"present": None, "null": "null", "empty": "[]"}

WRONG_KINDS = {
    "a fraction where an integer belongs": ("multipleBirthInteger", "2", ("1.5", "1e2", "2147483648")),
    "text where a number belongs": ("multipleBirthInteger", "2", ('"5"', '"2"', '[2]')),
    "a truth where a number belongs, and a number for one": ("deceasedBoolean", "true", ("1", '"true"', "0")),
}  # fmt: skip


def patient(identifier: str, *members: str) -> str:
    return f'{{"resourceType":"Patient","id":"{identifier}"' + "".join(f",{member}" for member in members) + "}"


def resources(prefix: str, member: str, form: str | None) -> list[str]:
    """Resources with a member; and, where there is a form, with its elements in that form."""
    lines = [patient(f"{prefix}1", member), patient(f"{prefix}2"), patient(f"{prefix}3", member, '"active":true')]
    if form is not None:
        names = json.loads(f"{{{member}}}")
        lines += [patient(f"{prefix}4", *(f'"{name}":{form}' for name in names))]
    return lines


def table(lake: Lake) -> DeltaTable:
    return DeltaTable(f"{lake.uri}/tenants/default/fhir/Patient")


def stored_rows(lake: Lake) -> dict[str, dict[str, Any]]:
    """Every row as its own data file has it, all columns, by id."""
    import pyarrow.parquet as pq

    rows = [row for uri in table(lake).file_uris() for row in pq.ParquetFile(uri).read().to_pylist()]
    assert len({row["id"] for row in rows}) == len(rows)
    return {row["id"]: row for row in rows}


def without_nulls(value: Any) -> Any:
    """The value without members that are null, so that a row may gain some; nulls in lists stay."""
    if isinstance(value, dict):
        return {name: without_nulls(item) for name, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def fields(data_type: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """Paths and types of a Delta schema; fails where a field is required."""
    match data_type:
        case {"type": "struct", "fields": members}:
            yield at, "struct"
            for member in members:
                assert member["nullable"], f"{at}.{member['name']} is required"
                yield from fields(member["type"], f"{at}.{member['name']}")
        case {"type": "array", "elementType": item, "containsNull": True}:
            yield at, "array"
            yield from fields(item, f"{at}[]")
        case str():
            yield at, data_type
        case _:
            raise AssertionError(f"{at} is {data_type}")


def schema_of(lake: Lake) -> dict[str, str]:
    return dict(fields(json.loads(table(lake).schema().to_json())))


def check_second_load(lake: Lake, folder: Path, first: list[str], second: list[str], replaced: str) -> None:
    """Load one after the other; `replaced` of the first comes again in the second."""
    load_lines(lake, folder, *first)
    rows, schema = stored_rows(lake), schema_of(lake)
    result = load_lines(lake, folder, *second)
    assert (result.total("updated"), result.total("rejected")) == (1, 0)
    now = stored_rows(lake)
    untouched = {identifier: row for identifier, row in rows.items() if identifier != replaced}
    assert len(untouched) == len(first) - 1
    assert {identifier: without_nulls(now[identifier]) for identifier in untouched} == {
        identifier: without_nulls(row) for identifier, row in untouched.items()
    }
    for identifier, row in untouched.items():
        assert flat(row).items() <= flat(now[identifier]).items(), identifier
    assert schema.items() <= schema_of(lake).items()
    expected = {**by_key(line.encode() for line in first), **by_key(line.encode() for line in second)}
    assert exported(lake) == expected


def flat(value: Any, at: str = "") -> dict[str, Any]:
    """Every value and null inside by its path, the lengths of lists too: `[]` and null differ."""
    if isinstance(value, dict):
        return {path: item for name, below in value.items() for path, item in flat(below, f"{at}.{name}").items()}
    if isinstance(value, list):
        inside = (flat(item, f"{at}[{index}]") for index, item in enumerate(value))
        return {f"{at}[]": len(value), **{path: item for below in inside for path, item in below.items()}}
    return {at: value}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", SHAPES)
def test_another_shape(shape: str, form: str, tmp_path: Path) -> None:
    narrow, wide = SHAPES[shape]
    for number, (one, other) in enumerate([(narrow, wide), (wide, narrow)]):
        folder = tmp_path / str(number)
        first = resources("a", one, FORMS[form])
        second = [patient("a1", other), *resources("b", other, FORMS[form])]
        check_second_load(Lake.open(folder / "lake"), folder, first, second, "a1")


@pytest.mark.parametrize("name", WRONG_KINDS)
def test_a_value_of_the_wrong_kind(name: str, tmp_path: Path) -> None:
    element, right, wrong = WRONG_KINDS[name]
    good = [patient("a1", f'"{element}":{right}'), patient("a2", f'"{element}":{right}'), patient("a3")]
    odd = [patient(f"b{number}", f'"{element}":{value}') for number, value in enumerate(wrong)]
    replacing = patient("a1", f'"{element}":{wrong[0]}')
    for number, (first, second) in enumerate([(good, [replacing, *odd]), ([replacing, *odd], good)]):
        folder = tmp_path / str(number)
        lake = Lake.open(folder / "lake")
        check_second_load(lake, folder, first, second, "a1")
        again = load_lines(lake, folder, patient("c", f'"{element}":{wrong[0]}'), patient("d", f'"{element}":{right}'))
        assert dict(again.rest["Patient"]) == {element: 1}
        rows = stored_rows(lake)
        held = {identifier: row.get(element) for identifier, row in rows.items()}
        assert held == {
            **dict.fromkeys(("b0", "b1", "b2", "c", "a3")),
            **dict.fromkeys(("a1", "a2", "d") if number else ("a2", "d"), json.loads(right)),
            **({} if number else {"a1": None}),
        }
        rests = {identifier: row["lake_rest"] for identifier, row in rows.items() if row["lake_rest"]}
        for position, value in enumerate(wrong):
            assert rests[f"b{position}"] == [{"pointer": f"/{element}", "json": value}]
