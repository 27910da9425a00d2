SELECT
    encounter_id,
    patient_id,
    NULL::VARCHAR AS type_code,
    NULL::VARCHAR AS type_display,
    replace(participant.individual.reference, 'Practitioner/', '') AS practitioner_id,
    NULL::VARCHAR AS practitioner_display,
    NULL::VARCHAR AS period_start,
    NULL::VARCHAR AS period_end
FROM (
    SELECT
        id AS encounter_id,
        replace(subject.reference, 'Patient/', '') AS patient_id,
        unnest(participant) AS participant
    FROM fhir.Encounter
)
