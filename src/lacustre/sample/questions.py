"""The questions that the demo asks of the sample, as SQL over the starter views.

Dates are FHIR text in the views and may be partial, so each is cast with TRY_CAST, on purpose: what is not a
full date becomes NULL and drops out of the arithmetic. The calendar day of a dateTime is its first ten
characters: the day where it happened, whatever the session's time zone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Question:
    """A question in words and its answer in SQL (DuckDB), over the views in schema `main`."""

    key: str
    title: str
    question: str
    sql: str


_ICD10: Final = "http://hl7.org/fhir/sid/icd-10"

# A year or a month alone stands for its first day: an age may be up to a year too high, never missing.
_BORN: Final = """coalesce(
            TRY_CAST(birth_date AS DATE),
            TRY_CAST(birth_date || '-01' AS DATE),
            TRY_CAST(birth_date || '-01-01' AS DATE)
        )"""

_AGE_BAND: Final = """CASE
            WHEN age IS NULL THEN 'unknown'
            WHEN age < 18 THEN '00-17'
            WHEN age < 45 THEN '18-44'
            WHEN age < 65 THEN '45-64'
            WHEN age < 75 THEN '65-74'
            WHEN age < 85 THEN '75-84'
            ELSE '85+'
        END"""

# Index stays: inpatient, finished, left alive and not for another hospital, not a birth, and with thirty
# days of data after the discharge. A readmission is an unplanned inpatient stay of the same patient that
# begins 1 to 30 days after; the same day continues the stay, and a return from a transfer is not one.
_INDEX_STAYS: Final = """stay AS (
    SELECT
        id AS encounter_id,
        patient_id,
        status,
        TRY_CAST(period_start AS TIMESTAMPTZ) AS admitted_at,
        TRY_CAST(period_end AS TIMESTAMPTZ) AS discharged_at,
        TRY_CAST(left(period_start, 10) AS DATE) AS admitted_on,
        TRY_CAST(left(period_end, 10) AS DATE) AS discharged_on,
        coalesce(priority_code, 'UR') <> 'EL' AS unplanned,
        coalesce(admit_source_code, '') AS source,
        coalesce(discharge_disposition_code, '') AS disposition,
        service_type_code
    FROM encounter
    WHERE class_code = 'IMP' AND status IN ('finished', 'in-progress')
),
index_stay AS (
    SELECT *
    FROM stay
    WHERE status = 'finished'
        AND disposition NOT IN ('exp', 'other-hcf')
        AND source <> 'born'
        AND discharged_on <= (SELECT greatest(max(admitted_on), max(discharged_on)) FROM stay) - 30
),
outcome AS (
    SELECT
        i.encounter_id,
        coalesce(bool_or(n.encounter_id IS NOT NULL), false) AS readmitted_30d
    FROM index_stay i
    LEFT JOIN stay n
        ON n.patient_id = i.patient_id
        AND n.unplanned
        AND n.source <> 'hosp-trans'
        AND n.admitted_on BETWEEN i.discharged_on + 1 AND i.discharged_on + 30
    GROUP BY i.encounter_id
)"""

COHORT: Final = Question(
    key="cohort",
    title="Diabetes and heart failure by age and sex",
    question="How many living patients are known to have diabetes or heart failure, by age band and sex,"
    " at the end of 2025?",
    sql=f"""WITH diagnosed AS (
    SELECT
        patient_id,
        bool_or(code LIKE 'I50%') AS heart_failure,
        bool_or(code NOT LIKE 'I50%') AS diabetes
    FROM condition_code
    WHERE system = '{_ICD10}'
        AND (code LIKE 'I50%' OR left(code, 3) IN ('E10', 'E11', 'E12', 'E13', 'E14'))
        AND coalesce(verification_status, 'confirmed') NOT IN ('refuted', 'entered-in-error')
    GROUP BY patient_id
),
person AS (
    SELECT
        id AS patient_id,
        coalesce(gender, 'unknown') AS sex,
        date_sub('year', {_BORN}, DATE '2025-12-31') AS age
    FROM patient
    WHERE deceased IS NOT TRUE
)
SELECT
        {_AGE_BAND} AS age_band,
    sex,
    count(*) AS patients,
    count(*) FILTER (diabetes) AS with_diabetes,
    count(*) FILTER (heart_failure) AS with_heart_failure,
    count(*) FILTER (diabetes AND heart_failure) AS with_both
FROM diagnosed
JOIN person USING (patient_id)
GROUP BY ALL
ORDER BY age_band, sex
""",
)

LAB_TREND: Final = Question(
    key="lab_trend",
    title="HbA1c by quarter",
    question="How does the median HbA1c evolve by quarter, counting the last result of each patient?",
    sql="""WITH result AS (
    SELECT
        patient_id,
        id,
        TRY_CAST(effective_date_time AS TIMESTAMPTZ) AS sampled_at,
        TRY_CAST(left(effective_date_time, 10) AS DATE) AS sampled_on,
        TRY_CAST(value_quantity AS DOUBLE) AS hba1c
    FROM observation
    WHERE loinc_code = '4548-4'
        AND status IN ('final', 'amended', 'corrected')
        AND value_unit_code = '%'
        AND value_comparator IS NULL
),
last_of_quarter AS (
    SELECT *, year(sampled_on) || ' Q' || quarter(sampled_on) AS quarter
    FROM result
    WHERE sampled_on IS NOT NULL AND hba1c IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY patient_id, quarter ORDER BY sampled_at DESC, id) = 1
)
SELECT
    quarter,
    count(*) AS patients,
    round(median(hba1c), 2) AS median_hba1c,
    round(100.0 * count(*) FILTER (hba1c > 8) / count(*), 1) AS percent_above_8
FROM last_of_quarter
GROUP BY quarter
ORDER BY quarter
""",
)

READMISSION: Final = Question(
    key="readmission",
    title="Unplanned readmission within 30 days",
    question="What share of inpatient stays is followed by an unplanned readmission within 30 days, by age band?",
    sql=f"""WITH {_INDEX_STAYS},
aged AS (
    SELECT
        encounter_id,
        readmitted_30d,
        date_sub('year', {_BORN}, admitted_on) AS age
    FROM index_stay
    JOIN outcome USING (encounter_id)
    LEFT JOIN patient ON patient.id = patient_id
),
banded AS (
    SELECT
        readmitted_30d,
        {_AGE_BAND} AS age_band
    FROM aged
)
SELECT
    coalesce(age_band, 'all') AS age_band,
    count(*) AS index_stays,
    count(*) FILTER (readmitted_30d) AS readmitted,
    round(100.0 * count(*) FILTER (readmitted_30d) / count(*), 1) AS percent_readmitted
FROM banded
GROUP BY ROLLUP (age_band)
ORDER BY grouping(age_band), age_band
""",
)

QUESTIONS: Final = (COHORT, LAB_TREND, READMISSION)

TRAINING_TABLE: Final = Question(
    key="training_readmission",
    title="Training table: readmission within 30 days",
    question="One row per index stay, with what was known on discharge and the label readmitted_30d.",
    sql=f"""WITH {_INDEX_STAYS},
laboratory AS (
    SELECT
        i.encounter_id,
        arg_max(value, sampled_at) FILTER (loinc_code = '14682-9') AS last_creatinine,
        arg_max(value, sampled_at) FILTER (loinc_code = '1988-5') AS last_crp,
        arg_max(value, sampled_at) FILTER (loinc_code = '718-7') AS last_haemoglobin
    FROM index_stay i
    JOIN (
        SELECT
            patient_id,
            loinc_code,
            TRY_CAST(effective_date_time AS TIMESTAMPTZ) AS sampled_at,
            TRY_CAST(value_quantity AS DOUBLE) AS value
        FROM observation
        WHERE loinc_code IN ('14682-9', '1988-5', '718-7')
            AND status IN ('final', 'amended', 'corrected')
            AND value_quantity IS NOT NULL
    ) o
        ON o.patient_id = i.patient_id
        AND o.sampled_at BETWEEN i.admitted_at AND i.discharged_at
    GROUP BY i.encounter_id
),
history AS (
    SELECT
        i.encounter_id,
        count(p.encounter_id) AS stays_previous_year
    FROM index_stay i
    LEFT JOIN stay p
        ON p.patient_id = i.patient_id
        AND p.discharged_at < i.admitted_at
        AND p.discharged_on >= i.admitted_on - 365
    GROUP BY i.encounter_id
),
known AS (
    SELECT
        i.encounter_id,
        bool_or(left(code, 3) IN ('E10', 'E11', 'E12', 'E13', 'E14')) AS diabetes,
        bool_or(code LIKE 'I50%') AS heart_failure,
        bool_or(code LIKE 'J44%') AS copd,
        bool_or(code LIKE 'N18%') AS renal_disease,
        bool_or(code LIKE 'I48%') AS atrial_fibrillation,
        bool_or(code LIKE 'C%') AS cancer
    FROM index_stay i
    JOIN condition_code c
        ON c.patient_id = i.patient_id
        AND c.system = '{_ICD10}'
        AND coalesce(c.verification_status, 'confirmed') NOT IN ('refuted', 'entered-in-error')
        AND TRY_CAST(c.recorded_date AS TIMESTAMPTZ) <= i.discharged_at
    GROUP BY i.encounter_id
)
SELECT
    i.encounter_id,
    i.patient_id,
    i.discharged_at AS prediction_time,
    date_sub('year', {_BORN}, i.admitted_on) AS age,
    p.gender AS sex,
    i.service_type_code,
    i.source = 'emd' AS through_emergency,
    date_diff('day', i.admitted_on, i.discharged_on) AS nights,
    last_creatinine,
    last_crp,
    last_haemoglobin,
    stays_previous_year,
    coalesce(diabetes, false) AS diabetes,
    coalesce(heart_failure, false) AS heart_failure,
    coalesce(copd, false) AS copd,
    coalesce(renal_disease, false) AS renal_disease,
    coalesce(atrial_fibrillation, false) AS atrial_fibrillation,
    coalesce(cancer, false) AS cancer,
    readmitted_30d
FROM index_stay i
JOIN outcome USING (encounter_id)
JOIN history USING (encounter_id)
LEFT JOIN laboratory USING (encounter_id)
LEFT JOIN known USING (encounter_id)
LEFT JOIN patient p ON p.id = i.patient_id
ORDER BY prediction_time, encounter_id
""",
)
