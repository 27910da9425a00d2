SELECT
    document_reference_id,
    patient_id,
    encounter_id,
    date,
    content.attachment.contentType AS content_type,
    content.attachment.language,
    content.attachment.title,
    content.attachment.creation,
    content.attachment.size,
    NULL::VARCHAR AS url,
    content.format.code AS format_code,
    from_base64(content.attachment.data) AS data
FROM (
    SELECT
        id AS document_reference_id,
        replace(subject.reference, 'Patient/', '') AS patient_id,
        replace(context.encounter[1].reference, 'Encounter/', '') AS encounter_id,
        date::TIMESTAMPTZ AS date,
        unnest(content) AS content
    FROM fhir.DocumentReference
)
