"""Valid resources, and seeded damage to them: to the bytes of a line, and to the structure of its JSON."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import cache
from itertools import islice
from typing import Any

from lacustre.sample import DEFAULT_ESTABLISHMENT, sample_resources
from lacustre.sample.export import to_line
from support.lossless import read_lines
from support.shared import shared_dir

_SPLICES = (
    b"null",
    b"{}",
    b"[]",
    b'"a":1,',
    b" ",
    b"\\",
    b'"',
    b",",
    b"1",
    b":",
    b"\n",
    b"\x00",
    b"\xef\xb7\x90",
    b"\xff",
)
_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1.5,
    1e300,
    2**40,
    "",
    "5",
    "\ufdd01",
    "é😀\n",
    [],
    {},
    [None],
    [[]],
    {"": {}},
)
_REAL_SETS = ("synthea-hiv-r4", "mimic-iv-demo-fhir", "synthea-bulkserver-r4")
_CRAFTED = (
    '{"resourceType":"Questionnaire","id":"q","status":"draft","item":[{"linkId":"1","type":"group","item":[{"linkId":"1.1","type":"decimal","initial":[{"valueDecimal":1.10}]}]}]}',
    '{"resourceType":"Patient","id":"p","_birthDate":{"extension":[{"url":"u","valueCode":"unknown"}]},"name":[{"given":["a",null],"_given":[null,{"id":"g"}]}],"contained":[{"resourceType":"Organization","id":"o","name":"é"}]}',
    '{"resourceType":"Bundle","id":"b","type":"collection","entry":[{"resource":{"resourceType":"Patient","id":"p","multipleBirthInteger":2}}]}',
    '{"resourceType":"Parameters","id":"s","parameter":[{"name":"n","valueQuantity":{"value":1E-7}},{"name":"r","resource":{"resourceType":"Basic","code":{"text":"t"}}}]}',
    '{"resourceType":"ValueSet","id":"v","status":"active","compose":{"include":[{"system":"s","filter":[{"property":"p","op":"=","value":"v"}]}]}}',
    '{"resourceType":"Observation","id":"o","status":"final","code":{"text":"t"},"component":[{"code":{"text":"c"},"valueSampledData":{"origin":{"value":0},"period":10,"dimensions":1,"data":"1 2 E"}}],"extension":[{"url":"a","extension":[{"url":"b","valueInteger":-3}]}]}',
)  # fmt: skip


@cache
def valid_resources(count: int) -> list[str]:
    """Lines of as many types as there are, at most `count`: crafted, of the sample, and of real data."""
    return list(islice(_distinct(), count))


def _distinct() -> Iterator[str]:
    yield from _CRAFTED
    seen: set[str] = set()
    for versions in sample_resources(patients=25, seed=7, establishment=DEFAULT_ESTABLISHMENT):
        if versions[0]["resourceType"] not in seen:
            seen.add(versions[0]["resourceType"])
            yield to_line(versions[0])
    for name in _REAL_SETS:
        for path in sorted(shared_dir("data", name).glob("*.ndjson.gz")):
            yield next(read_lines(path)).decode().rstrip("\n")


def mutate(line: str, identifier: str, choose: random.Random) -> bytes:
    """The resource under another id, with one to three mutations, of the structure first."""
    kinds = [choose.choice((_STRUCTURE, _BYTES)) for _ in range(choose.choice((1, 1, 2, 3)))]
    resource = {**json.loads(line, parse_float=_Text), "id": identifier}
    for _ in range(kinds.count(_STRUCTURE)):
        choose.choice(_STRUCTURE)(resource, choose)
    data = bytearray(_dumps(resource, choose).encode(errors="surrogatepass"))
    for _ in range(kinds.count(_BYTES)):
        choose.choice(_BYTES)(data, choose)
    return bytes(data)


class _Text(float):
    """A number that keeps its text."""

    __slots__ = ("text",)

    def __new__(cls, text: str) -> _Text:
        number = super().__new__(cls, text)
        number.text = text
        return number

    def __deepcopy__(self, _: object) -> _Text:
        return self


class _Pairs(list[tuple[str, Any]]):
    """An object whose members may come twice."""


def _dumps(value: Any, choose: random.Random) -> str:
    match value:
        case _Text():
            return str(value.text)
        case dict() | _Pairs():
            pairs = value.items() if isinstance(value, dict) else value
            return "{" + ",".join([f"{json.dumps(name)}:{_dumps(item, choose)}" for name, item in pairs]) + "}"
        case list():
            return "[" + ",".join([_dumps(item, choose) for item in value]) + "]"
        case str():
            return json.dumps(value, ensure_ascii=choose.random() < 0.1)
    return json.dumps(value)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every value inside, as its parent and its key in it."""
    keys = value.keys() if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield value, key
        if isinstance(value[key], dict | list) and not isinstance(value[key], _Pairs):
            yield from _places(value[key])


def _place(resource: Any, choose: random.Random) -> tuple[Any, Any]:
    return choose.choice([*_places(resource)])


def _replace(resource: Any, choose: random.Random) -> None:
    parent, key = _place(resource, choose)
    parent[key] = deepcopy(choose.choice(_VALUES))


def _wrap(resource: Any, choose: random.Random) -> None:
    parent, key = _place(resource, choose)
    parent[key] = [parent[key]] if choose.random() < 0.5 else {"value": parent[key]}


def _unwrap(resource: Any, choose: random.Random) -> None:
    inside = [(parent, key) for parent, key in _places(resource) if isinstance(parent[key], list) and parent[key]]
    if inside:
        parent, key = choose.choice(inside)
        parent[key] = parent[key][0]


def _change_kind(resource: Any, choose: random.Random) -> None:
    parent, key = _place(resource, choose)
    value = parent[key]
    parent[key] = str(value) if isinstance(value, int | float) else len(value) if isinstance(value, str) else [value]


def _remove(resource: Any, choose: random.Random) -> None:
    parent, key = _place(resource, choose)
    del parent[key]


def _add_member(resource: Any, choose: random.Random) -> None:
    objects = [resource, *(parent[key] for parent, key in _places(resource) if isinstance(parent[key], dict))]
    name = choose.choice(("zz", "", "Id", "lake_rest", "a/b~c", "_id", "contained", "extension", "value", "given", "é"))
    choose.choice(objects)[name] = deepcopy(choose.choice(_VALUES))


def _nest(resource: Any, choose: random.Random) -> None:
    parent, key = _place(resource, choose)
    for _ in range(choose.choice((5, 15, 40, 60, 70, 120))):
        parent[key] = [parent[key]] if choose.random() < 0.5 else {"extension": parent[key]}


def _swap(resource: Any, choose: random.Random) -> None:
    objects = [(parent, key) for parent, key in _places(resource) if isinstance(parent, dict)]
    (first, one), (second, other) = choose.choice(objects), choose.choice(objects)
    first[one], second[other] = deepcopy(second[other]), deepcopy(first[one])


def _double_member(resource: Any, choose: random.Random) -> None:
    inside = [(parent, key) for parent, key in _places(resource) if isinstance(parent[key], dict) and parent[key]]
    if inside:
        parent, key = choose.choice(inside)
        pairs = [*parent[key].items()]
        parent[key] = _Pairs([*pairs, choose.choice(pairs)])


def _flip(data: bytearray, choose: random.Random) -> None:
    data[choose.randrange(len(data))] ^= 1 << choose.randrange(8)


def _cut(data: bytearray, choose: random.Random) -> None:
    at = choose.randrange(len(data) - 1)
    del data[at : at + choose.choice((1, 1, 2, 5, 30))]


def _truncate(data: bytearray, choose: random.Random) -> None:
    del data[choose.randrange(1, len(data)) :]


def _double(data: bytearray, choose: random.Random) -> None:
    at = choose.randrange(len(data))
    data[at:at] = data[at : at + choose.randrange(1, 60)]


def _splice(data: bytearray, choose: random.Random) -> None:
    at = choose.randrange(len(data))
    data[at:at] = choose.choice(_SPLICES)


def _swap_tokens(data: bytearray, choose: random.Random) -> None:
    commas = [at for at, byte in enumerate(data) if byte == ord(",")]
    if len(commas) > 3:
        a, b, c = sorted(choose.sample(commas, 3))
        data[a:c] = data[b:c] + data[a:b]


_Structure = Callable[[Any, random.Random], None]
_Bytes = Callable[[bytearray, random.Random], None]
_STRUCTURE: tuple[_Structure, ...] = (
    _replace, _wrap, _unwrap, _change_kind, _remove, _add_member, _nest, _swap, _double_member,
)  # fmt: skip
_BYTES: tuple[_Bytes, ...] = (_flip, _cut, _truncate, _double, _splice, _swap_tokens)
