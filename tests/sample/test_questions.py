"""The demo's answers, against the same answers computed here, without SQL, from the NDJSON of the sample.

`sample_lake` is a lake into which `sample_export` was loaded and whose starter views are built; its
`sql(text)` returns a DuckDB relation.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median
from typing import Any, Protocol

import pytest

from lacustre.sample.questions import COHORT, LAB_TREND, QUESTIONS, READMISSION, TRAINING_TABLE

Resource = dict[str, Any]
Latest = dict[str, dict[str, Resource]]
Row = dict[str, Any]

ICD10 = "http://hl7.org/fhir/sid/icd-10"
DIABETES = ("E10", "E11", "E12", "E13", "E14")
RELEASED = {"final", "amended", "corrected"}
MONTH = timedelta(days=30)


class Relation(Protocol):
    columns: list[str]

    def fetchall(self) -> list[tuple[Any, ...]]: ...


class SampleLake(Protocol):
    def sql(self, text: str) -> Relation: ...


def answer(lake: SampleLake, sql: str) -> list[Row]:
    relation = lake.sql(sql)
    names = list(relation.columns)
    return [dict(zip(names, row, strict=True)) for row in relation.fetchall()]


def key_of(resource: Resource, member: str = "subject") -> str:
    return str(resource[member]["reference"]).split("/")[1]


def code_of(resource: Resource, member: str) -> str | None:
    codings = resource.get(member, {}).get("coding", [])
    return codings[0]["code"] if codings else None


def day_of(text: str | None) -> date | None:
    """The calendar day of a full date or time; None for partial ones."""
    return date.fromisoformat(text[:10]) if text and len(text) >= 10 else None


def born_on(patient: Resource) -> date | None:
    text = patient.get("birthDate")
    return date.fromisoformat(text + "-01-01"[len(text) - 4 :]) if text else None


def age_on(patient: Resource, day: date) -> int | None:
    born = born_on(patient)
    if born is None:
        return None
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


def band_of(age: int | None) -> str:
    if age is None:
        return "unknown"
    bands = ((18, "00-17"), (45, "18-44"), (65, "45-64"), (75, "65-74"), (85, "75-84"))
    return next((name for limit, name in bands if age < limit), "85+")


def asserted_codes(latest: Latest) -> list[tuple[Resource, str]]:
    return [
        (condition, coding["code"])
        for condition in latest["Condition"].values()
        if code_of(condition, "verificationStatus") not in ("refuted", "entered-in-error")
        for coding in condition["code"].get("coding", [])
        if coding["system"] == ICD10
    ]


def test_the_cohort_by_age_and_sex(sample_lake: SampleLake, latest: Latest) -> None:
    diabetes = {key_of(c) for c, code in asserted_codes(latest) if code[:3] in DIABETES}
    heart_failure = {key_of(c) for c, code in asserted_codes(latest) if code.startswith("I50")}
    expected: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for key, patient in latest["Patient"].items():
        alive = "deceasedDateTime" not in patient and not patient.get("deceasedBoolean", False)
        if alive and key in diabetes | heart_failure:
            counts = expected[band_of(age_on(patient, date(2025, 12, 31))), patient.get("gender", "unknown")]
            one, two = key in diabetes, key in heart_failure
            for n, holds in enumerate((True, one, two, one and two)):
                counts[n] += holds
    found = {
        (row["age_band"], row["sex"]): [
            row["patients"], row["with_diabetes"], row["with_heart_failure"], row["with_both"]
        ]
        for row in answer(sample_lake, COHORT.sql)
    }  # fmt: skip
    assert found == dict(expected)


def loinc_of(observation: Resource) -> str | None:
    codings = observation["code"].get("coding", [])
    return next((c["code"] for c in codings if c["system"] == "http://loinc.org"), None)


def test_the_trend_of_hba1c(sample_lake: SampleLake, latest: Latest) -> None:
    last: dict[tuple[str, str], tuple[datetime, float]] = {}
    for observation in latest["Observation"].values():
        quantity = observation.get("valueQuantity", {})
        if loinc_of(observation) != "4548-4" or observation["status"] not in RELEASED:
            continue
        if quantity.get("code") != "%" or "comparator" in quantity:
            continue
        at = datetime.fromisoformat(observation["effectiveDateTime"])
        quarter = f"{at.year} Q{(at.month + 2) // 3}"
        before = last.get((quarter, key_of(observation)))
        if before is None or at > before[0]:
            last[quarter, key_of(observation)] = (at, float(quantity["value"]))
    quarters: dict[str, list[float]] = defaultdict(list)
    for (quarter, _), (_, value) in last.items():
        quarters[quarter].append(value)
    rows = answer(sample_lake, LAB_TREND.sql)
    assert [row["quarter"] for row in rows] == sorted(quarters)
    for row in rows:
        values = quarters[row["quarter"]]
        assert row["patients"] == len(values)
        assert row["median_hba1c"] == pytest.approx(median(values), abs=0.0051)
        share = 100 * sum(value > 8 for value in values) / len(values)
        assert row["percent_above_8"] == pytest.approx(share, abs=0.051)


@dataclass(frozen=True)
class Stay:
    key: str
    patient: str
    encounter: Resource
    admitted: date | None
    discharged: date | None

    def coded(self, member: str) -> str | None:
        return code_of(self.encounter.get("hospitalization", {}), member)

    @property
    def unplanned(self) -> bool:
        return code_of(self.encounter, "priority") != "EL"


def inpatient_stays(latest: Latest) -> list[Stay]:
    return [
        Stay(key, key_of(e), e, day_of(e["period"]["start"]), day_of(e["period"].get("end")))
        for key, e in latest["Encounter"].items()
        if e["class"]["code"] == "IMP" and e["status"] in ("finished", "in-progress")
    ]


def index_stays(stays: list[Stay]) -> list[Stay]:
    last_day = max(day for stay in stays for day in (stay.admitted, stay.discharged) if day)
    return [
        stay
        for stay in stays
        if stay.encounter["status"] == "finished"
        and stay.discharged is not None
        and stay.discharged <= last_day - MONTH
        and stay.coded("dischargeDisposition") not in ("exp", "other-hcf")
        and stay.coded("admitSource") != "born"
    ]


def readmitted_keys(stays: list[Stay]) -> set[str]:
    comings: dict[str, list[date]] = defaultdict(list)
    for stay in stays:
        if stay.admitted and stay.unplanned and stay.coded("admitSource") != "hosp-trans":
            comings[stay.patient].append(stay.admitted)
    return {
        stay.key
        for stay in index_stays(stays)
        if stay.discharged and any(1 <= (day - stay.discharged).days <= 30 for day in comings[stay.patient])
    }


def test_readmissions_by_age(sample_lake: SampleLake, latest: Latest) -> None:
    stays = inpatient_stays(latest)
    readmitted = readmitted_keys(stays)
    expected: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for stay in index_stays(stays):
        age = None if stay.admitted is None else age_on(latest["Patient"][stay.patient], stay.admitted)
        for band in (band_of(age), "all"):
            expected[band][0] += 1
            expected[band][1] += stay.key in readmitted
    rows = answer(sample_lake, READMISSION.sql)
    assert {row["age_band"]: [row["index_stays"], row["readmitted"]] for row in rows} == dict(expected)
    assert rows[-1]["age_band"] == "all"
    for row in rows:
        assert row["percent_readmitted"] == pytest.approx(100 * row["readmitted"] / row["index_stays"], abs=0.051)


def test_the_readmission_rate_is_plausible(sample_lake: SampleLake) -> None:
    total = answer(sample_lake, READMISSION.sql)[-1]
    assert 5 < total["percent_readmitted"] < 25


def last_results(latest: Latest, loinc: str) -> dict[str, list[tuple[datetime, float]]]:
    found: dict[str, list[tuple[datetime, float]]] = defaultdict(list)
    for observation in latest["Observation"].values():
        if loinc_of(observation) != loinc or observation["status"] not in RELEASED:
            continue
        if "valueQuantity" in observation:
            at = datetime.fromisoformat(observation["effectiveDateTime"])
            found[key_of(observation)].append((at, float(observation["valueQuantity"]["value"])))
    return found


def test_the_training_table_has_a_row_per_index_stay_with_its_label(sample_lake: SampleLake, latest: Latest) -> None:
    stays = inpatient_stays(latest)
    readmitted = readmitted_keys(stays)
    rows = answer(sample_lake, TRAINING_TABLE.sql)
    found = {row["encounter_id"]: row["readmitted_30d"] for row in rows}
    assert len(rows) == len(found)
    assert found == {stay.key: stay.key in readmitted for stay in index_stays(stays)}


@pytest.mark.parametrize(
    ("column", "loinc"),
    [("last_creatinine", "14682-9"), ("last_crp", "1988-5"), ("last_haemoglobin", "718-7")],
)
def test_the_training_table_takes_the_last_result_of_the_stay(
    column: str, loinc: str, sample_lake: SampleLake, latest: Latest
) -> None:
    results = last_results(latest, loinc)
    filled = 0
    for row in answer(sample_lake, TRAINING_TABLE.sql):
        period = latest["Encounter"][row["encounter_id"]]["period"]
        start, end = (datetime.fromisoformat(period[name]) for name in ("start", "end"))
        within = [(at, value) for at, value in results[row["patient_id"]] if start <= at <= end]
        assert row[column] == (max(within)[1] if within else None)
        filled += bool(within)
    assert filled > 100


def test_the_training_table_knows_nothing_from_after_the_discharge(sample_lake: SampleLake, latest: Latest) -> None:
    flags = {
        "diabetes": DIABETES, "heart_failure": ("I50",), "copd": ("J44",), "renal_disease": ("N18",),
        "atrial_fibrillation": ("I48",), "cancer": ("C",),
    }  # fmt: skip
    codes: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
    for condition, code in asserted_codes(latest):
        codes[key_of(condition)].append((datetime.fromisoformat(condition["recordedDate"]), code))
    later = 0
    for row in answer(sample_lake, TRAINING_TABLE.sql):
        end = datetime.fromisoformat(latest["Encounter"][row["encounter_id"]]["period"]["end"])
        assert row["prediction_time"] == end
        for flag, prefixes in flags.items():
            having = [at for at, code in codes[row["patient_id"]] if code.startswith(prefixes)]
            assert row[flag] == any(at <= end for at in having)
            later += bool(having) and not row[flag]
    assert later > 0, "the sample must hold diagnoses that come after a stay"


def test_the_training_table_describes_the_stay(sample_lake: SampleLake, latest: Latest) -> None:
    stays = {stay.key: stay for stay in inpatient_stays(latest)}
    for row in answer(sample_lake, TRAINING_TABLE.sql):
        stay = stays[row["encounter_id"]]
        patient = latest["Patient"][stay.patient]
        assert stay.admitted is not None
        assert stay.discharged is not None
        start = datetime.fromisoformat(stay.encounter["period"]["start"])
        before = [
            other
            for other in stays.values()
            if other.patient == stay.patient
            and other.discharged is not None
            and datetime.fromisoformat(other.encounter["period"]["end"]) < start
            and (stay.admitted - other.discharged).days <= 365
        ]
        assert row["age"] == age_on(patient, stay.admitted)
        assert row["sex"] == patient.get("gender")
        assert row["nights"] == (stay.discharged - stay.admitted).days
        assert row["through_emergency"] == (stay.coded("admitSource") == "emd")
        assert row["stays_previous_year"] == len(before)


def test_every_question_has_a_key_of_its_own() -> None:
    keys = [question.key for question in (*QUESTIONS, TRAINING_TABLE)]
    assert len(keys) == len(set(keys)) == 4
