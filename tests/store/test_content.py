"""The same resource is recognised in another form and place, another resource never taken for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lacustre import Lake
from support.loading import load_lines, versions

STAMP = '"meta":{"lastUpdated":"2024-01-01T00:00:00Z","versionId":"1"}'


def patient(identifier: str, *members: str) -> str:
    return f'{{"resourceType":"Patient","id":"{identifier}"' + "".join(f",{member}" for member in members) + "}"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(tmp_path / "lake")


def test_files_of_other_shapes_do_not_matter(lake: Lake, tmp_path: Path) -> None:
    members = [STAMP, '"name":[{"family":"F"}]', '"maritalStatus":{"text":"t"}', '"contact":[{"name":{"family":"x"}}]']
    load_lines(lake, tmp_path, patient("a", *members))
    wide = ['"name":[{"period":{"start":"1"},"_given":[{"id":"1"}]}]', '"contact":[{"name":{"period":{"start":"1"}}}]']
    load_lines(lake, tmp_path, patient("b", *wide, '"maritalStatus":{"coding":[{"code":"c"}]}', '"zz":1'))
    before = versions(lake)
    assert load_lines(lake, tmp_path, patient("a", *members[::-1])).total("unchanged") == 1
    again = load_lines(lake, tmp_path, patient("a", *members[::-1]), patient("c", *wide, '"active":true'))
    assert (again.total("unchanged"), again.total("inserted")) == (1, 1)
    assert versions(lake) == {"Patient": before["Patient"] + 2}  # active is new: the schema, then the row


def test_rows_with_and_without_rest_are_compared_each_with_its_own(lake: Lake, tmp_path: Path) -> None:
    def lines(rest: str, typed: str) -> list[str]:
        return [patient(f"p{number}", rest if number % 2 else typed) for number in range(30)]

    load_lines(lake, tmp_path, *lines('"zz":{"b":1,"a":[2.0]},"yy":null', '"gender":"m","active":true'))
    other = lines('"yy": null,"zz":{"a":[2.0],"b":1}', '"active":true,"gender":"m"')
    assert load_lines(lake, tmp_path, *other).total("unchanged") == 30
    other[3], other[4] = patient("p3", '"gender":"m"'), patient("p4", '"zz":1')
    changed = load_lines(lake, tmp_path, *other)
    assert (changed.total("unchanged"), changed.total("updated")) == (28, 2)


@pytest.mark.parametrize(
    "stamp", [STAMP, '"meta":{"lastUpdated":"yesterday"}', '"meta":{"lastUpdated":5}', '"meta":{}']
)
def test_whatever_the_stamp_is(stamp: str, lake: Lake, tmp_path: Path) -> None:
    load_lines(lake, tmp_path, patient("a", stamp, '"gender":"m"'))
    assert load_lines(lake, tmp_path, patient("a", '"gender":"m"', stamp)).total("unchanged") == 1
    assert load_lines(lake, tmp_path, patient("a", '"gender":"f"', stamp)).total("updated") == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('"gender":"a\\u0000b"', '"gender":"a\\u0000c"'),
        ('"gender":"a\\u0000"', '"gender":"a"'),
        ('"gender":"\\""', '"gender":"\\\\\\""'),
        ('"gender":"5"', '"gender":5'),
        ('"gender":"null"', '"gender":null'),
        ('"gender":null', '"active":null'),
        ('"active":true', '"active":"true"'),
        ('"multipleBirthInteger":2', '"multipleBirthInteger":2.0'),
        ('"name":[{"given":["a"],"family":"b"}]', '"name":[{"given":["a"]},{"family":"b"}]'),
        ('"name":[{"given":["a","b"]}]', '"name":[{"given":["b","a"]}]'),
        ('"name":[{"_given":[null,{"id":"a"}]}]', '"name":[{"_given":[{"id":"a"},null]}]'),
        ('"name":[{"family":"a"},{}]', '"name":[{},{"family":"a"}]'),
        ('"zz":{"a":1}', '"zz":[{"a":1}]'),
        ('"zz":1,"yy":2', '"zz":2,"yy":1'),
        ('"zz":"é"', '"zz":"e\\u0301"'),
        ('"Gender":"m"', '"gender":"m"'),
    ],
)
def test_other_content_is_never_taken_for_the_same(one: str, other: str, lake: Lake, tmp_path: Path) -> None:
    load_lines(lake, tmp_path, patient("a", STAMP, one))
    for members in (other, one):
        assert load_lines(lake, tmp_path, patient("a", STAMP, members), again=True).total("updated") == 1, members
