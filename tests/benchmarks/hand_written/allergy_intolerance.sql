SELECT
    id,
    replace(patient.reference, 'Patient/', '') AS patient_id,
    NULL::VARCHAR AS encounter_id,
    clinicalStatus.coding[1].code AS clinical_status,
    verificationStatus.coding[1].code AS verification_status,
    type,
    category[1] AS category,
    criticality,
    code.coding[1].system AS code_system,
    code.coding[1].code AS code,
    code.coding[1].display AS code_display,
    code.text AS code_text,
    NULL::VARCHAR AS onset_date_time,
    recordedDate AS recorded_date,
    NULL::VARCHAR AS last_occurrence,
    NULL::TIMESTAMPTZ AS last_updated
FROM fhir.AllergyIntolerance
