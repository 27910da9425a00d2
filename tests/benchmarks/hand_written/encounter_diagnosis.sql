SELECT
    encounter_id,
    patient_id,
    CASE
        WHEN starts_with(diagnosis.condition.reference, 'Condition/') THEN substr(diagnosis.condition.reference, 11)
    END AS condition_id,
    diagnosis.use.coding[1].code AS use_code,
    diagnosis.use.coding[1].display AS use_display,
    diagnosis.rank
FROM (
    SELECT
        id AS encounter_id,
        replace(subject.reference, 'Patient/', '') AS patient_id,
        unnest(diagnosis) AS diagnosis
    FROM fhir.Encounter
)
