SELECT
    id,
    status,
    code.coding[1].system AS code_system,
    code.coding[1].code AS code,
    code.coding[1].display AS code_display,
    code.text AS code_text,
    NULL::VARCHAR AS form_code,
    0 AS ingredient_count,
    meta.lastUpdated::TIMESTAMPTZ AS last_updated
FROM fhir.Medication
