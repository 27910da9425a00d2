"""What comes in goes out: NDJSON to Delta and back gives the same JSON, judged by Python's own parser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lacustre import Lake
from support.lake_content import exported
from support.loading import load_lines
from support.lossless import by_key, parse_exactly, read_lines
from support.shared import shared_dir

# every n-th line of the largest set, so that the suite stays quick; the others are read whole
SETS = {"synthea-bulkserver-r4": 1, "synthea-hiv-r4": 1, "mimic-iv-demo-fhir": 2, "synthea-smart-r4": 6}


@pytest.mark.parametrize(("name", "step"), SETS.items())
def test_real_data(name: str, step: int, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    expected: dict[tuple[str, str], Any] = {}
    for path in sorted(shared_dir("data", name).glob("*.ndjson.gz")):
        lines = list(read_lines(path))[::step]
        (source / path.name.removesuffix(".gz")).write_bytes(b"".join(lines))
        expected |= by_key(lines)
    lake = Lake.open(tmp_path / "lake")
    result = lake.load(source)
    assert (result.total("rejected"), result.total("inserted")) == (0, len(expected))
    assert exported(lake) == expected


def test_the_sample(sample_lake: Lake, sample_export: Any) -> None:
    lines = [line for path in sample_export.folder.glob("*.ndjson") for line in read_lines(path)]
    sent = [parse_exactly(line) for line in lines]
    assert all(resource in sent for resource in list(exported(sample_lake).values())[::97])
    assert len(exported(sample_lake)) == sum(sample_export.resources.values())


def patient(*members: str) -> str:
    return '{"resourceType":"Patient","id":"x"' + "".join(f",{member}" for member in members) + "}"


def observation(value: str) -> str:
    return f'{{"resourceType":"Observation","id":"x","status":"final","valueQuantity":{{"value":{value},"unit":"mg"}}}}'


def nested(depth: int, open_: str = '{"item":[', close: str = "]}", core: str = "{}") -> str:
    return open_ * depth + core + close * depth


ITEMS = nested(10, '{"linkId":"1.1","text":"q","item":[', "]}", '{"linkId":"deepest","type":"boolean"}')
EXTENSIONS = nested(27, '{"url":"u","extension":[', "]}", '{"url":"deepest","valueDecimal":1.50}')

CRAFTED = {
    "decimals": [observation(text) for text in ("1.10", "1E2", "1e+2", "0.1234567890123456789012345678901", "1E-7")],
    "odd decimals": [observation(text) for text in ("-0", "-0.0", "0", "0e0", "123456789012345678901234567890")],
    "text where a number belongs": [observation('"1.10"'), observation('"x"'), observation("true"), observation("{}")],
    "numbers where text belongs": [patient('"gender":5'), patient('"gender":1.10'), patient('"gender":["a"]')],
    "integers": [
        patient(f'"multipleBirthInteger":{text}')
        for text in ("1", "-1", "2147483647", "-2147483648", "2147483648", "1.0", "1e2", "-0", '"1"', "99999999999999999999")
    ],
    "booleans": [patient(f'"active":{text}') for text in ("true", "false", '"true"', "1", "null", "[true]")],
    "primitive extensions": [
        patient('"name":[{"given":["a",null,"c"],"_given":[null,{"extension":[{"url":"u","valueString":"v"}]},null]}]'),
        patient('"name":[{"_given":[null,{"id":"g"}]}]'),
        patient('"name":[{"given":[null],"_given":[null]}]'),
        patient('"_birthDate":{"extension":[{"url":"u","valueCode":"unknown"}]}'),
        patient('"_birthDate":"text"'),
        patient('"_id":{"extension":[]}'),
    ],
    "contained of several types": [
        patient(
            '"contained":[{"resourceType":"Organization","id":"o","name":"O"},{"resourceType":"Observation","id":"o",'
            '"code":{"text":"t"},"valueQuantity":{"value":1.10}},{"resourceType":"Basic","code":"odd","x":null}]'
        ),
        patient('"contained":[]'),
        patient('"contained":{"resourceType":"Organization"}'),
        patient('"managingOrganization":{"contained":[1.10],"reference":"Organization/1"}'),
        patient('"maritalStatus":{"text":"see \\"contained\\":[1] x"}'),
    ],
    "unknown members": [
        patient('"zz":1'),
        patient('"zz":"text"'),
        patient('"zz":{"a":[1.10,{"b":null}]}'),
        patient('"zz":[[],{},""]'),
        patient('"name":[{"zz":1},{"family":"F","zz":{"y":2.50}},{}]'),
        patient('"maritalStatus":{"zz":true}'),
    ],
    "members that differ in case": [
        patient('"Gender":"male","gender":"female","GENDER":1'),
        patient('"name":[{"Family":"a","family":"b"}]'),
    ],
    "odd names": [
        patient('"a.b":1,"a\\"b":2,"a/b":3,"a~b":4,"":5,"a~1b":6,"é":7,"0":8'),
        patient('"name":[{"a/b":{"c~d":[1]}}]'),
        patient('"lake_rest":1,"lake_patient":"x","filename":"f","file_row_number":3'),
    ],
    "empty values": [
        patient('"name":[]'),
        patient('"name":[{}]'),
        patient('"name":[{},{"family":"x"},{}]'),
        patient('"maritalStatus":{}'),
        patient('"maritalStatus":{"coding":[]}'),
        patient('"maritalStatus":{"coding":[{}]}'),
        patient('"gender":""'),
        patient('"zz":{}', '"yy":[]'),
        patient('"name":[{"period":{}}]'),
        patient('"name" : [ { "given" : [ ] } ] , "maritalStatus" : { }'),
    ],
    "nulls": [
        patient('"gender":null'),
        patient('"name":null'),
        patient('"name":[null]'),
        patient('"name":[null,{"family":"x"}]'),
        patient('"name":[{"family":null,"given":["a"]}]'),
        patient('"meta":{"lastUpdated":null}'),
        patient('"meta":null'),
    ],
    "lists and objects the other way round": [
        patient('"name":{"family":"x"}'),
        patient('"maritalStatus":[{"text":"x"}]'),
        patient('"name":["x"]'),
        patient('"name":[["x"]]'),
        patient('"name":[[{"family":"x"}]]'),
        patient('"gender":{"value":"male"}'),
    ],
    "unicode": [
        patient('"gender":"é 漢 😀 \\u00e9 \\ud83d\\ude00 \\u0000 \\u2028 \\/ \\b\\f\\n\\r\\t"'),
        patient('"gender":"\ufdd01.10"'),
        patient('"gender":"\\ufdd01.10","active":true'),
        patient('"gender":"\\uFDD0"', '"multipleBirthInteger":3'),
        patient('"zz":"\ufdd05","yy":5'),
        patient('"\\u0067ender":"escaped name"'),
        patient('"zz":"a\\u0022:1,b"'),
        patient('"gender":"\ufeff"'),
    ],
    "texts that look like JSON": [
        patient('"gender":"\\":12,"'),
        patient('"gender":"a\\":12,\\"b\\":[1]"'),
        patient('"gender":"[1] and [ 2, 3 ]"'),
        patient('"gender":"null","maritalStatus":{"text":": null, [null] {} []"}'),
        patient('"gender":"{\\"resourceType\\":\\"Observation\\"}"'),
        patient('"maritalStatus":{"text":"\\"resourceType\\":\\"Observation\\""}'),
    ],
    "resourceType anywhere": [
        '{"id":"x","gender":"male","resourceType":"Patient"}',
        '{"id":"x","maritalStatus":{"resourceType":"Observation"},"resourceType":"Patient"}',
        '{"id":"x","zz":{"resourceType":"Observation","id":"y"},"resourceType":"Patient"}',
    ],
    "recursion": [
        f'{{"resourceType":"Questionnaire","id":"x","item":[{ITEMS}]}}',
        patient(f'"extension":[{EXTENSIONS}]'),
        patient('"link":[{"other":{"identifier":{"assigner":{"identifier":{"assigner":{"display":"deep"}}}}}}]'),
        f'{{"resourceType":"Patient","id":"x","zz":{nested(61, "[", "]", "1.10")}}}',
    ],
    "long texts": [patient(f'"gender":"{"x" * 70_000}"'), patient(f'"zz":"{"y" * 3_000_000}"')],
    "white space": [
        ' \t{ "resourceType" : "Patient" ,\t"id" : "x" , "multipleBirthInteger" :  3 } \r',
        '{"resourceType": "Claim", "id": "x", "item": [{"sequence": 1, "diagnosisSequence": [1, 2,3 , 4]}]}',
    ],
    "embedded resources": [
        '{"resourceType":"Bundle","id":"x","type":"batch","entry":[{"resource":{"resourceType":"Patient","id":"p"}}]}',
        '{"resourceType":"Parameters","id":"x","parameter":[{"name":"n","resource":{"resourceType":"Patient","a":1.0}}]}',
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", CRAFTED)
def test_crafted(name: str, tmp_path: Path) -> None:
    # each under an id of its own, all in one file, and each alone: neighbours must not change what a line becomes
    lines = [line.replace('"x"', f'"x{number}"', 1) for number, line in enumerate(CRAFTED[name])]
    for folder, part in [("all", lines), *((f"line{number}", [line]) for number, line in enumerate(lines))]:
        lake = Lake.open(tmp_path / folder / "lake")
        result = load_lines(lake, tmp_path / folder, *part)
        assert result.total("rejected") == 0, (name, result.reasons)
        expected = by_key(line.encode() for line in part)
        assert exported(lake) == expected


def test_everything_crafted_in_one_load(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake")
    lines = [
        line.replace('"x"', f'"x{group}-{number}"', 1)
        for group, group_lines in enumerate(CRAFTED.values())
        for number, line in enumerate(group_lines)
    ]
    load_lines(lake, tmp_path, *lines)
    assert exported(lake) == by_key(line.encode() for line in lines)


def test_what_went_to_the_rest_is_counted_by_path(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake")
    result = load_lines(
        lake,
        tmp_path,
        patient('"zz":1', '"name":[{"family":"a"},{"use":"usual","family":5}]').replace('"x"', '"a"', 1),
        patient('"zz":"t"', '"contained":[]').replace('"x"', '"b"', 1),
    )
    assert dict(result.rest["Patient"]) == {"zz": 2, "name.family": 1, "contained": 1}


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.decimals(allow_nan=False, allow_infinity=False).map(str).map(lambda text: Raw(text.replace("+", ""))),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
)


class Raw(str):
    """JSON text to stand as it is."""

    __slots__ = ()


ELEMENTS = ["name", "gender", "birthDate", "_birthDate", "maritalStatus", "contact", "extension", "link", "meta", "zz"]
BELOW = [
    "family",
    "given",
    "_given",
    "coding",
    "system",
    "value",
    "url",
    "valueDecimal",
    "period",
    "start",
    "extension",
]
VALUES = st.recursive(
    SCALARS,
    lambda below: st.one_of(
        st.lists(below, max_size=3), st.dictionaries(st.sampled_from(BELOW) | st.text(max_size=2), below, max_size=4)
    ),
    max_leaves=8,
)
MEMBERS = st.dictionaries(st.sampled_from(ELEMENTS) | st.text(max_size=3), VALUES, max_size=5)


def write(value: object) -> str:
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)}: {write(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(write, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(st.lists(MEMBERS, min_size=1, max_size=12))
def test_any_json_at_any_member(tmp_path_factory: pytest.TempPathFactory, resources: list[dict[str, Any]]) -> None:
    folder = tmp_path_factory.mktemp("any")
    lines = [
        write({**members, "resourceType": "Patient", "id": f"p{number}"}).encode()
        for number, members in enumerate(resources)
    ]
    lake = Lake.open(folder / "lake")
    result = load_lines(lake, folder, *lines)
    assert result.total("rejected") == 0, result.reasons
    assert exported(lake) == by_key(lines)
