"""The chronic diseases of the sample: frequency by age, treatment, effect on results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Disease:
    """A chronic disease.

    `prevalence` gives the probability from an age (years) on; `shifts` moves a patient's usual results, in
    the units of `labs`; `complications` raises the probability of the diseases that come with it;
    `readmission` is added to the probability of an unplanned readmission within 30 days.
    """

    key: str
    code: str
    prevalence: tuple[tuple[int, float], ...]
    drugs: tuple[str, ...] = ()
    shifts: Mapping[str, float] = field(default_factory=dict)
    complications: Mapping[str, float] = field(default_factory=dict)
    readmission: float = 0.0

    def probability(self, age: float) -> float:
        return max((p for start, p in self.prevalence if age >= start), default=0.0)


# The order matters: a disease raises the probability of those that follow it.
DISEASES: tuple[Disease, ...] = (
    Disease(
        "hypertension", "I10", ((35, 0.08), (50, 0.30), (65, 0.50), (80, 0.62)), ("C09AA05", "C08CA01"),
        {"systolic": 14, "diastolic": 6}, {"heart_failure": 0.06, "renal": 0.05, "coronary": 0.05},
    ),
    Disease(
        "diabetes", "E11.9", ((30, 0.02), (45, 0.09), (60, 0.19), (75, 0.23)), ("A10BA02", "A10AE04"),
        {"hba1c": 2.6, "glucose": 3.6}, {"renal": 0.10, "coronary": 0.08, "heart_failure": 0.05}, 0.02,
    ),
    Disease("cholesterol", "E78.0", ((40, 0.10), (60, 0.22)), ("C10AA05",), {}, {"coronary": 0.08}),
    Disease(
        "coronary", "I25.1", ((45, 0.03), (60, 0.10), (75, 0.14)), ("B01AC06", "C07AB07"), {},
        {"heart_failure": 0.18}, 0.02,
    ),
    Disease("atrial_fibrillation", "I48.9", ((55, 0.03), (70, 0.11), (82, 0.18)), ("B01AF02",), {"pulse": 9},
            {"heart_failure": 0.16}, 0.02),
    Disease(
        "renal", "N18.3", ((50, 0.02), (65, 0.07), (80, 0.13)), (),
        {"creatinine": 62, "potassium": 0.35, "haemoglobin": -1.2}, {"heart_failure": 0.10}, 0.05,
    ),
    Disease(
        "heart_failure", "I50.9", ((50, 0.01), (65, 0.06), (78, 0.13)), ("C03CA01", "C07AB07"),
        {"ntprobnp": 1450, "creatinine": 14, "sodium": -2}, {}, 0.09,
    ),
    Disease("copd", "J44.9", ((45, 0.05), (60, 0.11), (75, 0.10)), ("R03BB04",), {"saturation": -3}, {},
    0.06),
    Disease("asthma", "J45.9", ((3, 0.06), (45, 0.03)), ()),
    Disease("depression", "F32.9", ((16, 0.05), (40, 0.08)), ("N06AB06",)),
    Disease("dementia", "G30.9", ((70, 0.04), (80, 0.14)), ("N06DA02",), {}, {}, 0.02),
    Disease("breast_cancer", "C50.9", ((38, 0.02), (55, 0.04)), (), {"haemoglobin": -0.9}, {}, 0.05),
    Disease("colon_cancer", "C18.9", ((50, 0.015), (65, 0.03)), (), {"haemoglobin": -1.4}, {}, 0.05),
    Disease("lung_cancer", "C34.9", ((50, 0.012), (65, 0.022)), (), {"crp": 14, "saturation": -2}, {}, 0.07),
)  # fmt: skip

CANCERS: frozenset[str] = frozenset({"breast_cancer", "colon_cancer", "lung_cancer"})
