SELECT
    claim_id,
    patient_id,
    item.sequence,
    replace(item.encounter[1].reference, 'Encounter/', '') AS encounter_id,
    item.productOrService.coding[1].system AS product_system,
    item.productOrService.coding[1].code AS product_code,
    item.productOrService.coding[1].display AS product_display,
    NULL::VARCHAR AS serviced_date,
    NULL::VARCHAR AS quantity,
    item.net.value AS net_value,
    item.net.currency AS net_currency
FROM (
    SELECT
        id AS claim_id,
        replace(patient.reference, 'Patient/', '') AS patient_id,
        unnest(item) AS item
    FROM fhir.Claim
)
