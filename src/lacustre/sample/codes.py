"""Code systems and codes of the sample: CIM-10, CCAM, admission and discharge."""

from __future__ import annotations

from typing import Final

ICD10: Final = "http://hl7.org/fhir/sid/icd-10"
LOINC: Final = "http://loinc.org"
UCUM: Final = "http://unitsofmeasure.org"
SNOMED: Final = "http://snomed.info/sct"
ATC: Final = "http://www.whocc.no/atc"
CIP: Final = "urn:oid:1.2.250.1.213.2.3.1"
CCAM: Final = "https://smt.esante.gouv.fr/terminologie-ccam"
EDQM: Final = "http://standardterms.edqm.eu"
HL7: Final = "http://terminology.hl7.org/CodeSystem/"
V2_IDENTIFIER: Final = HL7 + "v2-0203"
FR_IDENTIFIER: Final = "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0203"
FR_STRUCTURE: Final = "https://hl7.fr/ig/fhir/core/StructureDefinition/"
COMMUNES: Final = "https://mos.esante.gouv.fr/NOS/TRE_R13-CommuneOM/FHIR/TRE-R13-CommuneOM"
INS_NIR_TEST: Final = "urn:oid:1.2.250.1.213.1.4.10"
RPPS: Final = "https://rpps.esante.gouv.fr"
FINESS: Final = "https://finess.esante.gouv.fr"
DATA_ABSENT_REASON: Final = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"

DIAGNOSES: dict[str, str] = {
    "A09.9": "Gastroentérites et colites d'origine non précisée",
    "A41.9": "Sepsis, sans précision",
    "C18.9": "Tumeur maligne du côlon, sans précision",
    "C34.9": "Tumeur maligne de bronche ou du poumon, sans précision",
    "C50.9": "Tumeur maligne du sein, sans précision",
    "D64.9": "Anémie, sans précision",
    "E11.6": "Diabète sucré de type 2, avec autres complications précisées",
    "E11.9": "Diabète sucré de type 2, sans complication",
    "E78.0": "Hypercholestérolémie essentielle",
    "E87.1": "Hypoosmolarité et hyponatrémie",
    "F32.9": "Épisode dépressif, sans précision",
    "G30.9": "Maladie d'Alzheimer, sans précision",
    "H25.9": "Cataracte sénile, sans précision",
    "I10": "Hypertension essentielle (primitive)",
    "I21.9": "Infarctus aigu du myocarde, sans précision",
    "I25.1": "Cardiopathie artérioscléreuse",
    "I48.9": "Fibrillation auriculaire et flutter auriculaire, sans précision",
    "I50.0": "Insuffisance cardiaque congestive",
    "I50.9": "Insuffisance cardiaque, sans précision",
    "I63.9": "Infarctus cérébral, sans précision",
    "J18.9": "Pneumopathie, sans précision",
    "J21.9": "Bronchiolite aiguë, sans précision",
    "J44.1": "Maladie pulmonaire obstructive chronique avec épisodes aigus, sans précision",
    "J44.9": "Maladie pulmonaire obstructive chronique, sans précision",
    "J45.9": "Asthme, sans précision",
    "K35.8": "Appendicite aiguë, autres et sans précision",
    "K80.0": "Calcul de la vésicule biliaire avec cholécystite aiguë",
    "K92.2": "Hémorragie gastro-intestinale, sans précision",
    "M16.1": "Autres coxarthroses primaires",
    "M17.1": "Autres gonarthroses primaires",
    "N10": "Néphrite tubulo-interstitielle aiguë",
    "N17.9": "Insuffisance rénale aiguë, sans précision",
    "N18.3": "Maladie rénale chronique, stade 3",
    "N18.4": "Maladie rénale chronique, stade 4",
    "O80.0": "Accouchement spontané par présentation du sommet",
    "R07.4": "Douleur thoracique, sans précision",
    "R29.6": "Tendance à tomber, non classée ailleurs",
    "R55": "Syncope et collapsus",
    "S06.0": "Commotion cérébrale",
    "S61.0": "Plaie ouverte d'un (des) doigt(s), sans lésion de l'ongle",
    "S72.0": "Fracture du col du fémur",
    "S93.4": "Entorse et foulure de la cheville",
    "Z09.8": "Examen de contrôle après d'autres traitements pour d'autres affections",
    "Z38.0": "Enfant unique, né à l'hôpital",
    "Z51.1": "Séance de chimiothérapie pour tumeur",
}

PROCEDURES: dict[str, str] = {
    "ACQK001": "Scanographie du crâne et de son contenu, sans injection de produit de contraste",
    "BFGA004": "Extraction extracapsulaire du cristallin par phakoémulsification, avec implantation de"
    " cristallin artificiel dans la chambre postérieure de l'œil",
    "DDAF006": "Dilatation intraluminale d'un vaisseau coronaire avec pose d'endoprothèse, par voie"
    " artérielle transcutanée",
    "DEQP003": "Électrocardiographie sur au moins 12 dérivations",
    "DZQM006": "Échographie-doppler transthoracique du cœur et des vaisseaux intrathoraciques",
    "FELF011": "Transfusion de concentré de globules rouges d'un volume inférieur à une demimasse sanguine",
    "HEQE002": "Endoscopie œso-gastro-duodénale",
    "HHFA016": "Appendicectomie, par cœlioscopie ou par laparotomie avec préparation par cœlioscopie",
    "HMFC004": "Cholécystectomie, par cœlioscopie",
    "JQGD010": "Accouchement céphalique unique par voie naturelle, chez une primipare",
    "JVJF004": "Épuration extrarénale par hémodialyse pour insuffisance rénale chronique",
    "NBCA010": "Ostéosynthèse de fracture du col fémoral par vis ou broches, à foyer ouvert",
    "NEKA020": "Remplacement de l'articulation coxofémorale par prothèse totale",
    "NFKA007": "Remplacement de l'articulation du genou par prothèse tricompartimentaire",
    "ZBQK002": "Radiographie du thorax",
}

ADMIT_SOURCES: dict[str, str] = {
    "born": "Né dans l'établissement",
    "emd": "Urgences",
    "gp": "Adressé par le médecin traitant",
    "hosp-trans": "Transfert d'un autre établissement",
    "nursing": "Établissement d'hébergement",
    "outp": "Consultation externe",
}

DISPOSITIONS: dict[str, str] = {
    "aadvice": "Sortie contre avis médical",
    "exp": "Décès",
    "home": "Retour au domicile",
    "other-hcf": "Transfert vers un autre établissement",
    "rehab": "Soins médicaux et de réadaptation",
    "snf": "Établissement d'hébergement pour personnes âgées dépendantes",
}

PRIORITIES: dict[str, str] = {"EL": "programmé", "EM": "urgence vitale", "UR": "urgent"}

CLASSES: dict[str, str] = {
    "AMB": "consultation externe",
    "EMER": "passage aux urgences",
    "IMP": "hospitalisation complète",
    "SS": "hospitalisation de jour",
}

ALLERGIES: tuple[tuple[str, str, str, str], ...] = (
    # SNOMED CT code, French label, category, criticality
    ("91936005", "Allergie à la pénicilline", "medication", "high"),
    ("293586001", "Allergie à l'aspirine", "medication", "low"),
    ("91935009", "Allergie à l'arachide", "food", "high"),
    ("300913006", "Allergie aux fruits de mer", "food", "low"),
    ("419474003", "Allergie aux moisissures", "environment", "low"),
    ("1003755004", "Allergie au latex", "environment", "high"),
)

VACCINES: tuple[tuple[str, str], ...] = (
    ("J07BB02", "Vaccin grippal inactivé"),
    ("J07AL02", "Vaccin pneumococcique conjugué"),
    ("J07BN01", "Vaccin contre la COVID-19 à ARN messager"),
    ("J07CA02", "Vaccin diphtérie, tétanos, poliomyélite, coqueluche"),
)
