SELECT
    id,
    status,
    name,
    mode,
    NULL::VARCHAR AS type_code,
    physicalType.coding[1].code AS physical_type_code,
    physicalType.coding[1].display AS physical_type_display,
    replace(managingOrganization.reference, 'Organization/', '') AS managing_organization_id,
    replace(partOf.reference, 'Location/', '') AS part_of_id,
    NULL::VARCHAR AS address_city,
    NULL::VARCHAR AS address_postal_code,
    NULL::VARCHAR AS longitude,
    NULL::VARCHAR AS latitude,
    meta.lastUpdated::TIMESTAMPTZ AS last_updated
FROM fhir.Location
