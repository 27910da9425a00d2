SELECT
    id,
    active,
    replace(practitioner.reference, 'Practitioner/', '') AS practitioner_id,
    practitioner.display AS practitioner_display,
    replace(organization.reference, 'Organization/', '') AS organization_id,
    NULL::VARCHAR AS organization_display,
    NULL::VARCHAR AS code,
    code[1].text AS code_text,
    NULL::VARCHAR AS specialty_code,
    specialty[1].text AS specialty_text,
    replace(location[1].reference, 'Location/', '') AS location_id,
    NULL::VARCHAR AS period_start,
    NULL::VARCHAR AS period_end,
    meta.lastUpdated::TIMESTAMPTZ AS last_updated
FROM fhir.PractitionerRole
