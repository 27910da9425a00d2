/*
@name: inpatient_stays
@title: Inpatient stays
@description: One row per finished inpatient stay, with its days and the age on admission.
@type: sql-view
@url: https://lacustre.health/Library/inpatient_stays
@version: 1.0.0
@status: active
*/
-- @relatedDependency: https://lacustre.health/ViewDefinition/encounter as encounter
-- @relatedDependency: https://lacustre.health/ViewDefinition/patient as patient

-- The day of an admission is that of the place where it was: the first ten characters of the date-time.
-- A year or a month alone is no day: such a stay has no dates here, and such a birth gives no age.
WITH stay AS (
    SELECT
        id AS encounter_id,
        patient_id,
        service_type_display AS service,
        TRY_CAST(left(CAST(period_start AS VARCHAR), 10) AS DATE) AS admitted_on,
        TRY_CAST(left(CAST(period_end AS VARCHAR), 10) AS DATE) AS discharged_on
    FROM encounter
    WHERE class_code = 'IMP' AND status = 'finished'
)
SELECT
    stay.encounter_id,
    stay.patient_id,
    stay.service,
    patient.gender AS sex,
    stay.admitted_on,
    stay.discharged_on,
    date_sub('year', TRY_CAST(CAST(patient.birth_date AS VARCHAR) AS DATE), stay.admitted_on) AS age
FROM stay
LEFT JOIN patient ON patient.id = stay.patient_id
