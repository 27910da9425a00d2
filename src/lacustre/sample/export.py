"""Writes the sample as a FHIR bulk export: NDJSON files and their manifest.

The same arguments give the same bytes, on every platform and Python version. Specification: *FHIR Bulk Data
Access* 2.0, "Bulk Data Output File Request" and "Response - Complete Status" (the manifest); the `url` of an
output is a file name relative to the manifest.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Final, TextIO

from lacustre.errors import InputError
from lacustre.sample.clock import EXPORT_TIME, local_date, utc_time
from lacustre.sample.elements import Json, Versions
from lacustre.sample.encounters import (
    encounter_versions,
    legacy_encounter,
    open_visit,
    problem_conditions,
    stay_claim,
    stay_condition,
)
from lacustre.sample.history import allergies, immunizations
from lacustre.sample.hospital import DEFAULT_ESTABLISHMENT, Establishment, Hospital
from lacustre.sample.notes import stay_notes
from lacustre.sample.patients import Registration, coverages, patient_versions, related_person
from lacustre.sample.persons import NirRegister, Person, draw_newborn, draw_person
from lacustre.sample.results import stay_results
from lacustre.sample.stays import Course, Stay, draw_course
from lacustre.sample.surgery import MATERNITY
from lacustre.sample.treatments import formulary, stay_prescriptions, stay_procedures

DEFAULT_SEED: Final = 20260101
LINES_PER_FILE: Final = 20_000

# A decimal keeps its zeros: it travels through the JSON encoder as a string between private use characters.
_OPENING: Final = "\ue000"
_CLOSING: Final = "\ue001"


@dataclass(frozen=True, slots=True)
class SampleExport:
    """What was written: `lines` counts lines per resource type, `resources` the distinct resources."""

    folder: Path
    manifest: Path
    lines: Mapping[str, int]
    resources: Mapping[str, int]


def generate_sample(
    folder: Path,
    *,
    patients: int = 1000,
    seed: int = DEFAULT_SEED,
    establishment: Establishment = DEFAULT_ESTABLISHMENT,
) -> SampleExport:
    """Write a bulk export of a small French hospital into `folder`, which is made if needed.

    `patients` counts newborns too. The first patients of a larger sample are those of a smaller one;
    another establishment with the same seed sees the same people, under ids of its own.
    Raises InputError `sample_size` if `patients` is less than 1, `sample_folder` if the folder holds
    something already.
    """
    _check(folder, patients)
    folder.mkdir(parents=True, exist_ok=True)
    with _Writer(folder, Random(f"{seed}/order")) as writer:
        for versions in sample_resources(patients=patients, seed=seed, establishment=establishment):
            writer.add(versions)
        writer.flush()
    manifest = folder / "manifest.json"
    text = json.dumps(_manifest(writer, establishment), ensure_ascii=False, indent=2)
    manifest.write_text(text + "\n", encoding="utf-8", newline="\n")
    return SampleExport(folder, manifest, writer.lines, writer.resources)


def sample_resources(*, patients: int, seed: int, establishment: Establishment) -> Iterator[Versions]:
    """The resources of a sample, each with all its versions; references resolve within the sample."""
    hospital = Hospital(establishment, seed)
    yield from hospital.resources()
    yield from formulary(hospital)
    for entry in _registrations(hospital, patients):
        yield from _record(Random(f"{seed}/record/{entry.person.number}"), hospital, entry)


def _check(folder: Path, patients: int) -> None:
    if patients < 1:
        raise InputError("sample_size", f"a sample needs at least one patient, not {patients}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError("sample_folder", f"{folder} exists and is not empty", "choose a new folder")


def _registrations(hospital: Hospital, patients: int) -> Iterator[Registration]:
    register = NirRegister()
    number = 0
    while number < patients:
        number += 1
        rng = Random(f"{hospital.seed}/person/{number}")
        person = draw_person(rng, number)
        expecting = person.sex == "female" and 21 <= person.age(EXPORT_TIME) <= 41 and rng.random() < 0.45
        course = draw_course(rng, person, may_deliver=expecting and number < patients)
        birth = next((stay for stay in course.stays if stay.profile is MATERNITY), None)
        child = None if birth is None else _draw_child(rng, hospital, person, number + 1, birth)
        yield _register(register, person, course, child)
        if child is not None:
            number += 1
            yield _register(register, child, draw_course(rng, child, may_deliver=False), None)


def _draw_child(rng: Random, hospital: Hospital, mother: Person, number: int, birth: Stay) -> Person:
    born = birth.start + (birth.last_moment - birth.start) / 8
    return draw_newborn(rng, number, mother, born.replace(microsecond=0), hospital.establishment.commune)


def _register(register: NirRegister, person: Person, course: Course, child: Person | None) -> Registration:
    ins = register.next_number(person.sex, local_date(person.born))
    return Registration(person, ins, f"8{person.number:08d}", course, child)


def _record(rng: Random, hospital: Hospital, entry: Registration) -> Iterator[Versions]:
    yield patient_versions(rng, hospital, entry)
    if entry.person.mother is not None:
        yield related_person(hospital, entry)
    yield from coverages(rng, hospital, entry)
    yield from allergies(rng, hospital, entry)
    yield from immunizations(rng, hospital, entry)
    yield from problem_conditions(rng, hospital, entry)
    yield from legacy_encounter(rng, hospital, entry)
    for stay in entry.course.stays:
        visit = open_visit(rng, hospital, entry, stay)
        yield from encounter_versions(rng, visit)
        yield from stay_condition(rng, visit)
        findings = [*stay_results(rng, visit), *stay_procedures(rng, visit)]
        yield from findings
        yield from stay_prescriptions(rng, visit)
        yield from stay_notes(rng, visit, findings)
        yield from stay_claim(visit)


def to_line(resource: Json) -> str:
    """One line of NDJSON; decimals as they were written, `5.10` included."""
    return _ENCODER.encode(resource).replace(f'"{_OPENING}', "").replace(f'{_CLOSING}"', "")


def _marked(value: object) -> str:
    if isinstance(value, Decimal):
        return f"{_OPENING}{value}{_CLOSING}"
    raise TypeError(f"{type(value).__name__} has no place in a FHIR resource")


_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":"), default=_marked)


class _Writer:
    """Writes lines by type, a new file every LINES_PER_FILE lines.

    Of a resource with several versions all but one, whichever, are held back and come out at some later
    line of the type: a reader must not trust the order.
    """

    def __init__(self, folder: Path, rng: Random) -> None:
        self._folder = folder
        self._rng = rng
        self._open: dict[str, TextIO] = {}
        self._held: dict[str, list[str]] = {}
        self.files: list[tuple[str, str]] = []
        self.lines: dict[str, int] = {}
        self.resources: dict[str, int] = {}

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, *_: object) -> None:
        for stream in self._open.values():
            stream.close()

    def add(self, versions: Versions) -> None:
        resource_type = versions[0]["resourceType"]
        lines = [to_line(version) for version in versions]
        now = lines.pop(int(self._rng.random() * len(lines)))
        held = self._held.setdefault(resource_type, [])
        held.extend(lines)
        self.resources[resource_type] = self.resources.get(resource_type, 0) + 1
        self._write(resource_type, now)
        if held and self._rng.random() < 0.1:
            self._write(resource_type, held.pop(int(self._rng.random() * len(held))))

    def flush(self) -> None:
        """Write what is still held back."""
        for resource_type, held in self._held.items():
            for line in held:
                self._write(resource_type, line)
            held.clear()

    def _write(self, resource_type: str, line: str) -> None:
        count = self.lines.get(resource_type, 0)
        if count % LINES_PER_FILE == 0:
            self._next_file(resource_type, count // LINES_PER_FILE)
        self._open[resource_type].write(line + "\n")
        self.lines[resource_type] = count + 1

    def _next_file(self, resource_type: str, number: int) -> None:
        if resource_type in self._open:
            self._open[resource_type].close()
        name = f"{resource_type}.{number:03d}.ndjson"
        self._open[resource_type] = (self._folder / name).open("w", encoding="utf-8", newline="\n")
        self.files.append((resource_type, name))


def _manifest(writer: _Writer, establishment: Establishment) -> Json:
    return {
        "transactionTime": utc_time(EXPORT_TIME),
        "request": f"{establishment.base_url}/fhir/$export?_outputFormat=application%2Ffhir%2Bndjson",
        "requiresAccessToken": False,
        "output": [_output(writer, kind, name) for kind, name in sorted(writer.files)],
        "deleted": [],
        "error": [],
    }


def _output(writer: _Writer, resource_type: str, name: str) -> Json:
    before = int(name.split(".")[1]) * LINES_PER_FILE
    return {
        "type": resource_type,
        "url": name,
        "count": min(LINES_PER_FILE, writer.lines[resource_type] - before),
    }
