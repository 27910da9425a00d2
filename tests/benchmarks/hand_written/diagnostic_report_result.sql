SELECT
    diagnostic_report_id,
    patient_id,
    replace(result.reference, 'Observation/', '') AS observation_id,
    result.display
FROM (
    SELECT
        id AS diagnostic_report_id,
        replace(subject.reference, 'Patient/', '') AS patient_id,
        unnest(result) AS result
    FROM fhir.DiagnosticReport
)
