SELECT
    patient_id,
    NULL::VARCHAR AS use,
    identifier.type.coding[1].system AS type_system,
    identifier.type.coding[1].code AS type_code,
    identifier.type.text AS type_text,
    identifier.system,
    identifier.value,
    NULL::VARCHAR AS period_start,
    NULL::VARCHAR AS period_end,
    NULL::VARCHAR AS assigner_id
FROM (SELECT id AS patient_id, unnest(identifier) AS identifier FROM fhir.Patient)
