SELECT
    patient_id,
    NULL::VARCHAR AS use,
    NULL::VARCHAR AS type,
    array_to_string(address.line, ', ') AS line,
    address.city,
    NULL::VARCHAR AS insee_code,
    NULL::VARCHAR AS district,
    address.state,
    address.postalCode AS postal_code,
    address.country,
    NULL::VARCHAR AS period_start,
    NULL::VARCHAR AS period_end
FROM (SELECT id AS patient_id, unnest(address) AS address FROM fhir.Patient)
