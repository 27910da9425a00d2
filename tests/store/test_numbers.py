"""Numbers are quoted and marked, everything else is left as it is."""

from __future__ import annotations

import json

import pytest

from lacustre.store.numbers import MARK, quote_numbers


def quoted(text: str) -> tuple[str, int]:
    buffer, marks = quote_numbers(text.encode())
    return buffer.to_pybytes().decode().replace(MARK, "#"), marks


@pytest.mark.parametrize(
    "number", ["0", "-0", "1", "-12", "1.10", "1E2", "1e-7", "-1.5E+10", "0." + "1" * 30, "9" * 40]
)
def test_every_spelling(number: str) -> None:
    assert quoted(f'{{"a":{number}}}') == (f'{{"a":"#{number}"}}', 1)
    assert quoted(f'{{"a" :\t{number} ,"b":true}}')[1] == 0  # the exact way's, with white space before the colon
    assert quoted(f'{{"a": {number} }}') == (f'{{"a": "#{number}" }}', 1)


@pytest.mark.parametrize(
    ("text", "expected", "marks"),
    [
        ('{"a":[1, 2.0,3]}', '{"a":["#1, 2.0,3"]}', 1),
        ('{"a":1,"b":[{"c":2}],"d":{"e":[3]}}', '{"a":"#1","b":[{"c":"#2"}],"d":{"e":["#3"]}}', 3),
        ('{"a":"1","b":"x:1","c":["1"]}', '{"a":"1","b":"x:1","c":["1"]}', 0),
        ('{"a":true,"b":null,"c":{},"d":[]}', '{"a":true,"b":null,"c":{},"d":[]}', 0),
        ('{"a":1}\n{"a":2}', '{"a":"#1"}\n{"a":"#2"}', 2),
        ("", "", 0),
    ],
)
def test_where_numbers_stand(text: str, expected: str, marks: int) -> None:
    assert quoted(text) == (expected, marks)


@pytest.mark.parametrize(
    "text", ['{"a":"x\\":1 y"}', '{"a":"\\":[1,2]"}', '{"a\\":5":"x"}', '{"a":007}', '{"a":1.}', '{"a":-}', '{"a":1x}']
)
def test_what_only_looks_like_a_number_is_no_json_afterwards(text: str) -> None:
    changed, marks = quoted(text)
    assert marks == 0 or _fails(changed)


def _fails(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return True
    return False
