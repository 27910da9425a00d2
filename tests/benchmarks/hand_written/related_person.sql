SELECT
    id,
    replace(patient.reference, 'Patient/', '') AS patient_id,
    active,
    relationship[1].coding[1].system AS relationship_system,
    relationship[1].coding[1].code AS relationship_code,
    relationship[1].coding[1].display AS relationship_display,
    name[1].family AS family_name,
    array_to_string(name[1].given, ' ') AS given_names,
    gender,
    NULL::VARCHAR AS birth_date,
    meta.lastUpdated::TIMESTAMPTZ AS last_updated
FROM fhir.RelatedPerson
