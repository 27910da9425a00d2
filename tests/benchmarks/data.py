"""The data of the benchmarks: a published set of synthetic patients and the French sample, at any size."""

from __future__ import annotations

import gzip
import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.amplify import Template, ids_of, reduce
from lacustre.sample import generate_sample

BASE_SET = "synthea-smart-r4"
SHARED_TYPES = ("Organization", "Practitioner")
SAMPLE_VIEWS = frozenset(
    {
        "allergy_intolerance_reaction",
        "coverage",
        "diagnostic_report_form",
        "document_reference",
        "document_reference_content",
        "encounter_diagnosis",
        "encounter_location",
        "location",
        "medication",
        "medication_administration",
        "observation_member",
        "observation_reference_range",
        "patient_link",
        "practitioner_role",
        "related_person",
        "specimen",
    }
)
"""Views that have no rows on the base set: they are measured on the sample."""
SAMPLE_SHARE = 0.2
SAMPLE_PATIENTS = 300
SMALL_SAMPLE_PATIENTS = 120


@dataclass(frozen=True, slots=True)
class DataSet:
    """NDJSON files below a folder, each of one resource type, and their bytes."""

    folder: Path
    files: tuple[Path, ...]

    @property
    def megabytes(self) -> float:
        return sum(path.stat().st_size for path in self.files) / 1e6

    def by_type(self) -> dict[str, list[Path]]:
        found = defaultdict(list)
        for path in self.files:
            found[path.name.split(".")[0]].append(path)
        return dict(found)


def base_folder() -> Path:
    """The base set: below `$LACUSTRE_SHARED`, else below `shared` beside the clone. SystemExit where it is not."""
    beside = Path(__file__).resolve().parents[2].parent / "shared"
    folder = Path(os.environ.get("LACUSTRE_SHARED", beside)) / "data" / BASE_SET
    if not folder.is_dir():
        raise SystemExit(f"{folder} is not here: set LACUSTRE_SHARED to the folder that has data/{BASE_SET}")
    return folder


def make_base_set(folder: Path, megabytes: float) -> DataSet:
    """The base set amplified or reduced to about that many megabytes."""
    sources = {path.name.split(".")[0]: gzip.decompress(path.read_bytes()) for path in _sources()}
    whole = sum(map(len, sources.values())) / 1e6
    kept = frozenset().union(*(ids_of(sources[name].splitlines()) for name in SHARED_TYPES))
    return _make(folder, sources, megabytes / whole, kept, SHARED_TYPES)


def _sources() -> Iterator[Path]:
    yield from sorted(base_folder().glob("*.ndjson.gz"))


def make_sample_set(folder: Path, megabytes: float) -> DataSet:
    """The sample of a French hospital at about that many megabytes, or small."""
    patients = SAMPLE_PATIENTS if megabytes > 10 else SMALL_SAMPLE_PATIENTS
    export = generate_sample(folder / "one", patients=patients)
    sources: dict[str, bytes] = defaultdict(bytes)
    for path in sorted(export.folder.glob("*.ndjson")):
        sources[path.name.split(".")[0]] += path.read_bytes()
    whole = sum(map(len, sources.values())) / 1e6
    return _make(folder / "all", sources, max(1.0, megabytes / whole), frozenset(), ())


def _make(
    folder: Path, sources: dict[str, bytes], factor: float, kept: frozenset[bytes], once: tuple[str, ...]
) -> DataSet:
    folder.mkdir(parents=True)
    files = []
    for resource_type, data in sources.items():
        copies = 1 if resource_type in once else max(1, round(factor))
        for number, copy in enumerate(_copies(data, factor, copies, kept)):
            path = folder / f"{resource_type}.{number:03d}.ndjson"
            path.write_bytes(copy)
            files.append(path)
    return DataSet(folder, tuple(files))


def _copies(data: bytes, factor: float, copies: int, kept: frozenset[bytes]) -> Iterator[bytes]:
    if copies == 1:
        yield data if factor >= 0.75 else reduce(data, factor)
        return
    template = Template.of(data, kept)
    yield from (template.copy(number) for number in range(copies))


def join_files(data: DataSet, target: Path, megabytes: float) -> Path:
    """One file with every resource type, of about that many megabytes: the files again and again, UUIDs changed."""
    size, number = 0.0, 0
    with target.open("wb") as output:
        while size < megabytes:
            for path in data.files:
                copy = Template.of(path.read_bytes()).copy(1000 + number) if number else path.read_bytes()
                size += output.write(copy) / 1e6
                if size >= megabytes:
                    break
            number += 1
    return target
