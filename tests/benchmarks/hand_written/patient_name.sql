SELECT
    patient_id,
    name.use,
    name.family AS family_name,
    array_to_string(name.given, ' ') AS given_names,
    array_to_string(name.prefix, ' ') AS prefix,
    array_to_string(name.suffix, ' ') AS suffix,
    NULL::VARCHAR AS text,
    NULL::VARCHAR AS period_start,
    NULL::VARCHAR AS period_end
FROM (SELECT id AS patient_id, unnest(name) AS name FROM fhir.Patient)
