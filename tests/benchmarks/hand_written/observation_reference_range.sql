SELECT
    observation_id,
    patient_id,
    range.low.value AS low,
    range.high.value AS high,
    range.high.unit,
    NULL::VARCHAR AS type_code,
    NULL::VARCHAR AS age_low,
    NULL::VARCHAR AS age_high,
    range.text
FROM (
    SELECT
        id AS observation_id,
        replace(subject.reference, 'Patient/', '') AS patient_id,
        unnest(referenceRange) AS range
    FROM fhir.Observation
)
