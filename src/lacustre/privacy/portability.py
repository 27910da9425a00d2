"""What a patient takes along: all resources of the compartment, as they were loaded (RGPD, article 20)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import orjson

from lacustre.errors import InputError
from lacustre.fhir.model import FhirModel
from lacustre.privacy.subject import mine_sql, patient_of
from lacustre.store.delta import Snapshot
from lacustre.store.export import BATCH_ROWS, Restorer
from lacustre.store.objects import storage_error
from lacustre.store.scan import connect, read_parquet
from lacustre.store.tenant import TenantStore


@dataclass(frozen=True, slots=True)
class Portability:
    """Where the resources went, and how many of each type."""

    place: Path
    counts: dict[str, int]


def export_patient(tenant: TenantStore, key: str, place: Path) -> Portability:
    """Write the compartment of `Patient/id`: one Bundle (type `collection`) to a `.json` file, else NDJSON to a folder.

    Resources in the compartments of several patients are among them. Raises InputError where the tenant has nothing
    of the patient, or the place is taken; StorageError.
    """
    patient = patient_of(key)
    if place.exists() and not (place.is_dir() and not any(place.iterdir())):
        raise InputError("place_taken", f"{place} is there already", "give a new folder or file")
    compartment = _Compartment(tenant, patient)
    try:
        counts = _write_bundle(compartment, place) if place.suffix == ".json" else _write_folder(compartment, place)
    except OSError as error:
        raise storage_error("write", str(place), error) from error
    return Portability(place, counts)


class _Compartment:
    def __init__(self, tenant: TenantStore, patient: str) -> None:
        self._tenant, self._mine = tenant, mine_sql(patient)
        self.model: FhirModel = tenant.model
        self._snapshots = {name: tenant.fhir_table(name).snapshot() for name in tenant.resource_types()}
        self.types = [name for name, snapshot in self._snapshots.items() if snapshot and self._has(snapshot)]
        if not self.types:
            raise InputError("no_such_patient", "the tenant has nothing of this patient", "is it the right tenant?")

    def _has(self, snapshot: Snapshot) -> bool:
        if not snapshot.files:
            return False
        with connect(self._tenant.store) as connection:
            query = f"SELECT 1 FROM {read_parquet(snapshot.uris)} WHERE {self._mine} LIMIT 1"
            return bool(connection.execute(query).fetchall())

    def lines(self, resource_type: str) -> Iterator[bytes]:
        """The patient's resources of a type, by id, each as one line of JSON without its line feed."""
        snapshot = self._snapshots[resource_type]
        assert snapshot is not None
        restore = Restorer(self.model, resource_type)
        with connect(self._tenant.store) as connection:
            rows = connection.sql(f"FROM {read_parquet(snapshot.uris)} WHERE {self._mine} ORDER BY id")
            for batch in rows.to_arrow_reader(BATCH_ROWS):
                yield from restore.lines(batch)


def _write_folder(compartment: _Compartment, folder: Path) -> dict[str, int]:
    folder.mkdir(parents=True, exist_ok=True)
    counts = {}
    for name in compartment.types:
        with (folder / f"{name}.ndjson").open("wb") as target:
            counts[name] = _write_lines(compartment.lines(name), target)
    return counts


def _write_lines(lines: Iterator[bytes], target: IO[bytes]) -> int:
    count = 0
    for count, line in enumerate(lines, 1):  # noqa: B007
        target.write(line + b"\n")
    return count


def _write_bundle(compartment: _Compartment, file: Path) -> dict[str, int]:
    """The resources' text goes into the Bundle as it is, so that numbers keep their digits."""
    counts = dict.fromkeys(compartment.types, 0)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as target:
        target.write(b'{"resourceType":"Bundle","type":"collection","entry":[')
        separator = b"\n"
        for name in compartment.types:
            for line in compartment.lines(name):
                target.write(separator + orjson.dumps({"resource": orjson.Fragment(line)}))
                counts[name] += 1
                separator = b",\n"
        target.write(b"\n]}\n")
    return counts
