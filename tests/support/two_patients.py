"""Exports with one patient to erase among others, and a search for traces that shares nothing with the product's."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from support.loading import Resource

GONE = "pat-7f3e91c2d4"
OTHER = "pat-11aa22bb33"
TRACES = (GONE, "8001234567", "ZUBERBUHLER", "+33612345699", "obs-gone", "enc-gone", "grp-gone", "doc-gone", "old-gone")
"""What no byte may hold after the erasure; `…-gone` begins the ids of the patient's resources and of mentions."""


def patient(name: str, *, day: int = 1, family: str = "", ipp: str = "", phone: str = "") -> Resource:
    return {
        "resourceType": "Patient",
        "id": name,
        "meta": {"versionId": str(day), "lastUpdated": _instant(day)},
        "identifier": [{"system": "https://hospital.example/ipp", "value": ipp}],
        "name": [{"family": family, "given": ["Jean", "Aimé"]}],
        "telecom": [{"system": "phone", "value": phone}],
        "gender": "male" if day % 2 else "female",
    }


def gone_patient(day: int = 1) -> Resource:
    return patient(GONE, day=day, family="ZUBERBUHLER", ipp="8001234567", phone="+33612345699")


def other_patient(number: int = 0, day: int = 1) -> Resource:
    name = OTHER if number == 0 else f"pat-other-{number:04d}"
    return patient(name, day=day, family="MARTIN", ipp=f"80099{number:05d}", phone=f"+3360000{number:04d}")


def observation(name: str, of: str, day: int = 1, value: str = "1.10", **members: Any) -> str:
    """A line whose number keeps its digits."""
    resource = {
        "resourceType": "Observation",
        "id": name,
        "meta": {"versionId": str(day), "lastUpdated": _instant(day)},
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "2345-7"}]},
        "subject": {"reference": f"Patient/{of}"},
        "effectiveDateTime": "2026-01-01T08:00:00+01:00",
        "valueQuantity": {"value": 0, "unit": "g/L"},
        **members,
    }
    return json.dumps(resource, ensure_ascii=False).replace('"value": 0', f'"value": {value}')


def encounter(name: str, of: str) -> Resource:
    return {
        "resourceType": "Encounter",
        "id": name,
        "meta": {"lastUpdated": _instant(1)},
        "status": "finished",
        "class": {"code": "IMP"},
        "subject": {"reference": f"Patient/{of}"},
    }


def group(name: str, *members: str) -> Resource:
    return {
        "resourceType": "Group",
        "id": name,
        "meta": {"lastUpdated": _instant(1)},
        "type": "person",
        "actual": True,
        "member": [{"entity": {"reference": f"Patient/{member}"}} for member in members],
    }


def _instant(day: int) -> str:
    return f"2026-01-{day:02d}T00:00:00Z"


def gone_lines() -> list[Resource | str]:
    """The patient's compartment, and a list that names a resource of it."""
    mention = {"resourceType": "List", "id": "lst-gone-1", "status": "current", "mode": "working"}
    mention["entry"] = [{"item": {"reference": "Observation/obs-gone-1"}}]  # type: ignore[assignment]
    return [
        gone_patient(),
        *(observation(f"obs-gone-{number}", GONE) for number in range(5)),
        encounter("enc-gone-1", GONE),
        mention,
    ]


def other_lines(patients: int = 6) -> list[Resource | str]:
    """Others, with oddities that must come back as they are."""
    found: list[Resource | str] = [{"resourceType": "Organization", "id": "org-1", "name": "CHU"}]
    for number in range(patients):
        one = other_patient(number)
        odd = {"note": [{"text": f"né à Évian {number}"}], "unknownMember": {"x": [1, 2.50]}}
        found += [
            one,
            encounter(f"enc-{number}", one["id"]),
            observation(f"obs-{number}", one["id"], value="1.500", **odd),
        ]
    return found


def reject(of: str, name: str = "obs-gone-bad") -> str:
    """A line that cannot be a resource and names a patient."""
    return f'{{"resourceType":"Observation","id":"{name}","subject":{{"reference":"Patient/{of}"}}'


def traces(files: Iterable[tuple[str, bytes]], words: Iterable[str] = TRACES, patient: str = GONE) -> list[str]:
    """The names of the files that hold a word, or the number of the patient, after everything was decoded."""
    sought = [word.encode() for word in words]
    digest = hashlib.md5(f"lacustre:patient:v1|default|{patient}".encode()).digest()
    number = int.from_bytes(digest[:8], "big", signed=True)
    sought += [str(number).encode(), digest[:8], digest[:8][::-1]]
    return [name for name, data in files if any(word in form for word in sought for form in _forms(name, data))]


def _forms(name: str, data: bytes) -> Iterator[bytes]:
    yield name.encode()
    yield data
    if name.endswith(".gz"):
        yield gzip.decompress(data)
    if name.endswith(".parquet"):
        for row in pq.read_table(io.BytesIO(data)).to_pylist():
            yield repr(row).encode()


def files_below(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(folder)), path.read_bytes()


def without(content: Mapping[tuple[str, str], Any]) -> dict[tuple[str, str], Any]:
    """The resources that are to be left of a lake."""
    return {key: resource for key, resource in content.items() if key[1] != GONE and "gone" not in key[1]}
