SELECT
    medication_request_id,
    patient_id,
    encounter_id,
    dosage.sequence,
    NULL::VARCHAR AS text,
    dosage.asNeededBoolean AS as_needed,
    NULL::VARCHAR AS timing_code,
    dosage.timing.repeat.frequency,
    dosage.timing.repeat.period,
    dosage.timing.repeat.periodUnit AS period_unit,
    NULL::VARCHAR AS duration,
    NULL::VARCHAR AS duration_unit,
    NULL::VARCHAR AS route_code,
    NULL::VARCHAR AS route_display,
    dosage.doseAndRate[1].doseQuantity.value AS dose_quantity,
    NULL::VARCHAR AS dose_unit,
    NULL::VARCHAR AS rate_quantity,
    NULL::VARCHAR AS rate_unit,
    NULL::VARCHAR AS max_dose_quantity,
    NULL::VARCHAR AS max_dose_period,
    NULL::VARCHAR AS max_dose_period_unit
FROM (
    SELECT
        id AS medication_request_id,
        replace(subject.reference, 'Patient/', '') AS patient_id,
        replace(encounter.reference, 'Encounter/', '') AS encounter_id,
        unnest(dosageInstruction) AS dosage
    FROM fhir.MedicationRequest
)
