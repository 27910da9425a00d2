SELECT
    claim_id,
    patient_id,
    diagnosis.sequence,
    replace(diagnosis.diagnosisReference.reference, 'Condition/', '') AS condition_id,
    NULL::VARCHAR AS code_system,
    NULL::VARCHAR AS code,
    NULL::VARCHAR AS type_code
FROM (
    SELECT
        id AS claim_id,
        replace(patient.reference, 'Patient/', '') AS patient_id,
        unnest(diagnosis) AS diagnosis
    FROM fhir.Claim
)
