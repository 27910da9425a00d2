SELECT
    observation_id,
    patient_id,
    encounter_id,
    status,
    observation_code,
    effective_date_time,
    component.code.coding[1].system AS code_system,
    component.code.coding[1].code AS code,
    component.code.coding[1].display AS code_display,
    component.code.text AS code_text,
    component.valueQuantity.value AS value_quantity,
    NULL::VARCHAR AS value_comparator,
    component.valueQuantity.unit AS value_unit,
    component.valueQuantity.code AS value_unit_code,
    NULL::VARCHAR AS value_code_system,
    NULL::VARCHAR AS value_code,
    NULL::VARCHAR AS value_display,
    NULL::VARCHAR AS value_text,
    NULL::VARCHAR AS value_string,
    NULL::INTEGER AS value_integer,
    NULL::BOOLEAN AS value_boolean,
    NULL::VARCHAR AS value_date_time,
    NULL::VARCHAR AS data_absent_reason,
    NULL::VARCHAR AS interpretation_code,
    NULL::VARCHAR AS reference_range_low,
    NULL::VARCHAR AS reference_range_high
FROM (
    SELECT
        id AS observation_id,
        replace(subject.reference, 'Patient/', '') AS patient_id,
        replace(encounter.reference, 'Encounter/', '') AS encounter_id,
        status,
        code.coding[1].code AS observation_code,
        effectiveDateTime AS effective_date_time,
        unnest(component) AS component
    FROM fhir.Observation
)
