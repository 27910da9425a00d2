SELECT
    patient_id,
    link.type,
    CASE
        WHEN starts_with(link.other.reference, 'Patient/') THEN substr(link.other.reference, 9)
    END AS other_patient_id,
    CASE
        WHEN starts_with(link.other.reference, 'RelatedPerson/') THEN substr(link.other.reference, 15)
    END AS related_person_id
FROM (SELECT id AS patient_id, unnest(link) AS link FROM fhir.Patient)
