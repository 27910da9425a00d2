SELECT
    procedure_id,
    patient_id,
    coding.system,
    coding.code,
    coding.display
FROM (
    SELECT
        id AS procedure_id,
        replace(subject.reference, 'Patient/', '') AS patient_id,
        unnest(code.coding) AS coding
    FROM fhir.Procedure
)
