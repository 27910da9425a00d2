SELECT
    id,
    replace(patient.reference, 'Patient/', '') AS patient_id,
    replace(encounter.reference, 'Encounter/', '') AS encounter_id,
    status,
    NULL::VARCHAR AS status_reason_text,
    vaccineCode.coding[1].system AS vaccine_system,
    vaccineCode.coding[1].code AS vaccine_code,
    vaccineCode.coding[1].display AS vaccine_display,
    vaccineCode.text AS vaccine_text,
    occurrenceDateTime AS occurrence_date_time,
    NULL::VARCHAR AS occurrence_text,
    primarySource AS primary_source,
    NULL::VARCHAR AS lot_number,
    NULL::INTEGER AS dose_number,
    NULL::VARCHAR AS location_id,
    NULL::TIMESTAMPTZ AS last_updated
FROM fhir.Immunization
