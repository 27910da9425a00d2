SELECT
    condition_id,
    patient_id,
    encounter_id,
    clinical_status,
    verification_status,
    onset_date_time,
    recorded_date,
    coding.system,
    coding.code,
    coding.display
FROM (
    SELECT
        id AS condition_id,
        replace(subject.reference, 'Patient/', '') AS patient_id,
        replace(encounter.reference, 'Encounter/', '') AS encounter_id,
        clinicalStatus.coding[1].code AS clinical_status,
        verificationStatus.coding[1].code AS verification_status,
        onsetDateTime AS onset_date_time,
        recordedDate AS recorded_date,
        unnest(code.coding) AS coding
    FROM fhir.Condition
)
