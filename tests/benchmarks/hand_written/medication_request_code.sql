SELECT
    medication_request_id,
    patient_id,
    coding.system,
    coding.code,
    coding.display
FROM (
    SELECT
        id AS medication_request_id,
        replace(subject.reference, 'Patient/', '') AS patient_id,
        unnest(medicationCodeableConcept.coding) AS coding
    FROM fhir.MedicationRequest
)
