"""Which rows a load adds, replaces and leaves, judged by a slow model of the rules."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from lacustre import Lake
from lacustre.store import rewrite
from support.loading import load_lines, versions, write_lines
from support.lossless import by_key

MEMBERS = [
    '"name":[{"family":"a"},{}]', '"name":[{"given":["x",null],"_given":[null,{"id":"q"}],"period":{"start":"2020"}}]',
    '"name":[]', '"gender":"m"', '"gender":5', '"gender":null', '"active":true', '"active":"x"',
    '"maritalStatus":{"coding":[{"code":"c","zz":1.10}],"text":"t"}', '"maritalStatus":{"text":"u\\u0000v"}',
    '"contact":[{"name":{"period":{"end":"2"}}},{"period":{"start":"1"}}]', '"zz":{"b":1E2,"a":[1.0,null]}', '"Zz":"é"',
    '"contained":[{"resourceType":"Basic","id":"b","n":1.10}]', '"multipleBirthInteger":2', '"multipleBirthInteger":2.0',
    '"extension":[{"url":"u","valueDecimal":1.10,"extension":[{"url":"v","valueQuantity":{"value":1E2}}]}]',
    '"_birthDate":{"extension":[{"url":"u","valueCode":"x"}]}', '"birthDate":"2020"', '"photo":[{"size":3},{"data":"AA"}]',
]  # fmt: skip

Key = tuple[str, str, int]


def line(key: Key, members: list[str], choose: random.Random | None = None) -> str:
    """A Patient; with `choose`, the same one in another form."""
    meta = f'"meta":{{"lastUpdated":"{key[1]}","versionId":"{key[2]}"}}'
    parts = ['"resourceType":"Patient"', f'"id":"{key[0]}"', meta, *members]
    if choose is None:
        return f"{{{','.join(parts)}}}"
    return f"{{ {' , '.join(choose.sample(parts, len(parts)))} }}"


def some_members(choose: random.Random) -> list[str]:
    chosen = choose.sample(MEMBERS, choose.randrange(6))
    return list({member.split(":")[0]: member for member in chosen}.values())


def exported(lake: Lake) -> dict[tuple[str, str], object]:
    lines = list(lake.export("Patient"))
    assert len(by_key(lines)) == len(lines)
    return by_key(lines)


@pytest.mark.parametrize("seed", range(4))
def test_any_versions_in_any_loads_files_and_forms(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rewrite, "BATCH_ROWS", 3)
    choose, lake = random.Random(seed), Lake.open(tmp_path / "lake")
    keys = {
        (choose.choice("abcdAB"), f"2024-01-0{choose.randrange(1, 4)}T00:00:00Z", choose.randrange(8, 12))
        for _ in range(20)
    }
    resources = {key: some_members(choose) for key in sorted(keys)}
    occurrences = [key for key in resources for _ in range(choose.randrange(1, 3))]
    choose.shuffle(occurrences)
    seen: dict[str, Key] = {}
    for load in range(3):
        mine = occurrences[load::3]
        lines = [line(key, resources[key], choose.choice([choose, None])) for key in mine] + ["bad"]
        for file in range(2):
            write_lines(tmp_path / f"{load}/{file}/p.ndjson", lines[file::2])
        result = lake.load(
            tmp_path / f"{load}/0", tmp_path / f"{load}/1", processes=1, max_rejects=1.0, shards=1 + seed % 2
        )
        fates = [result.total(fate) for fate in ("inserted", "updated", "unchanged", "superseded", "rejected")]
        assert result.total("read") == sum(fates) == len(lines)
        seen |= {key[0]: max(key, seen.get(key[0], key)) for key in sorted(mine)}
        assert exported(lake) == by_key(line(key, resources[key]).encode() for key in seen.values()), f"seed {seed}"
    before = versions(lake)
    for form in (choose, None):
        assert load_lines(lake, tmp_path, *(line(key, resources[key], form) for key in resources)).total("loaded") == 0
    assert versions(lake) == before


def test_ids_that_are_nearly_equal(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake")
    ids = ["a", "A", "é", "e\u0301", "É", "ß", "SS", "x" * 128, "'", "%", "a%20", "a.", "a_"]
    lines = [{"resourceType": "Patient", "id": name} for name in ids]
    assert load_lines(lake, tmp_path, *lines).total("inserted") == len(ids)
    assert load_lines(lake, tmp_path, *lines[::-1]).total("unchanged") == len(ids)


def version(number: str) -> str:
    return f'{{"resourceType":"Patient","id":"a","gender":"{number}","meta":{{"lastUpdated":"2024-01-01T00:00:00Z","versionId":"{number}"}}}}'


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("9", "10"),
        ("007", "8"),
        ("9" * 37, "9" * 38),
        ("9" * 39, "1"),
        ("-5", "0"),
        ("1.5", "1"),
        ("", "0"),
        ("W/abc", "0"),
        ("١", "0"),
    ],
)
def test_version_ids_of_any_kind(older: str, newer: str, tmp_path: Path) -> None:
    """What is no number, or has more than 38 digits, is older than what is."""
    for name, order in (("together", [[older, newer]]), ("back", [[newer], [older]]), ("forth", [[older], [newer]])):
        lake = Lake.open(tmp_path / name)
        for part in order:
            load_lines(lake, tmp_path, *map(version, part))
        assert lake.sql("SELECT gender FROM fhir.Patient").fetchall() == [(newer,)], name


def test_meta_may_have_other_members_in_every_file(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake")
    metas = ['{"versionId":"3"}', '{"lastUpdated":"2024-01-01T00:00:00Z"}', '{"source":"s"}', '{"profile":["p"]}']
    lines = [f'{{"resourceType":"Patient","id":"p{number}","meta":{meta}}}' for number, meta in enumerate(metas)]
    for text in lines:
        load_lines(lake, tmp_path, text)
    load_lines(lake, tmp_path, '{"resourceType":"Patient","id":"none"}')
    assert load_lines(lake, tmp_path, *lines).total("unchanged") == 4
