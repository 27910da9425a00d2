SELECT
    allergy_intolerance_id,
    patient_id,
    NULL::VARCHAR AS substance_code,
    reaction.manifestation[1].coding[1].code AS manifestation_code,
    reaction.manifestation[1].coding[1].display AS manifestation_display,
    reaction.severity,
    NULL::VARCHAR AS onset
FROM (
    SELECT
        id AS allergy_intolerance_id,
        replace(patient.reference, 'Patient/', '') AS patient_id,
        unnest(reaction) AS reaction
    FROM fhir.AllergyIntolerance
)
