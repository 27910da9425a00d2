SELECT
    diagnostic_report_id,
    patient_id,
    encounter_id,
    form.contentType AS content_type,
    form.language,
    NULL::VARCHAR AS title,
    NULL::VARCHAR AS creation,
    NULL::VARCHAR AS url,
    from_base64(form.data) AS data
FROM (
    SELECT
        id AS diagnostic_report_id,
        replace(subject.reference, 'Patient/', '') AS patient_id,
        replace(encounter.reference, 'Encounter/', '') AS encounter_id,
        unnest(presentedForm) AS form
    FROM fhir.DiagnosticReport
)
