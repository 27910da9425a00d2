"""The three ways of a line agree: direct, cut and exact give the same columns, rest and rejects."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lacustre.fhir.model import load_model
from lacustre.fhir.shape import Shape
from lacustre.store import encode
from lacustre.store.encode import EncodedType, Encoder
from lacustre.store.exact import UnreadableLineError
from lacustre.store.lines import Block, LineReader, RawLines, ReadBlock
from lacustre.store.schema import shape_of
from support.lossless import parse_exactly

MODEL = load_model()
Rows = dict[int, tuple[str, dict[str, Any], dict[str, Any]]]


def block_of(lines: list[bytes]) -> Block:
    return Block(0, 1, 0, b"".join(line + b"\n" for line in lines))


def read_exactly(block: Block) -> ReadBlock:
    """What a block gives where every line goes the exact way."""
    raw, reader, read = RawLines(block, block.data.splitlines()), LineReader(MODEL), ReadBlock([], [], [])
    for index in range(len(raw.lines)):
        try:
            read.exact.append(reader.read_exact(raw, index))
        except UnreadableLineError as error:
            read.rejects.append(raw.reject(index, error))
    return read


def encode_all(read: ReadBlock, shapes: Mapping[str, Shape]) -> tuple[Rows, dict[int, str], dict[str, Shape]]:
    """Typed values and rest by line number, the rejects' codes, and the shapes of the types."""
    encoder = Encoder(MODEL, shapes)
    encoder.add(read)
    rows: Rows = {}
    found: dict[str, Shape] = {}
    for encoded in encoder.finish():
        rows |= rows_of(encoded)
        found[encoded.resource_type] = shape_of(encoded.table.schema)
    return rows, {reject.line: reject.code for reject in encoder.rejects}, found


def rows_of(encoded: EncodedType) -> Rows:
    rests = [
        {entry["pointer"]: parse_exactly(entry["json"]) for entry in rest or ()}
        for rest in encoded.origins.rest.to_pylist()
    ]
    typed = zip(encoded.table.to_pylist(), rests, strict=True)
    return {line: (encoded.resource_type, *row) for line, row in zip(encoded.origins.lines, typed, strict=True)}


def both_ways(lines: list[bytes]) -> tuple[Rows, dict[int, str]]:
    """What the lines become; fails where the ways differ.

    Once without a known shape, and once with the shape that the lines have, so that none is read the exact way to
    learn it.
    """
    block = block_of(lines)
    exact = encode_all(read_exactly(block), {})
    for shapes in ({}, exact[2]):
        assert encode_all(LineReader(MODEL).read(block), shapes) == exact
    return exact[:2]


def direct_lines(*lines: bytes) -> int:
    """How many of the lines are left to the typed parser."""
    return sum(len(found.texts) for found in LineReader(MODEL).read(block_of([*lines])).lines)


TEXTS = st.text(st.sampled_from('a1é":,[]{}\\ \t/~.\ufdd0\u0000\U0001f600null'), max_size=8)
NUMBERS = st.sampled_from(["0", "-0", "1", "-1.50", "1E2", "1e-7", "30000000000", "0.10", "1.0"])
SCALARS = st.one_of(TEXTS.map(json.dumps), NUMBERS, st.sampled_from(["true", "false", "null", "{}", "[]"]))


def objects(values: st.SearchStrategy[str], names: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    members = st.lists(st.tuples(names, values), max_size=4, unique_by=lambda pair: pair[0])
    return members.map(lambda pairs: "{" + ",".join(f"{json.dumps(name)}:{value}" for name, value in pairs) + "}")


NAMES = st.sampled_from(
    ["name", "given", "family", "_given", "extension", "url", "valueDecimal", "code", "text", "id", "zz"]
)
VALUES = st.recursive(
    SCALARS,
    lambda below: st.one_of(
        st.lists(below, max_size=3).map(lambda items: f"[{', '.join(items)}]"), objects(below, NAMES)
    ),
    max_leaves=6,
)
MEMBERS = st.sampled_from(
    ["active", "name", "gender", "_gender", "multipleBirthInteger", "contact", "contained", "extension", "meta", "zz", ""]
)  # fmt: skip


@st.composite
def patients(draw: st.DrawFn) -> bytes:
    pairs = draw(st.lists(st.tuples(MEMBERS, VALUES), max_size=4))
    pairs += [("resourceType", '"Patient"'), ("id", draw(st.sampled_from(['"a"', '"b-1"', "5", '"a b"', '"é"'])))]
    text = ",".join(
        f"{json.dumps(name)}{draw(st.sampled_from([':', ': ', ' :']))}{value}"
        for name, value in draw(st.permutations(pairs))
    )
    return f"{{{text}}}".encode()


@settings(max_examples=300)
@given(st.lists(patients(), min_size=1, max_size=6))
def test_any_members(lines: list[bytes]) -> None:
    both_ways(lines)


PLAIN = b'{"resourceType":"Patient","id":"p%d","gender":"male","multipleBirthInteger":2}'


def test_plain_lines_go_the_direct_way() -> None:
    lines = [PLAIN % number for number in range(5)]
    assert direct_lines(*lines) == 5
    rows, rejects = both_ways(lines)
    assert [row[1]["id"] for _, row in sorted(rows.items())] == [f"p{number}" for number in range(5)]
    assert not rejects


@pytest.mark.parametrize(
    "line",
    [
        b'{"resourceType":"Patient","id":"x","gender":null}',
        b'{"resourceType":"Patient","id":"x","name":[ null ]}',
        '{"resourceType":"Patient","id":"x","gender":"\ufdd01"}'.encode(),
        b'{"resourceType":"Patient","id":"x","gender":"\\uFDd01"}',
        b'{"resourceType":"Patient","id":"x","gender":"\xff"}',
        b'{"resourceType":"Patient","id":"x"} x',
        b'[{"resourceType":"Patient","id":"x"}]',
        b'{"resourceType":"Patiant","id":"x"}',
    ],
)
def test_doubtful_lines_go_the_exact_way_and_their_neighbours_do_not(line: bytes) -> None:
    lines = [PLAIN % 1, line, PLAIN % 2]
    assert direct_lines(*lines) == 2
    both_ways(lines)


def test_words_that_look_like_null_stay_direct() -> None:
    assert (
        direct_lines(PLAIN % 1, b'{"resourceType":"Patient","id":"n","gender":"nullement, annull\xc3\xa9e, null."}')
        == 2
    )


CONTAINED = b'[{"resourceType":"Basic","id":"b","code":{"text":"[x] is \\"y\\""},"n":[1.10]}]'


@pytest.mark.parametrize(
    "text",
    [
        b'{"contained":%s,"resourceType":"Patient","id":"x"}',
        b'{"resourceType":"Patient","id":"x","contained":%s}',
        b'{"resourceType":"Patient","contained" : %s , "id":"x"}',
        b'{"resourceType":"Patient","id":"x","text":{"status":"empty","div":"<a/>"},"contained":%s,"gender":"male"}',
        b'{"resourceType":"Patient","id":"x","contained":[{"resourceType":"List","contained":%s}]}',
        b'{"resourceType":"Patient","id":"x","name":[{"contained":%s,"family":"f"}]}',
        b'{"resourceType":"Patient","id":"x","contained":%s,"contained":[]}',
        b'{"resourceType":"Patient","id":"x","contained":%s "gender":"male"}',
        b'{"resourceType":"Patient","id":"x" "contained":%s}',
        b'{,"contained":%s}',
        b'{"resourceType":"Patient","id":"x",,"contained":%s}',
        b'{"resourceType":"Patient","id":"x","contained":%s,}',
        b'{"resourceType":"Patient","id":"x","gender":"a,"contained":%s,b"}',
        b'{"resourceType":"Patient","id":"x","gender":"a\\"contained\\":%s,b"}',
        b'{"contained":%s,"zz":{"resourceType":"Patient"},"id":"x"}',
    ],
)
@pytest.mark.parametrize(
    "contained",
    [
        CONTAINED,
        b"[]",
        b'[{"a":1,"a":2}]',
        b'[{"a" :1,"b":1,"b":2}]',
        b'[{"b":1,"b":2,"c":"\\u0022:"}]',
        b'[{"b":1,"b":2,"c":"\\"\\u003a"}]',
        b'["]"]',
        b"[" * 63 + b"]" * 63,
        b"[" * 64 + b"]" * 64,
        b"[1,]",
        b"[",
        b'{"resourceType":"Basic"}',
    ],
)
def test_contained_resources_wherever_they_stand(text: bytes, contained: bytes) -> None:
    both_ways([PLAIN % 1, text % contained])


def test_lines_with_contained_resources_are_cut() -> None:
    line = b'{"resourceType":"Patient","id":"x","contained":%s,"gender":"male"}'
    assert direct_lines(line % b'[{"resourceType":"Basic","id":"b","n":[1.10]}]') == 1
    rows, _ = both_ways([line % b'[{"n":[1.10, 2]}]'])
    assert rows[1] == (
        "Patient",
        {"id": "x", "gender": "male"},
        {"/contained": [{"n": [("number", "1.10"), ("number", "2")]}]},
    )


def test_types_may_be_mixed_and_named_anywhere() -> None:
    rows, rejects = both_ways(
        [
            b'{"resourceType":"Patient","id":"a"}',
            b'{"id":"b","status":"final","resourceType":"Observation"}',
            b'{"id":"c","zz":{"resourceType":"Observation"},"resourceType":"Patient"}',
            b'{"id":"d","resourceType" : "Encounter"}',
            b'{"id":"e","\\u0072esourceType":"Patient"}',
        ]
    )
    assert [rows[line][0] for line in range(1, 6)] == ["Patient", "Observation", "Patient", "Encounter", "Patient"]
    assert not rejects


def test_a_file_of_one_type_with_another_in_it() -> None:
    lines = [PLAIN % number for number in range(40)]
    lines[35] = b'{"resourceType":"Observation","id":"o","status":"final"}'
    lines[38] = b'{"resourceType":"Patient","id":"odd","zz":{"resourceType":"Observation"}}'
    rows, _ = both_ways(lines)
    assert [row[0] for _, row in sorted(rows.items())].count("Observation") == 1


def test_rejects_say_where(monkeypatch: pytest.MonkeyPatch) -> None:
    data = b"bad one\n\r\n  \n" + PLAIN % 1 + b'\r\n{"resourceType":"Patient","id":"x","id":"y"}\n'
    encoder = Encoder(MODEL, {})
    encoder.add(LineReader(MODEL).read(Block(3, 11, 100, data)))
    ((_, (_, typed, _)),) = [item for encoded in encoder.finish() for item in rows_of(encoded).items()]
    assert typed["id"] == "p1"
    found = [(reject.file, reject.line, reject.offset, reject.code, reject.data) for reject in encoder.rejects]
    assert found == [
        (3, 11, 100, "not_json", b"bad one"),
        (3, 15, 100 + data.index(b'{"resourceType":"Patient","id":"x"'), "duplicate_keys", data.split(b"\n")[4]),
    ]


def test_data_full_of_surprises_is_read_the_exact_way_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encode, "BATCH_BYTES", 500)
    lines = [b'{"resourceType":"Patient","id":"p%d","zz%d":%d,"name":[{"n%d":1}]}' % ((n,) * 4) for n in range(200)]
    rows, rejects = both_ways(lines)
    assert (len(rows), rejects) == (200, {})
    assert rows[7][2] == {"/zz6": ("number", "6"), "/name": [{"n6": ("number", "1")}]}


def test_digests_are_of_the_line_without_white_space_around_it() -> None:
    def digests(*lines: bytes) -> list[bytes]:
        encoder = Encoder(MODEL, {})
        encoder.add(LineReader(MODEL).read(block_of([*lines])))
        (encoded,) = encoder.finish()
        return encoded.origins.digests

    assert digests(PLAIN % 1)[0].hex() == "66ec31968ba71d0d8deb3f50f7898358"
    assert digests(PLAIN % 1) == digests(b" \t" + PLAIN % 1 + b"\r")
    assert len(set(digests(*(PLAIN % number for number in range(9))))) == 9
