"""Views that stay fresh: building them after a day, and after a correction of some patients, against building all.

The lake is two years of monthly exports of the French sample, each of other patients, with every resource type.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.amplify import UUID, Template, ids_of
from benchmarks.increments import MONTHS, SEED, SHARDS
from benchmarks.measure import Figure, cpu_seconds, seconds
from lacustre import Lake
from lacustre.sample import generate_sample
from lacustre.views.builds.manifest import ViewManifest
from lacustre.views.catalog import starter_views

SHARED_TYPES = ("Organization", "Practitioner", "PractitionerRole", "Location", "Medication")
NEW, RECENT, PATIENTS = 0.01, 0.002, 0.01
"""Shares of all resources: new ones of a day, those of the last month that it updates; and of patients corrected."""
DAY_TARGET, CORRECTION_TARGET = 0.10, 0.40
_UPDATED = re.compile(rb'"lastUpdated":\s*"[^"]+"')
_PATIENT = re.compile(rb'"resourceType":\s*"Patient"')


@dataclass(frozen=True, slots=True)
class Exports:
    """The exports of a lake, by file name: one folder a month, then those of the changes that are measured."""

    months: tuple[Path, ...]
    day: Path
    correction: Path


def make_exports(folder: Path, patients: int) -> Exports:
    """Exports of about that many patients in all."""
    templates = _templates(folder / "one", -(-patients // MONTHS))
    months = tuple(_month(folder / f"month-{month:02d}", templates, month) for month in range(MONTHS))
    choose = random.Random(SEED)
    lines = [line for path in _files(months) for line in path.read_bytes().splitlines(keepends=True)]
    recent = [line for path in _files(months[-1:]) for line in path.read_bytes().splitlines(keepends=True)]
    changed = _stamped(choose.sample(recent, round(len(lines) * RECENT)), b"2040-01-01T00:00:00Z")
    new = _new(templates, round(len(lines) * NEW))
    corrected = _stamped(_of_some_patients(lines, choose), b"2041-01-01T00:00:00Z")
    return Exports(months, _export(folder / "day", [*new, *changed]), _export(folder / "correction", corrected))


def _templates(folder: Path, patients: int) -> dict[str, Template]:
    """The files of a sample export, in which all but the hospital is to be another in each copy."""
    files = sorted(generate_sample(folder, patients=patients).folder.glob("*.ndjson"))
    data = {path.name: path.read_bytes() for path in files}
    shared = [name for name in data if name.split(".")[0] in SHARED_TYPES]
    kept = frozenset().union(*(ids_of(data[name].splitlines()) for name in shared))
    return {name: Template.of(text, kept) for name, text in data.items() if name not in shared} | {
        name: Template.of(data[name], frozenset(UUID.findall(data[name]))) for name in shared
    }


def _month(folder: Path, templates: dict[str, Template], month: int) -> Path:
    folder.mkdir(parents=True)
    for name, template in templates.items():
        if month == 0 or template.starts.size:
            (folder / name).write_bytes(template.copy(month))
    return folder


def _files(months: Iterable[Path]) -> Iterator[Path]:
    for month in months:
        yield from sorted(month.glob("*.ndjson"))


def _new(templates: dict[str, Template], count: int) -> list[bytes]:
    """The first patients of another copy, with what is theirs, up to about that many resources."""
    lines = [
        line
        for template in templates.values()
        if template.starts.size
        for line in template.copy(MONTHS + 1).splitlines(keepends=True)
    ]
    patients = (UUID.findall(line)[0] for line in lines if _PATIENT.search(line))
    found: list[bytes] = []
    while len(found) < count:
        patient = next(patients)
        found += [line for line in lines if patient in line]
    return found


def _of_some_patients(lines: Sequence[bytes], choose: random.Random) -> list[bytes]:
    patients = [UUID.findall(line)[0] for line in lines if _PATIENT.search(line)]
    chosen = set(choose.sample(patients, round(len(patients) * PATIENTS)))
    return [line for line in lines if not chosen.isdisjoint(UUID.findall(line))]


def _stamped(lines: Iterable[bytes], stamp: bytes) -> list[bytes]:
    """New versions of resources that say when they were updated."""
    said = b'"lastUpdated":"' + stamp + b'"'
    return [_UPDATED.sub(said, line, count=1) for line in lines if _UPDATED.search(line)]


def _export(folder: Path, lines: Sequence[bytes]) -> Path:
    folder.mkdir(parents=True)
    (folder / "changes.ndjson").write_bytes(b"".join(lines))
    return folder


def refresh_figures(exports: Exports, folder: Path) -> list[Figure]:
    """The figures of a new lake in `folder`."""
    lake = Lake.open(folder)
    for month in exports.months:
        lake.load(month, shards=SHARDS)
    whole, cpu = _build(lake, whole=True)
    figures = []
    for name, change, target in (
        ("after a day's increment", exports.day, DAY_TARGET),
        ("after 1 % of the patients changed", exports.correction, CORRECTION_TARGET),
    ):
        lake.load(change)
        wall, used = _build(lake)
        manifests = lake.views()
        made, parts = sum(view.made for view in manifests), sum(view.parts for view in manifests)
        _assert_fresh(lake, manifests)
        detail = f"{wall:.1f} s of {whole:.1f} s, {used / cpu:.1%} of the processors, {made} of {parts} parts"
        figures.append(Figure("views that stay fresh", name, wall / whole, target=target, detail=detail))
    again, _ = _build(lake)
    figures.append(Figure("views that stay fresh", "after nothing", again / whole, detail=f"{again:.1f} s"))
    return figures


def _build(lake: Lake, *, whole: bool = False) -> tuple[float, float]:
    os.sync()  # what the load before it left to the disk
    before = cpu_seconds()
    wall = seconds(lambda: lake.build_views(definitions=starter_views(), whole=whole))
    return wall, cpu_seconds() - before


def _assert_fresh(lake: Lake, manifests: Sequence[ViewManifest]) -> None:
    """SystemExit where a view is not of the newest rows."""
    stale = [view.view for view in manifests if view.whole and view.made] or lake.stale_views()
    if stale:
        raise SystemExit(f"not refreshed: {', '.join(stale)}")
