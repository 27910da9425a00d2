SELECT
    encounter_id,
    patient_id,
    replace(location.location.reference, 'Location/', '') AS location_id,
    location.location.display AS location_display,
    location.status,
    location.period.start AS period_start,
    location.period.end AS period_end
FROM (
    SELECT
        id AS encounter_id,
        replace(subject.reference, 'Patient/', '') AS patient_id,
        unnest(location) AS location
    FROM fhir.Encounter
)
