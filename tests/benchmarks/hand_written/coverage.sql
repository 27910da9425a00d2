SELECT
    id,
    replace(beneficiary.reference, 'Patient/', '') AS patient_id,
    CASE WHEN starts_with(subscriber.reference, 'Patient/') THEN substr(subscriber.reference, 9) END AS subscriber_id,
    status,
    type.coding[1].system AS type_system,
    type.coding[1].code AS type_code,
    NULL::VARCHAR AS type_display,
    type.text AS type_text,
    relationship.coding[1].code AS relationship_code,
    CASE
        WHEN starts_with(payor[1].reference, 'Organization/') THEN substr(payor[1].reference, 14)
    END AS payor_organization_id,
    class[1].value AS class_value,
    class[1].name AS class_name,
    NULL::VARCHAR AS network,
    "order" AS coverage_rank,
    period.start AS period_start,
    NULL::VARCHAR AS period_end,
    meta.lastUpdated::TIMESTAMPTZ AS last_updated
FROM fhir.Coverage
