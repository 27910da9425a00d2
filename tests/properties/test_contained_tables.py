"""After any sequence of operations the contained tables hold what Python finds in the exported resources."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lacustre import Lake
from lacustre.errors import InputError
from lacustre.store.maintain import maintain
from lacustre.store.retention import Retention
from support.contained_rows import require_in_step, stored
from support.loading import Resource, load_lines
from support.old_lakes import forget_contained

OPERATIONS = {"load": 10, "load_again": 2, "delete": 3, "maintain": 2, "erase": 1, "forget": 1}
CONTAINERS = ("MedicationRequest", "Claim", "Patient")
IDS = ("a", "A", "b.c", "1", "é", "o'k")
LOCAL_IDS = ("1", "m", "M", "x.y-z")
INNER: tuple[Resource, ...] = (
    {"resourceType": "Medication", "code": {"text": "é"}, "status": "active"},
    {"resourceType": "Medication", "ingredient": [{"isActive": True}], "zz": [None, {}]},
    {"resourceType": "Organization", "name": "CHU", "partOf": {"reference": "#m"}},
    {
        "resourceType": "Observation",
        "valueQuantity": {"value": 7, "unit": "g"},
        "contained": [{"resourceType": "List"}],
    },
)
MALFORMED = (5, None, "x", {}, [], {"id": "1"}, {"resourceType": "Medicine", "id": "1"}, {"resourceType": "List"})


class Run:
    def __init__(self, seed: int, folder: Path) -> None:
        self.choose, self.folder, self.loads = random.Random(seed), folder, 0
        self.lake = Lake.open(folder / "lake")
        self.history: dict[int, dict[tuple[str, str], Any]] = {}

    def go(self, operations: int) -> int:
        rows = 0
        for _ in range(operations):
            name = self.choose.choices([*OPERATIONS], [*OPERATIONS.values()])[0] if self.loads else "load"
            getattr(self, name)()
            rows += require_in_step(self.lake)
            record = self.lake.record()
            self.history[record.number] = stored(self.lake)
            assert record.contained == {t: v for t, v in record.tables.items() if t.startswith("fhir/")}
        self.load()
        self.look_back()
        assert self.lake.verify().sound
        return rows

    def load(self) -> None:
        self.loads += 1
        lines = [self._resource() for _ in range(self.choose.randint(1, 6))]
        load_lines(self.lake, self.folder, *lines, **({} if self.loads > 1 else {"shards": 2}))

    def load_again(self) -> None:
        number = self.choose.randrange(self.loads)
        self.lake.load(self.folder / f"load-{number:03d}.ndjson", again=True, max_rejects=1.0, processes=1)

    def delete(self) -> None:
        self.lake.delete(*(f"{self.choose.choice(CONTAINERS)}/{self.choose.choice(IDS)}" for _ in range(2)))

    def maintain(self) -> None:
        maintain(self.lake._tenant, Retention(keep_days=self.choose.choice([0, 9]), grace=timedelta(0)))

    def erase(self) -> None:
        try:
            self.lake.erase(f"Patient/{self.choose.choice(IDS)}", reason="asked for", keep_mentions=True, prove=False)
        except InputError as error:
            assert error.code == "no_such_patient"

    def forget(self) -> None:
        """As if an older Lacustre had made the lake, until the next operation that writes."""
        forget_contained(self.lake)
        self.history.clear()
        getattr(self, self.choose.choice(["load", "load_again", "delete", "maintain"]))()

    def look_back(self) -> None:
        kept_from = self.lake.record().kept_from
        for number, rows in self.history.items():
            if number >= kept_from:
                assert stored(self.lake.at(number)) == rows

    def _resource(self) -> Resource:
        kind, pick = self.choose.choice(CONTAINERS), self.choose.random
        resource: Resource = {"resourceType": kind, "id": self.choose.choice(IDS)}
        if pick() < 0.9:
            resource["meta"] = {"lastUpdated": f"20{self.choose.randint(20, 29)}-01-01T00:00:00Z"}
        if kind != "Patient":
            member = "subject" if kind == "MedicationRequest" else "patient"
            resource[member] = {"reference": f"Patient/{self.choose.choice(IDS)}"}
        if pick() < 0.8:
            resource["contained"] = [self._inner() for _ in range(self.choose.randint(0, 3))]
        return resource

    def _inner(self) -> Any:
        if self.choose.random() < 0.2:
            return self.choose.choice(MALFORMED)
        return {**self.choose.choice(INNER), "id": self.choose.choice(LOCAL_IDS)}


@pytest.mark.parametrize("seed", range(3))
def test_contained_tables_are_what_is_in_the_exported_resources(seed: int, tmp_path: Path) -> None:
    assert Run(seed, tmp_path).go(12) > 0
