SELECT observation_id, patient_id, replace(member.reference, 'Observation/', '') AS member_id
FROM (
    SELECT
        id AS observation_id,
        replace(subject.reference, 'Patient/', '') AS patient_id,
        unnest(hasMember) AS member
    FROM fhir.Observation
)
