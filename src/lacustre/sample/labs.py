"""The laboratory tests and vital signs of the sample: LOINC, UCUM, reference ranges, limits."""

from __future__ import annotations

from dataclasses import dataclass

from lacustre.sample.people import Sex


@dataclass(frozen=True, slots=True)
class Lab:
    """A measurement in `ucum` units.

    `female` and `male` are reference ranges (low, high); `floor` and `ceiling` bound what is reported;
    `noise` is the spread of repeated measurements; `decimals` is the precision that the laboratory prints,
    trailing zeros included; below `quantified`, the result reads `< quantified`.
    """

    key: str
    loinc: str
    display: str
    unit: str
    ucum: str
    decimals: int
    female: tuple[float, float]
    male: tuple[float, float]
    floor: float
    ceiling: float
    noise: float
    quantified: float = 0.0

    def normal(self, sex: Sex) -> tuple[float, float]:
        return self.female if sex == "female" else self.male


def _lab(
    key: str,
    loinc: str,
    display: str,
    units: tuple[str, str],
    *,
    decimals: int,
    normal: tuple[float, float],
    limits: tuple[float, float],
    noise: float,
    quantified: float = 0.0,
    male: tuple[float, float] | None = None,
) -> Lab:
    return Lab(
        key,
        loinc,
        display,
        *units,
        decimals,
        normal,
        male or normal,
        *limits,
        noise=noise,
        quantified=quantified,
    )


_LABS: tuple[Lab, ...] = (
    _lab("creatinine", "14682-9", "Créatinine [moles/volume] sérum ou plasma", ("µmol/L", "umol/L"),
         decimals=0, normal=(45, 84), male=(59, 104), limits=(25, 900), noise=5),
    _lab("sodium", "2951-2", "Sodium [moles/volume] sérum ou plasma", ("mmol/L", "mmol/L"),
         decimals=0, normal=(136, 145), limits=(112, 160), noise=1.5),
    _lab("potassium", "2823-3", "Potassium [moles/volume] sérum ou plasma", ("mmol/L", "mmol/L"),
         decimals=2, normal=(3.5, 5.1), limits=(2.4, 7.2), noise=0.2),
    _lab("crp", "1988-5", "Protéine C réactive [masse/volume] sérum ou plasma", ("mg/L", "mg/L"),
         decimals=1, normal=(0, 5), limits=(0, 480), noise=3, quantified=3.0),
    _lab("haemoglobin", "718-7", "Hémoglobine [masse/volume] sang", ("g/dL", "g/dL"),
         decimals=1, normal=(12, 16), male=(13, 17), limits=(5.2, 19.5), noise=0.3),
    _lab("leucocytes", "6690-2", "Leucocytes [nombre/volume] sang", ("10*9/L", "10*9/L"),
         decimals=2, normal=(4, 10), limits=(0.6, 38), noise=0.7),
    _lab("platelets", "777-3", "Plaquettes [nombre/volume] sang", ("10*9/L", "10*9/L"),
         decimals=0, normal=(150, 400), limits=(20, 900), noise=15),
    _lab("hba1c", "4548-4", "Hémoglobine A1c/hémoglobine totale sang", ("%", "%"),
         decimals=1, normal=(4, 6), limits=(4, 14.5), noise=0.2),
    _lab("glucose", "14749-6", "Glucose [moles/volume] sérum ou plasma", ("mmol/L", "mmol/L"),
         decimals=2, normal=(3.9, 6.1), limits=(2, 34), noise=0.5),
    _lab("ntprobnp", "33762-6", "NT-proBNP [masse/volume] sérum ou plasma", ("ng/L", "ng/L"),
         decimals=0, normal=(0, 300), limits=(20, 35000), noise=40),
    _lab("troponin", "67151-1", "Troponine T hypersensible [masse/volume] sérum ou plasma", ("ng/L", "ng/L"),
         decimals=0, normal=(0, 14), limits=(3, 9000), noise=2),
)  # fmt: skip

_VITALS: tuple[Lab, ...] = (
    _lab("systolic", "8480-6", "Pression artérielle systolique", ("mmHg", "mm[Hg]"),
         decimals=0, normal=(100, 140), limits=(65, 235), noise=6),
    _lab("diastolic", "8462-4", "Pression artérielle diastolique", ("mmHg", "mm[Hg]"),
         decimals=0, normal=(60, 90), limits=(30, 130), noise=5),
    _lab("pulse", "8867-4", "Fréquence cardiaque", ("/min", "/min"),
         decimals=0, normal=(60, 100), limits=(35, 185), noise=5),
    _lab("temperature", "8310-5", "Température corporelle", ("°C", "Cel"),
         decimals=1, normal=(36, 37.8), limits=(34.0, 41.0), noise=0.2),
    _lab("saturation", "59408-5", "Saturation en oxygène par oxymétrie de pouls", ("%", "%"),
         decimals=0, normal=(95, 100), limits=(70, 100), noise=1),
    _lab("weight", "29463-7", "Poids corporel", ("kg", "kg"),
         decimals=1, normal=(50, 80), male=(60, 95), limits=(1.8, 190), noise=0.4),
)  # fmt: skip

LABS: dict[str, Lab] = {lab.key: lab for lab in _LABS}
VITALS: dict[str, Lab] = {vital.key: vital for vital in _VITALS}

CORE_PANEL: tuple[str, ...] = (
    "creatinine", "sodium", "potassium", "crp", "haemoglobin", "leucocytes", "platelets",
)  # fmt: skip
