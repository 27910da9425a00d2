"""A table that grows: increments, corrections, repetitions and erasures against the load of everything.

The base is a year and more of monthly exports of Observations of the same patients, made of published ones: each
copy has other ids and a `lastUpdated` in its month.
"""

from __future__ import annotations

import gzip
import random
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.amplify import UUID, Template, ids_of
from benchmarks.data import base_folder
from benchmarks.measure import Figure, seconds
from lacustre import Lake

MONTHS = 24
SHARDS = 16
SEED = 20261122
_STAMP = b"2000-01-01T00:00:00Z"
_META = b'"meta":{'
INCREMENT, RECENT, ANYWHERE = 0.01, 0.002, 0.01
"""Shares of the table: new rows of a day, rows of the last month that it updates, rows of any time in an update."""


@dataclass(frozen=True, slots=True)
class History:
    """The exports of a table: one folder a month, then those of the changes that are measured."""

    months: tuple[Path, ...]
    day: Path
    correction: Path
    rows: int


def make_history(folder: Path, rows: int) -> History:
    """Exports with about that many Observations in all."""
    template, lines = _template(rows // MONTHS)
    copies = max(1, rows // (MONTHS * lines))
    choose = random.Random(SEED)
    months, sampled, recent = [], list[bytes](), list[bytes]()
    for month in range(MONTHS):
        path = folder / f"month-{month:02d}" / "Observation.ndjson"
        path.parent.mkdir(parents=True)
        stamp = b"20%02d-%02d-01T00:00:00Z" % (20 + month // 12, 1 + month % 12)
        with path.open("wb") as target:
            for copy in range(copies):
                data = template.copy(1 + month * copies + copy).replace(_STAMP, stamp)
                target.write(data)
                sampled += _some(data, ANYWHERE, choose)
                if month == MONTHS - 1:
                    recent += _some(data, RECENT * MONTHS, choose)
        months.append(path.parent)
    new = list(_new(template, round(rows * INCREMENT)))
    changed = [_changed(line, b"2030-01-01T00:00:00Z") for line in recent]
    day = _export(folder / "day", [*new, *changed])
    correction = _export(folder / "correction", [_changed(line, b"2031-01-01T00:00:00Z") for line in sampled])
    return History(tuple(months), day, correction, MONTHS * copies * lines)


def _template(most: int) -> tuple[Template, int]:
    """Observations with a `lastUpdated`, and how many; patients are the same in every copy."""
    lines = gzip.decompress((base_folder() / "Observation.ndjson.gz").read_bytes()).splitlines(keepends=True)
    if most < len(lines):
        lines = lines[:: len(lines) // most][:most]
    data = b"".join(line.replace(_META, _META + b'"lastUpdated":"' + _STAMP + b'",', 1) for line in lines)
    patients = ids_of(gzip.decompress((base_folder() / "Patient.ndjson.gz").read_bytes()).splitlines())
    return Template.of(data, patients), len(lines)


def _some(data: bytes, share: float, choose: random.Random) -> list[bytes]:
    lines = data.splitlines(keepends=True)
    return choose.sample(lines, round(len(lines) * share))


def _new(template: Template, count: int) -> Iterator[bytes]:
    number = 1_000_000
    while count > 0:
        lines = template.copy(number).replace(_STAMP, b"2029-12-31T00:00:00Z").splitlines(keepends=True)[:count]
        yield from lines
        count, number = count - len(lines), number + 1


def _changed(line: bytes, stamp: bytes) -> bytes:
    start = line.index(b'"lastUpdated":"') + len(b'"lastUpdated":"')
    return line[:start] + stamp + line[start + len(stamp) :].replace(b'"status":"final"', b'"status":"amended"')


def _export(folder: Path, lines: Sequence[bytes]) -> Path:
    folder.mkdir(parents=True)
    (folder / "Observation.ndjson").write_bytes(b"".join(lines))
    return folder


def increment_figures(history: History, uri: str | Path) -> list[Figure]:
    """The figures of a new lake at `uri`, which holds the whole history in the end."""
    lake = Lake.open(uri)
    full = sum(seconds(lambda month=month: lake.load(month, shards=SHARDS)) for month in history.months)
    size = f"{history.rows:,} rows in {full:.0f} s"
    before = _version(lake)
    again = sum(seconds(lambda month=month: lake.load(month)) for month in history.months)
    if _version(lake) != before:
        raise SystemExit("a repeated load made a new version")
    day = seconds(lambda: lake.load(history.day))
    correction = seconds(lambda: lake.load(history.correction))
    patient = _some_patient(history)
    erasure = seconds(lambda: lake.erase(f"Patient/{patient}", reason="benchmark", prove=False))
    named = [
        ("the same exports again, of the full load", again, 0.30),
        ("a day's increment, of the full load", day, 0.05),
        ("updates of 1 % anywhere, of the full load", correction, 0.40),
        ("erasing a patient, of the full load", erasure, 0.10),
    ]
    return [
        Figure("increments", name, took / full, target=target, detail=f"{took:.1f} s; {size}")
        for name, took, target in named
    ]


def _version(lake: Lake) -> int | None:
    return next((table.version for table in lake.tables() if table.name == "Observation"), None)


def _some_patient(history: History) -> str:
    with (history.months[0] / "Observation.ndjson").open("rb") as lines:
        line = next(lines)
    found = UUID.search(line, line.index(b'"subject"'))
    assert found is not None
    return found[0].decode()


def compaction_figure(history: History, folder: Path, increments: int = 50) -> Figure:
    """The time of a view over a table of many small loads, compacted, relative to the same rows loaded at once."""
    whole = [
        line for month in history.months[:4] for line in (month / "Observation.ndjson").read_bytes().splitlines(True)
    ]
    step = max(1, len(whole) // 4 // increments)
    fresh, grown = Lake.open(folder / "fresh"), Lake.open(folder / "grown")
    fresh.load(_export(folder / "all", whole))
    grown.load(_export(folder / "first", whole[: -step * increments]))
    for number in range(increments):
        start = len(whole) - step * (increments - number)
        grown.load(_export(folder / f"part-{number}", whole[start : start + step]))
    grown.maintain()
    view = ("observation",)
    times = [min(seconds(lambda lake=lake: lake.build_views(*view)) for _ in range(3)) for lake in (fresh, grown)]
    return Figure(
        "increments",
        f"a view after {increments} increments and maintenance, of a fresh table's",
        times[1] / times[0],
        target=1.2,
        detail=f"{times[1]:.2f} s against {times[0]:.2f} s, {len(whole):,} rows",
    )


def s3_figure(history: History, folder: Path, bucket: str) -> Figure:
    """A load from S3 into a lake on S3 against the same from disk to disk."""
    source = history.months[0]
    store = Lake.open(f"{bucket}/staging")._tenant.store
    for path in source.iterdir():
        store.put(path, f"source/{path.name}")
    local = seconds(lambda: Lake.open(folder / "local").load(source, shards=SHARDS))
    remote = seconds(lambda: Lake.open(f"{bucket}/lake").load(f"{bucket}/staging/source", shards=SHARDS))
    shutil.rmtree(folder / "local")
    return Figure(
        "increments",
        "speed of a load from S3 to S3, of disk to disk",
        local / remote,
        direction="at least",
        target=0.6,
        detail=f"{remote:.1f} s against {local:.1f} s",
    )
