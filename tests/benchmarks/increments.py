"""A table that grows: increments, corrections, repetitions and erasures against the load of everything.

The base is a year and more of monthly exports of Observations of the same patients, made of published ones: each
copy has other ids and a `lastUpdated` in its month.
"""

from __future__ import annotations

import gzip
import random
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.amplify import UUID, Template, ids_of
from benchmarks.data import base_folder
from benchmarks.measure import MEMORY_TARGET, Figure, cpu_seconds, seconds
from benchmarks.memory import PeakMemory, this_process_and_below
from lacustre import Lake
from lacustre.store.objects import ObjectStore
from lacustre.views.catalog import starter_views
from support.s3 import Bucket

MONTHS = 24
SHARDS = 16
SEED = 20261122
S3_MONTHS = MONTHS // 2
OBSERVATION_VIEWS = ("observation", "observation_component")
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
    observations = gzip.decompress((base_folder() / "Observation.ndjson.gz").read_bytes()).splitlines(keepends=True)
    copies = -(-rows // (MONTHS * len(observations)))
    lines = rows // (MONTHS * copies)
    template = _template(observations[:: len(observations) // lines][:lines])
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


def _template(lines: Sequence[bytes]) -> Template:
    """Observations with a `lastUpdated`; patients are the same in every copy."""
    data = b"".join(line.replace(_META, _META + b'"lastUpdated":"' + _STAMP + b'",', 1) for line in lines)
    patients = ids_of(gzip.decompress((base_folder() / "Patient.ndjson.gz").read_bytes()).splitlines())
    return Template.of(data, patients)


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


@dataclass(frozen=True, slots=True)
class Step:
    """What a step took: `wall` and `cpu` in seconds, memory in bytes: of all its processes, and of the largest."""

    name: str
    wall: float
    cpu: float
    memory: int
    largest: int

    @classmethod
    def of(cls, name: str, work: Callable[[], object]) -> Step:
        peak, before = PeakMemory(this_process_and_below), cpu_seconds()
        peak.start()
        try:
            wall = seconds(work)
        finally:
            peak.stop()
        step = cls(name, wall, cpu_seconds() - before, peak.proportional, peak.largest)
        print(f"{name}: {step.used}, {step.memory / 1e9:.2f} GB", file=sys.stderr, flush=True)
        return step

    @classmethod
    def sum(cls, name: str, steps: Sequence[Step]) -> Step:
        """Times together, and the most memory of one."""
        wall, cpu = sum(step.wall for step in steps), sum(step.cpu for step in steps)
        return cls(name, wall, cpu, max(step.memory for step in steps), max(step.largest for step in steps))

    @property
    def used(self) -> str:
        return f"{self.wall:.1f} s, {self.cpu:.1f} s of processors"

    @property
    def memory_figure(self) -> Figure:
        detail = f"the largest process {self.largest / 1e9:.2f} GB"
        return Figure("memory", self.name, self.memory / 1e9, "GB", target=MEMORY_TARGET, detail=detail)


def increment_figures(history: History, uri: str | Path) -> tuple[list[Figure], list[Figure]]:
    """The figures of a new lake at `uri`, which holds the whole history in the end: of time, and of memory."""
    lake = Lake.open(uri)
    full = _load_all("full load", lake, history)
    before = _version(lake)
    again = _load_all("the same exports again", lake, history)
    if _version(lake) != before:
        raise SystemExit("a repeated load made a new version")
    patient = _some_patient(history)
    works: list[tuple[str, Callable[[], object], float]] = [
        ("a day's increment", lambda: lake.load(history.day), 0.05),
        ("updates of 1 % anywhere", lambda: lake.load(history.correction), 0.40),
        ("erasing a patient", lambda: lake.erase(f"Patient/{patient}", reason="benchmark", prove=False), 0.10),
    ]
    targets = [0.30, *(target for _, _, target in works)]
    steps = [again, *(Step.of(name, work) for name, work, _ in works)]
    whole = f"{history.rows:,} rows in {full.used}"
    figures = [
        Figure(
            "increments",
            f"{step.name}, of the full load",
            step.wall / full.wall,
            target=target,
            detail=f"{step.used} ({step.cpu / full.cpu:.1%}); {whole}",
        )
        for step, target in zip(steps, targets, strict=True)
    ]
    return figures, [step.memory_figure for step in (full, *steps)]


def _load_all(name: str, lake: Lake, history: History) -> Step:
    months = len(history.months)
    return Step.sum(
        name,
        [
            Step.of(f"{name}, {number} of {months}", lambda month=month: lake.load(month, shards=SHARDS))
            for number, month in enumerate(history.months, 1)
        ],
    )


def _version(lake: Lake) -> int | None:
    return next((table.version for table in lake.tables() if table.name == "Observation"), None)


def _some_patient(history: History) -> str:
    with (history.months[0] / "Observation.ndjson").open("rb") as lines:
        line = next(lines)
    found = UUID.search(line, line.index(b'"subject"'))
    assert found is not None
    return found[0].decode()


def one_part_figures(history: History, folder: Path) -> list[Figure]:
    """The memory of views over the whole history, loaded at once into one shard: the largest part that a view can have."""
    lake = Lake.open(folder)
    lake.load(*history.months, shards=1)
    works = [
        (view, lambda view=view: lake.build_views(view, definitions=starter_views(), whole=True))
        for view in OBSERVATION_VIEWS
    ]
    return [Step.of(f"the view {view} of all in one part", work).memory_figure for view, work in works]


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
    times = [
        min(seconds(lambda lake=lake: lake.build_views(*view, whole=True)) for _ in range(3)) for lake in (fresh, grown)
    ]
    return Figure(
        "increments",
        f"a view after {increments} increments and maintenance, of a fresh table's",
        times[1] / times[0],
        target=1.2,
        detail=f"{times[1]:.2f} s against {times[0]:.2f} s, {len(whole):,} rows",
    )


def s3_figure(history: History, folder: Path, bucket: Bucket, rounds: int = 3) -> Figure:
    """Half of the history from a bucket into a lake in it, against the same from disk to disk, taking turns."""
    store = ObjectStore(bucket.uri("source"), bucket.settings)
    files = [path for month in history.months[:S3_MONTHS] for path in month.iterdir()]
    for path in files:
        store.put(path, f"{path.parent.name}/{path.name}")

    def load(name: str, places: Sequence[str], uri: str | Path) -> Step:
        lake = Lake.open(uri, storage_options=bucket.settings)
        return Step.of(name, lambda: lake.load(*places, shards=SHARDS))

    local, remote = [], []
    for number in range(rounds):
        local.append(load("disk to disk", [str(path.parent) for path in files], folder / "local"))
        shutil.rmtree(folder / "local")
        remote.append(load("S3 to S3", [bucket.uri("source")], bucket.uri(f"lake-{number}")))
    fastest = [min(steps, key=lambda step: step.wall) for steps in (local, remote)]
    size = sum(path.stat().st_size for path in files) / 1e6
    return Figure(
        "increments",
        "speed of a load from S3 to S3, of disk to disk",
        fastest[0].wall / fastest[1].wall,
        direction="at least",
        target=0.6,
        detail=f"{size:.0f} MB: {fastest[1].used} against {fastest[0].used}",
    )
