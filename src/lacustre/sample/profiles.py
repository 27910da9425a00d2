"""The kinds of hospital contact of the sample: who comes, for how long, with which results and acts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from lacustre.sample.people import Sex

Kind = Literal["IMP", "SS", "EMER", "AMB"]


@dataclass(frozen=True, slots=True)
class Profile:
    """A kind of contact with the hospital.

    `kind` is the encounter class (v3-ActCode); `ages` in years; `weight` is relative among the profiles
    that fit a person, multiplied by `boosts` for each of the person's diseases; `urgent` is the share of
    unplanned admissions; `nights` (shortest, longest); `mortality` the share of deaths in hospital at 75
    years; `shifts` moves results on admission, in the units of `labs`; `homecoming` the share of patients
    discharged home. `reason` and `course` are the French sentences of the notes.
    """

    key: str
    kind: Kind
    code: str
    service: str
    ages: tuple[int, int]
    weight: float
    reason: str
    course: str
    urgent: float = 1.0
    nights: tuple[int, int] = (2, 8)
    mortality: float = 0.0
    readmission: float = 0.0
    sex: Sex | None = None
    boosts: Mapping[str, float] = field(default_factory=dict)
    shifts: Mapping[str, float] = field(default_factory=dict)
    labs: tuple[str, ...] = ()
    drugs: tuple[str, ...] = ()
    procedures: tuple[str, ...] = ()
    homecoming: float = 0.86
    ghm: tuple[str, str] | None = None


MEDICAL: tuple[Profile, ...] = (
    Profile(
        "heart_failure", "IMP", "I50.0", "cardiology", (50, 105), 0.4,
        "dyspnée d'aggravation progressive avec œdèmes des membres inférieurs",
        "L'évolution est favorable sous diurétiques intraveineux, avec perte de poids et fonte des œdèmes.",
        nights=(4, 13), mortality=0.05, readmission=0.07, boosts={"heart_failure": 26,
        "atrial_fibrillation": 2},
        shifts={"ntprobnp": 5200, "creatinine": 28, "crp": 16, "sodium": -4, "saturation": -5, "pulse": 18},
        labs=("ntprobnp", "troponin"), drugs=("C03CA01", "B01AB05"), procedures=("DZQM006", "DEQP003",
        "ZBQK002"),
        homecoming=0.78, ghm=("05M09", "Insuffisances cardiaques et états de choc circulatoire"),
    ),
    Profile(
        "copd", "IMP", "J44.1", "pneumology", (45, 100), 0.2,
        "exacerbation de bronchopneumopathie avec majoration de la toux et de l'expectoration",
        "L'évolution est favorable sous aérosols, corticothérapie courte et oxygène, sevré avant la sortie.",
        nights=(4, 12), mortality=0.04, readmission=0.06, boosts={"copd": 32},
        shifts={"crp": 62, "leucocytes": 4.5, "saturation": -9, "temperature": 0.9, "pulse": 20},
        drugs=("R03AC02", "H02AB06", "J01CR02"), procedures=("ZBQK002",), homecoming=0.82,
        ghm=("04M08", "Bronchopneumopathies chroniques surinfectées"),
    ),
    Profile(
        "pneumonia", "IMP", "J18.9", "internal_medicine", (16, 105), 2.2,
        "fièvre, toux et douleur thoracique depuis quelques jours",
        "L'apyrexie est obtenue en trois jours sous antibiothérapie ; le relais oral est bien toléré.",
        nights=(4, 13), mortality=0.06, readmission=0.03, boosts={"copd": 2.5, "dementia": 2,
        "lung_cancer": 3},
        shifts={"crp": 165, "leucocytes": 7.5, "saturation": -6, "temperature": 2.0, "pulse": 22,
        "sodium": -3},
        drugs=("J01CR02", "N02BE01", "B01AB05"), procedures=("ZBQK002",), homecoming=0.80,
        ghm=("04M05", "Pneumonies et pleurésies banales, âge supérieur à 17 ans"),
    ),
    Profile(
        "stroke", "IMP", "I63.9", "neurology", (40, 105), 1.1,
        "déficit brutal de l'hémicorps droit avec trouble de la parole",
        "La récupération motrice est partielle ; la rééducation est débutée dans le service.",
        nights=(6, 16), mortality=0.09, readmission=0.01, boosts={"atrial_fibrillation": 4,
        "hypertension": 1.6},
        shifts={"systolic": 34, "diastolic": 14, "crp": 9, "glucose": 1.4},
        labs=("glucose",), drugs=("B01AC06", "C10AA05", "B01AB05"), procedures=("ACQK001", "DEQP003"),
        homecoming=0.46, ghm=("01M30", "Accidents vasculaires intracérébraux non transitoires"),
    ),
    Profile(
        "infarction", "IMP", "I21.9", "cardiology", (38, 100), 0.9,
        "douleur thoracique constrictive prolongée",
        "Les suites de l'angioplastie sont simples ; le traitement de prévention secondaire est instauré.",
        nights=(3, 8), mortality=0.05, readmission=0.03, boosts={"coronary": 4, "diabetes": 1.6},
        shifts={"troponin": 1900, "crp": 18, "leucocytes": 3, "pulse": 10, "glucose": 1.5},
        labs=("troponin", "glucose"), drugs=("B01AC06", "C07AB07", "C10AA05", "B01AB05"),
        procedures=("DDAF006", "DEQP003", "DZQM006"),
        ghm=("05K06", "Endoprothèses vasculaires avec infarctus du myocarde"),
    ),
    Profile(
        "pyelonephritis", "IMP", "N10", "internal_medicine", (16, 100), 1.1,
        "fièvre avec frissons et douleur lombaire",
        "L'évolution est favorable sous céphalosporine, adaptée ensuite à l'antibiogramme.",
        nights=(2, 7), mortality=0.01, readmission=0.02, boosts={"diabetes": 1.8},
        shifts={"crp": 130, "leucocytes": 6, "temperature": 2.1, "pulse": 20, "creatinine": 14},
        drugs=("J01DD04", "N02BE01"), ghm=("11M04",
        "Infections des reins et des voies urinaires, âge > 17 ans"),
    ),
    Profile(
        "sepsis", "IMP", "A41.9", "intensive_care", (30, 105), 0.6,
        "choc septique d'origine urinaire probable",
        "Le remplissage et l'antibiothérapie précoce stabilisent le patient, muté ensuite en médecine.",
        nights=(6, 19), mortality=0.17, readmission=0.06, boosts={"colon_cancer": 3, "lung_cancer": 3,
        "diabetes": 1.5},
        shifts={"crp": 235, "leucocytes": 12, "temperature": 1.9, "pulse": 36, "systolic": -34,
        "diastolic": -18,
                "creatinine": 95, "platelets": -90, "potassium": 0.5, "haemoglobin": -1.5},
        drugs=("J01DD04", "B05XA03", "B01AB05"), homecoming=0.66, ghm=("18M07", "Septicémies, âge > 17 ans"),
    ),
    Profile(
        "diabetes", "IMP", "E11.6", "endocrinology", (30, 95), 0.05,
        "déséquilibre du diabète avec syndrome polyuro-polydipsique",
        "L'insulinothérapie est adaptée et l'éducation thérapeutique est reprise avec l'équipe.",
        urgent=0.6, nights=(2, 7), mortality=0.005, readmission=0.03, boosts={"diabetes": 60},
        shifts={"glucose": 9.5, "hba1c": 1.3, "sodium": -3, "creatinine": 10},
        labs=("glucose", "hba1c"), drugs=("A10AE04",), ghm=("10M02", "Diabète, âge supérieur à 35 ans"),
    ),
    Profile(
        "renal", "IMP", "N17.9", "nephrology", (45, 105), 0.4,
        "altération de l'état général avec insuffisance rénale à la biologie",
        "La fonction rénale s'améliore après réhydratation et arrêt des traitements néphrotoxiques.",
        nights=(4, 12), mortality=0.06, readmission=0.06, boosts={"renal": 9, "heart_failure": 2},
        shifts={"creatinine": 240, "potassium": 1.1, "haemoglobin": -0.8, "crp": 22},
        drugs=("B05XA03",), procedures=("JVJF004",), ghm=("11M06", "Insuffisance rénale, sans dialyse"),
    ),
    Profile(
        "bleeding", "IMP", "K92.2", "internal_medicine", (35, 100), 0.7,
        "méléna et malaise",
        "L'endoscopie retrouve un ulcère duodénal ; deux concentrés de globules rouges sont transfusés.",
        nights=(3, 9), mortality=0.05, readmission=0.04, boosts={"atrial_fibrillation": 2.5,
        "colon_cancer": 3},
        shifts={"haemoglobin": -4.6, "pulse": 22, "systolic": -18},
        drugs=("A02BC05",), procedures=("HEQE002", "FELF011"),
        ghm=("06M04", "Hémorragies digestives, âge supérieur à 17 ans"),
    ),
    Profile(
        "fall", "IMP", "R29.6", "geriatrics", (75, 105), 2.0,
        "chutes répétées à domicile avec perte d'autonomie",
        "Le bilan ne retrouve pas de cause aiguë ; les aides à domicile sont renforcées.",
        nights=(6, 18), mortality=0.03, readmission=0.05, boosts={"dementia": 3},
        shifts={"crp": 14, "haemoglobin": -0.6}, drugs=("N02BE01", "B01AB05"), procedures=("ACQK001",),
        homecoming=0.52, ghm=("23M06", "Autres facteurs influant sur l'état de santé"),
    ),
    Profile(
        "bronchiolitis", "IMP", "J21.9", "paediatrics", (0, 2), 9.0,
        "difficultés respiratoires et alimentaires chez un nourrisson",
        "L'enfant est sevré de l'oxygène et s'alimente correctement.",
        nights=(1, 5), shifts={"saturation": -6, "pulse": 40, "temperature": 0.8, "crp": 8},
        homecoming=1.0, ghm=("04M18", "Bronchiolites"),
    ),
    Profile(
        "gastroenteritis", "IMP", "A09.9", "paediatrics", (0, 15), 5.0,
        "vomissements et diarrhée fébrile",
        "La réhydratation est efficace et la reprise alimentaire bien tolérée.",
        nights=(1, 3), shifts={"temperature": 1.2, "pulse": 24, "sodium": -3, "potassium": -0.4, "crp": 11},
        drugs=("N02BE01",), homecoming=1.0,
        ghm=("06M03", "Gastroentérites et maladies diverses du tube digestif, âge inférieur à 18 ans"),
    ),
)  # fmt: skip
