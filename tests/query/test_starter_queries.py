"""The starter queries over the sample, against the same questions asked of its files in plain Python."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from lacustre import Lake
from lacustre.query.annotations import write_annotated_sql
from lacustre.query.library_files import default_queries, read_query_folder, starter_queries
from lacustre.query.library_json import library_json, parse_library
from lacustre.query.statement import read_statement
from lacustre.sample import SampleExport, generate_sample
from lacustre.views.catalog import find_views, starter_views
from lacustre.views.types import Typing

FOLDER = starter_queries()


def resources(export: SampleExport, kind: str) -> list[dict[str, Any]]:
    """The latest version of each resource of a type."""
    latest: dict[str, dict[str, Any]] = {}
    for line in _lines(export.folder):
        resource = json.loads(line)
        if resource["resourceType"] == kind:
            other = latest.get(resource["id"])
            if other is None or other["meta"]["lastUpdated"] <= resource["meta"]["lastUpdated"]:
                latest[resource["id"]] = resource
    return list(latest.values())


def _lines(folder: Path) -> Iterator[bytes]:
    for path in sorted(folder.rglob("*.ndjson*")):
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        yield from (line for line in data.splitlines() if line.startswith(b'{"'))


def day(text: str | None) -> date | None:
    return date.fromisoformat(text[:10]) if text and len(text) >= 10 else None


def age_group(born: date | None, on: date) -> str:
    if born is None:
        return "unknown"
    age = on.year - born.year - ((on.month, on.day) < (born.month, born.day))
    return next(
        (name for end, name in ((18, "00-17"), (65, "18-64"), (75, "65-74"), (85, "75-84")) if age < end), "85+"
    )


def patient_of(resource: dict[str, Any]) -> str | None:
    return resource.get("subject", {}).get("reference", "").removeprefix("Patient/") or None


def test_stays_by_age_group(sample_lake: Lake, sample_export: SampleExport) -> None:
    first, last = date(2024, 1, 1), date(2024, 12, 31)
    births = {patient["id"]: day(patient.get("birthDate")) for patient in resources(sample_export, "Patient")}
    stays: dict[str, list[tuple[str | None, int]]] = defaultdict(list)
    for encounter in resources(sample_export, "Encounter"):
        if encounter["class"]["code"] != "IMP" or encounter["status"] != "finished":
            continue
        admitted, discharged = (day(encounter["period"].get(end)) for end in ("start", "end"))
        if admitted and discharged and first <= admitted <= last:
            who = patient_of(encounter)
            stays[age_group(births.get(who or ""), admitted)].append((who, (discharged - admitted).days))
    expected = [
        (group, len(found), len({who for who, _ in found}), round(sum(days for _, days in found) / len(found), 1))
        for group, found in sorted(stays.items())
    ]
    relation = sample_lake.query("stays_by_age_group", FOLDER, from_date=first, to_date="2024-12-31")
    assert relation.fetchall() == expected
    assert sum(row[1] for row in expected) > 100


@pytest.mark.parametrize("above", ["0", "7.0", "8"])
def test_last_hba1c_by_patient(sample_lake: Lake, sample_export: SampleExport, above: str) -> None:
    before = datetime.fromisoformat("2025-07-01T00:00:00+02:00")
    last: dict[str | None, tuple[datetime, str, Decimal]] = {}
    for observation in resources(sample_export, "Observation"):
        value = observation.get("valueQuantity", {})
        codes = {(coding.get("system"), coding.get("code")) for coding in observation["code"].get("coding", ())}
        sampled = observation.get("effectiveDateTime", "")
        if (
            not codes & {("http://loinc.org", "4548-4"), ("http://loinc.org", "17856-6")}
            or observation["status"] not in ("final", "amended", "corrected")
            or value.get("code") != "%"
            or "comparator" in value
            or "value" not in value
            or len(sampled) < 10
        ):
            continue
        at = datetime.fromisoformat(sampled)
        found = (at, observation["id"], Decimal(str(value["value"])))
        who = patient_of(observation)
        if at < before and (who not in last or (found[0], last[who][1]) > (last[who][0], found[1])):
            last[who] = found
    expected = sorted((-value, who, at) for who, (at, _, value) in last.items() if value > Decimal(above))
    relation = sample_lake.query("last_hba1c_by_patient", FOLDER, before=before, above=above)
    assert relation.fetchall() == [(who, at, -value) for value, who, at in expected]
    assert len(expected) >= 5


def test_the_view_that_queries_are_made_of(sample_lake: Lake, sample_export: SampleExport) -> None:
    rows = sample_lake.query("inpatient_stays", FOLDER).fetchall()
    finished = [
        each
        for each in resources(sample_export, "Encounter")
        if each["class"]["code"] == "IMP" and each["status"] == "finished"
    ]
    assert {row[0] for row in rows} == {each["id"] for each in finished}
    assert len(rows) == len(finished)


def test_the_answers_do_not_hang_on_the_types_of_the_views(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake")
    lake.load(generate_sample(tmp_path / "export", patients=100).folder)
    used = ("encounter", "observation", "observation_code", "patient")
    answers = []
    for typing in (Typing(), Typing("native"), Typing("native", "start")):
        lake.build_views(*used, definitions=starter_views(), typing=typing)
        days = {"from_date": date(2023, 1, 1), "to_date": date(2025, 12, 31)}
        above = {"before": "2026-01-01T00:00:00+01:00", "above": 5}
        answers.append(
            (
                lake.query("stays_by_age_group", FOLDER, **days).fetchall(),
                lake.query("last_hba1c_by_patient", FOLDER, **above).fetchall(),
            )
        )
    assert all(map(len, answers[0]))
    assert answers[0] == answers[1]
    assert answers[0][1] == answers[2][1], "a birth of a year or month alone has an age then, a result no other place"


def test_every_starter_query_is_whole() -> None:
    folder = read_query_folder(FOLDER)
    assert folder.faulty == {}
    assert len(folder.libraries) >= 3
    assert {library.kind for library in folder.libraries} == {"sql-query", "sql-view"}
    views = {f"https://lacustre.health/ViewDefinition/{name}" for name in find_views(starter_views())}
    known = views | {library.url for library in folder.libraries}
    known |= {resource["url"] for resource in folder.terminology}
    for library in folder.libraries:
        read_statement(library)
        assert {each.canonical.url for each in library.dependencies} <= known
        assert Path(library.source).stem == library.name
        text = Path(library.source).read_text().strip()
        assert parse_library(library_json(library), library.source) == library
        assert write_annotated_sql(library, library.variants[0]).library.variants[0].sql == text


def test_the_folder_of_queries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert default_queries() == FOLDER
    (tmp_path / "queries").mkdir()
    assert default_queries() == Path("queries")
