SELECT
    id,
    active,
    name,
    type[1].coding[1].system AS type_system,
    type[1].coding[1].code AS type_code,
    type[1].coding[1].display AS type_display,
    list_filter(identifier, lambda i: i.system = 'https://finess.esante.gouv.fr')[1].value AS finess,
    identifier[1].system AS identifier_system,
    identifier[1].value AS identifier_value,
    NULL::VARCHAR AS part_of_id,
    address[1].city AS address_city,
    address[1].postalCode AS address_postal_code,
    address[1].state AS address_state,
    address[1].country AS address_country,
    list_filter(telecom, lambda t: t.system = 'phone')[1].value AS phone,
    NULL::TIMESTAMPTZ AS last_updated
FROM fhir.Organization
