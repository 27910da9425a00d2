"""More kinds of contact: surgery, maternity, oncology sessions, emergencies, consultations."""

from __future__ import annotations

from typing import Final

from lacustre.sample.profiles import MEDICAL, Profile

SURGICAL: Final[tuple[Profile, ...]] = (
    Profile(
        "hip_fracture", "IMP", "S72.0", "orthopaedics", (65, 105), 1.5,
        "chute mécanique avec impotence du membre inférieur gauche",
        "L'ostéosynthèse est réalisée sans incident ; le lever est autorisé au deuxième jour.",
        nights=(6, 14), mortality=0.04, readmission=0.03, boosts={"dementia": 2.5},
        shifts={"haemoglobin": -2.4, "crp": 78, "pulse": 8}, drugs=("N02AA01", "N02BE01", "B01AB05"),
        procedures=("NBCA010", "FELF011"), homecoming=0.34,
        ghm=("08C49", "Interventions sur la hanche et le fémur pour traumatismes récents"),
    ),
    Profile(
        "hip_prosthesis", "IMP", "M16.1", "orthopaedics", (48, 90), 1.4,
        "coxarthrose invalidante, pour mise en place d'une prothèse totale de hanche",
        "Les suites opératoires sont simples et la marche est reprise sous couvert de cannes.",
        urgent=0.0, nights=(3, 6), mortality=0.002, readmission=0.01,
        shifts={"haemoglobin": -1.9, "crp": 62}, drugs=("N02BE01", "B01AB05"), procedures=("NEKA020",),
        homecoming=0.74, ghm=("08C48",
        "Prothèses de hanche pour des affections autres que des traumatismes récents"),
    ),
    Profile(
        "knee_prosthesis", "IMP", "M17.1", "orthopaedics", (52, 90), 1.2,
        "gonarthrose évoluée, pour mise en place d'une prothèse de genou",
        "La rééducation est débutée le lendemain de l'intervention, avec une flexion satisfaisante.",
        urgent=0.0, nights=(3, 6), mortality=0.002, readmission=0.01,
        shifts={"haemoglobin": -1.7, "crp": 66}, drugs=("N02BE01", "B01AB05"), procedures=("NFKA007",),
        homecoming=0.7, ghm=("08C24", "Prothèses de genou"),
    ),
    Profile(
        "appendicitis", "IMP", "K35.8", "surgery", (8, 60), 1.9,
        "douleur de la fosse iliaque droite fébrile",
        "L'appendicectomie par cœlioscopie se déroule sans difficulté ; le transit reprend normalement.",
        nights=(1, 4), mortality=0.001, readmission=0.02,
        shifts={"crp": 74, "leucocytes": 6.5, "temperature": 1.1}, drugs=("J01CR02", "N02BE01"),
        procedures=("HHFA016",), homecoming=0.99, ghm=("06C09", "Appendicectomies non compliquées"),
    ),
    Profile(
        "cholecystitis", "IMP", "K80.0", "surgery", (25, 90), 1.6,
        "douleur de l'hypochondre droit avec fièvre",
        "La cholécystectomie est réalisée par cœlioscopie, avec des suites simples.",
        urgent=0.7, nights=(2, 6), mortality=0.004, readmission=0.02,
        shifts={"crp": 96, "leucocytes": 5.5, "temperature": 1.2}, drugs=("J01DD04", "N02BE01"),
        procedures=("HMFC004",), homecoming=0.96, ghm=("07C14", "Cholécystectomies"),
    ),
)  # fmt: skip

MATERNITY: Final = Profile(
    "delivery", "IMP", "O80.0", "maternity", (20, 41), 0.0,
    "mise en travail spontanée à terme",
    "L'accouchement se fait par voie basse ; les suites de couches sont physiologiques.",
    nights=(3, 5), sex="female", shifts={"haemoglobin": -1.3, "leucocytes": 4.0}, drugs=("N02BE01",),
    procedures=("JQGD010",), homecoming=1.0, ghm=("14Z13",
    "Accouchements uniques par voie basse chez une primipare"),
)  # fmt: skip

NEWBORN: Final = Profile(
    "newborn", "IMP", "Z38.0", "maternity", (0, 0), 0.0,
    "naissance à terme",
    "L'adaptation à la vie extra-utérine est bonne et l'alimentation est bien conduite.",
    urgent=0.0, homecoming=1.0, ghm=("15M05", "Nouveau-nés de 2500 g et plus"),
)  # fmt: skip

CHEMOTHERAPY: Final = Profile(
    "chemotherapy", "SS", "Z51.1", "oncology", (18, 90), 0.0,
    "séance de chimiothérapie", "La séance est bien tolérée.",
    urgent=0.0, nights=(0, 0), labs=("creatinine", "haemoglobin", "leucocytes", "platelets"),
    shifts={"leucocytes": -2.2, "haemoglobin": -0.6}, drugs=("L01CD01",), homecoming=1.0,
    ghm=("28Z07", "Chimiothérapie pour tumeur, en séances"),
)  # fmt: skip

CATARACT: Final = Profile(
    "cataract", "SS", "H25.9", "surgery", (62, 95), 2.2,
    "baisse d'acuité visuelle par cataracte",
    "L'intervention est réalisée sous anesthésie locale, sans incident.",
    urgent=0.0, nights=(0, 0), procedures=("BFGA004",), homecoming=1.0,
    ghm=("02C05", "Interventions sur le cristallin avec ou sans vitrectomie"),
)  # fmt: skip

CONTROL: Final = Profile(
    "control", "IMP", "Z09.8", "internal_medicine", (18, 105), 0.0,
    "hospitalisation programmée de surveillance après un premier séjour",
    "Le bilan programmé est satisfaisant.",
    urgent=0.0, nights=(1, 3), drugs=("B01AB05",), procedures=("DEQP003",), homecoming=0.98,
    ghm=("23M20", "Autres symptômes et motifs de recours aux soins"),
)  # fmt: skip

EMERGENCIES: Final[tuple[Profile, ...]] = tuple(
    Profile(key, "EMER", code, "emergency", ages, weight, reason, "Retour à domicile avec ordonnance.",
            nights=(0, 0), labs=labs, homecoming=1.0)
    for key, code, ages, weight, reason, labs in (
        ("chest_pain", "R07.4", (25, 100), 2.0, "douleur thoracique atypique", ("troponin", "creatinine",
        "crp")),
        ("syncope", "R55", (16, 100), 1.4, "malaise avec perte de connaissance brève", ("haemoglobin",
        "sodium")),
        ("head_injury", "S06.0", (1, 100), 1.4, "traumatisme crânien sans signe de gravité", ()),
        ("ankle", "S93.4", (10, 65), 2.0, "entorse de la cheville", ()),
        ("wound", "S61.0", (4, 80), 1.6, "plaie d'un doigt", ()),
    )
)  # fmt: skip

DIABETES_VISIT: Final = Profile(
    "diabetes_visit", "AMB", "E11.9", "endocrinology", (18, 105), 0.0,
    "suivi du diabète", "Poursuite du traitement, objectifs revus avec le patient.",
    urgent=0.0, nights=(0, 0), labs=("hba1c", "creatinine", "glucose"), homecoming=1.0,
)  # fmt: skip

CARDIOLOGY_VISIT: Final = Profile(
    "cardiology_visit", "AMB", "I50.9", "cardiology", (18, 105), 0.0,
    "suivi de l'insuffisance cardiaque", "État stable, traitement poursuivi.",
    urgent=0.0, nights=(0, 0), labs=("ntprobnp", "creatinine", "potassium"), homecoming=1.0,
)  # fmt: skip

BASE_PROFILES: Final = (*MEDICAL, *SURGICAL, CATARACT)
