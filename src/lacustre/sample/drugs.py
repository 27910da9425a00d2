"""The drugs of the sample: ATC codes with French names, usual doses, routes (EDQM) and frequencies."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Drug:
    """A drug as the hospital prescribes it; `dose` is the lexeme of the number given `per_day` times a day.

    `cip` is the CIP13 of a French package, only where it is known for sure.
    """

    atc: str
    name: str
    dose: str
    unit: str
    ucum: str
    route: str
    per_day: int
    cip: str | None = None


ROUTES: dict[str, tuple[str, str]] = {
    "oral": ("20053000", "Voie orale"),
    "iv": ("20045000", "Voie intraveineuse"),
    "sc": ("20066000", "Voie sous-cutanée"),
    "inhaled": ("20020000", "Voie inhalée"),
}

_DRUGS: tuple[Drug, ...] = (
    Drug("A02BC05", "Ésoméprazole 40 mg, gélule", "40", "mg", "mg", "oral", 1),
    Drug("A10AE04", "Insuline glargine 100 UI/mL", "18", "UI", "[iU]", "sc", 1),
    Drug("A10BA02", "Metformine 1000 mg, comprimé", "1000", "mg", "mg", "oral", 2),
    Drug("B01AB05", "Énoxaparine 4000 UI, seringue préremplie", "4000", "UI", "[iU]", "sc", 1),
    Drug("B01AC06", "Acide acétylsalicylique 75 mg, poudre", "75", "mg", "mg", "oral", 1),
    Drug("B01AF02", "Apixaban 5 mg, comprimé", "5.0", "mg", "mg", "oral", 2),
    Drug("B05XA03", "Chlorure de sodium 0,9 %, poche", "1.00", "L", "L", "iv", 1),
    Drug("C03CA01", "Furosémide 40 mg, comprimé", "40", "mg", "mg", "oral", 1),
    Drug("C07AB07", "Bisoprolol 2,5 mg, comprimé", "2.50", "mg", "mg", "oral", 1),
    Drug("C08CA01", "Amlodipine 5 mg, gélule", "5", "mg", "mg", "oral", 1),
    Drug("C09AA05", "Ramipril 5 mg, comprimé", "5", "mg", "mg", "oral", 1),
    Drug("C10AA05", "Atorvastatine 40 mg, comprimé", "40", "mg", "mg", "oral", 1),
    Drug("H02AB06", "Prednisolone 20 mg, comprimé", "40", "mg", "mg", "oral", 1),
    Drug("J01CR02", "Amoxicilline et acide clavulanique 1 g", "1.00", "g", "g", "iv", 3),
    Drug("J01DD04", "Ceftriaxone 1 g, poudre injectable", "1", "g", "g", "iv", 1),
    Drug("L01CD01", "Paclitaxel, solution à diluer", "120.5", "mg", "mg", "iv", 1),
    Drug("N02AA01", "Morphine 10 mg, gélule", "10", "mg", "mg", "oral", 2),
    Drug("N02BE01", "Paracétamol 1000 mg, comprimé", "1", "g", "g", "oral", 3, cip="3400935955838"),
    Drug("N06AB06", "Sertraline 50 mg, gélule", "50", "mg", "mg", "oral", 1),
    Drug("N06DA02", "Donépézil 10 mg, comprimé", "10", "mg", "mg", "oral", 1),
    Drug("R03AC02", "Salbutamol 5 mg/2,5 mL, nébulisation", "5", "mg", "mg", "inhaled", 4),
    Drug("R03BB04", "Tiotropium 18 µg, poudre pour inhalation", "18", "µg", "ug", "inhaled", 1),
)

DRUGS: dict[str, Drug] = {drug.atc: drug for drug in _DRUGS}
