"""A small local lake that has lived: loads, updates, a deletion, rejects, checkpoints, views built twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lacustre import Lake
from lacustre.store.objects import ObjectStore
from lacustre.store.tenant import TenantStore
from lacustre.tenancy import TenantId
from lacustre.views.catalog import starter_views
from support.loading import load_lines

LOADS = 12
VIEWS = ("patient", "observation")


def lived_in_lake(folder: Path) -> Lake:
    lake, source = Lake.open(folder / "lake"), folder / "source"
    for number in range(LOADS):
        people = [_patient(person, number) for person in range(number, number + 30)]
        load_lines(lake, source, *people, *_observations(number), f"not JSON {number}")
        if number == LOADS // 2:
            lake.build_views(*VIEWS, definitions=starter_views())
    lake.delete("Patient/p3", "Observation/o1-2")
    lake.maintain()
    load_lines(lake, source, *_observations(LOADS))
    for _ in range(2):
        lake.build_views(*VIEWS, definitions=starter_views())
    return lake


def tenant_of(lake: Lake) -> TenantStore:
    return TenantStore(ObjectStore(lake.uri), TenantId(lake.tenant))


def _patient(person: int, load: int) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "id": f"p{person}",
        "meta": {"lastUpdated": f"2026-01-{load + 1:02d}T08:00:00Z"},
        "birthDate": f"19{person + 10}-02-03",
        "name": [{"family": f"Name{person}", "given": [f"Given{person}", "Anne"]}],
    }


def _observations(load: int) -> list[dict[str, Any]]:
    return [
        {
            "resourceType": "Observation",
            "id": f"o{load}-{number}",
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": f"{number}-{load}"}]},
            "subject": {"reference": f"Patient/p{number}"},
            "valueQuantity": {"value": number + load / 10, "unit": "mmol/L"},
        }
        for number in range(40)
    ]
