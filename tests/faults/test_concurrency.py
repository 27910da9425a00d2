"""Processes that write one lake at the same time: nothing is lost, nothing comes twice, readers see whole commits."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from lacustre import Lake
from lacustre.fhir.references import patient_key
from lacustre.views.catalog import starter_views
from support.fleet import Fleet, Outcome, Step
from support.lake_content import exported
from support.loading import write_lines
from support.lossless import by_key

pytestmark = pytest.mark.faults("concurrency")

ROWS = 5
COUNT = "SELECT count(*), count(DISTINCT id) FROM fhir.Patient"


def patient(identifier: str, text: str = "", updated: str | None = None) -> bytes:
    meta = f',"meta":{{"lastUpdated":"{updated}"}}' if updated else ""
    return f'{{"resourceType":"Patient","id":"{identifier}"{meta},"name":[{{"text":"{text}"}}]}}'.encode()


def loading(folder: Path, name: str, lines: Iterable[bytes], **options: Any) -> Step:
    return ["load", str(write_lines(folder / f"{name}.ndjson", lines)), options]


def instant(number: int) -> str:
    return f"2026-01-01T00:{number:02d}:00Z"


def check(lake: Lake, outcomes: list[list[Outcome]], expected: Iterable[bytes], operations: int) -> None:
    """Every step succeeded, the content is that of the same operations one after the other, and so is the ledger."""
    assert [step for steps in outcomes for step in steps if "error" in step] == []
    assert exported(lake) == by_key(expected)
    records = [*lake.history()]
    assert [record.number for record in records] == [*range(len(records), 0, -1)]
    ids = [record.id for record in records]
    given = [step["gave"] for steps in outcomes for step in steps if isinstance(step["gave"], str)]
    assert (len(given), {*given} <= {*ids}, len({*ids})) == (operations, True, len(ids))


def check_answers(outcomes: list[Outcome], rows_of_a_commit: int) -> None:
    """Every answer of `COUNT` was of whole commits, and no later one of fewer."""
    counts = [answer[0][0] for answer in outcomes[0]["gave"]]
    assert all(answer[0][0] == answer[0][1] for answer in outcomes[0]["gave"])
    assert all(count % rows_of_a_commit == 0 for count in counts)
    assert all(before <= after for before, after in pairwise(counts))


def test_six_times_six_appends(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    lake = Lake.open(fleet.place)
    first = [patient(f"first{row}") for row in range(ROWS)]
    lake.load(write_lines(tmp_path / "first.ndjson", first))
    parts = {
        (writer, number): [patient(f"p{writer}-{number}-{row}") for row in range(ROWS)]
        for writer in range(6)
        for number in range(6)
    }
    writers = [[loading(tmp_path, f"{w}-{n}", parts[w, n]) for n in range(6)] for w in range(6)]
    outcomes = fleet.run(writers, [[["ask", COUNT, str(fleet.stop)]]])
    check(lake, outcomes[:6], [*first, *(line for lines in parts.values() for line in lines)], 36)
    check_answers(outcomes[6], ROWS)


@pytest.mark.parametrize("shards", ["the same", "other"])
def test_four_times_four_updates(shards: str, tmp_path: Path) -> None:
    """Every writer updates resources of one shard: all of the same, or each of its own."""
    fleet = Fleet(tmp_path)
    lake = Lake.open(fleet.place)
    names = {
        shard: [name for name in map(str, range(60)) if patient_key("default", name) & 3 == shard] for shard in range(4)
    }
    lake.load(
        write_lines(tmp_path / "first.ndjson", [patient(n, "first", instant(0)) for n in map(str, range(60))]), shards=4
    )
    newest = {name: patient(name, "first", instant(0)) for name in map(str, range(60))}
    writers: list[list[Step]] = [[], [], [], []]
    for number in range(4):
        for writer in range(4):  # in the order of their instants: the last of each resource is its newest
            mine = names[writer if shards == "other" else 0]
            lines = [patient(name, f"{writer}-{number}", instant(1 + 4 * number + writer)) for name in mine]
            newest |= dict(zip(mine, lines, strict=True))
            writers[writer].append(loading(tmp_path, f"{writer}-{number}", lines))
    outcomes = fleet.run(writers, [[["ask", COUNT, str(fleet.stop)]]])
    check(lake, outcomes[:4], newest.values(), 16)
    check_answers(outcomes[4], 60)


def test_loads_of_several_types(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    everything: list[bytes] = []
    writers: list[list[Step]] = []
    for writer in range(4):
        steps = []
        for number in range(3):
            name = f"{writer}-{number}"
            lines = [patient(f"p{name}")]
            lines += [b'{"resourceType":"Encounter","id":"e%s","status":"finished"}' % name.encode()]
            lines += [b'{"resourceType":"Observation","id":"o%s","status":"final"}' % name.encode()]
            lines += [b'{"resourceType":"Condition","id":"shared","recorder":{"display":"shared"}}']
            everything += lines
            steps.append(loading(tmp_path, name, lines))
        writers.append(steps)
    outcomes = fleet.run(writers)
    check(Lake.open(fleet.place), outcomes, everything, 12)


def test_deletes_and_loads_of_the_same_resources(tmp_path: Path) -> None:
    """A deletion wins over versions from before it, and loses to newer ones, whoever comes first."""
    fleet = Fleet(tmp_path)
    lake = Lake.open(fleet.place)
    old = [patient(f"old{number}", "old", instant(1)) for number in range(6)]
    new = [patient(f"new{number}", "new", instant(50)) for number in range(6)]
    kept = [patient(f"kept{number}", "kept", instant(1)) for number in range(ROWS)]
    lake.load(
        write_lines(
            tmp_path / "first.ndjson", [*kept, *old[:3], *(patient(f"new{n}", "before", instant(1)) for n in range(3))]
        )
    )
    writers = [
        [loading(tmp_path, f"{name}-{number}", [line]) for number, line in enumerate(lines)]
        for name, lines in (("old", old), ("new", new))
    ]
    writers += [
        [["delete", [f"Patient/{name}{number}"], instant(30)] for number in range(6)] for name in ("old", "new")
    ]
    outcomes = fleet.run(writers, [[["ask", COUNT, str(fleet.stop)]]])
    check(lake, outcomes[:4], [*kept, *new], 24)
    assert all(answer[0][0] == answer[0][1] for answer in outcomes[4][0]["gave"])


def test_two_first_loads_of_a_tenant(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, "new")
    lines = {name: [patient(f"{name}{row}") for row in range(ROWS)] for name in "abcd"}
    outcomes = fleet.run([[loading(tmp_path, name, lines[name])] for name in lines])
    check(Lake.open(fleet.place, tenant="new"), outcomes, [line for part in lines.values() for line in part], 4)


def test_two_first_loads_with_other_settings(tmp_path: Path) -> None:
    """One fixes the settings; who wants others is told, and leaves nothing behind."""
    fleet = Fleet(tmp_path)
    lines = {shards: [patient(f"{shards}-{row}") for row in range(ROWS)] for shards in (2, 4, 8)}
    outcomes = fleet.run([[loading(tmp_path, str(shards), lines[shards], shards=shards)] for shards in lines])
    lake = Lake.open(fleet.place)
    assert sorted(str(steps[0].get("error")) for steps in outcomes) == [
        "None",
        "tenant_settings_fixed",
        "tenant_settings_fixed",
    ]
    (shards,) = [number for number, steps in zip(lines, outcomes, strict=True) if "gave" in steps[0]]
    assert lake.settings.shards == shards
    assert exported(lake) == by_key(lines[shards])


def test_views_are_built_during_loads(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    lake = Lake.open(fleet.place)
    first = [patient(f"first{row}") for row in range(ROWS)]
    lake.load(write_lines(tmp_path / "first.ndjson", first))
    definitions = tmp_path / "definitions"
    definitions.mkdir()
    (definitions / "patient.json").write_bytes(next(starter_views().rglob("patient.json")).read_bytes())
    lake.build_views(definitions=definitions)
    parts = [[patient(f"p{number}-{row}") for row in range(ROWS)] for number in range(6)]
    writers: list[list[Step]] = [[loading(tmp_path, str(number), lines) for number, lines in enumerate(parts)]]
    writers += [[["views", str(definitions)] for _ in range(4)] for _ in range(2)]
    view = "SELECT count(*), count(DISTINCT lake_resource) FROM lineage.patient"
    outcomes = fleet.run(writers, [[["ask", view, str(fleet.stop)]]])
    check(lake, outcomes[:3], [*first, *(line for lines in parts for line in lines)], 6)
    assert all(answer[0][0] == answer[0][1] and answer[0][0] % ROWS == 0 for answer in outcomes[3][0]["gave"])
    (built,) = lake.build_views(definitions=definitions)
    assert built.rows == ROWS * 7
