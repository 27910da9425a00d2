SELECT
    id,
    list_filter(identifier, lambda i: i.system = 'https://rpps.esante.gouv.fr')[1].value AS rpps,
    identifier[1].system AS identifier_system,
    identifier[1].value AS identifier_value,
    active,
    name[1].family AS family_name,
    array_to_string(name[1].given, ' ') AS given_names,
    array_to_string(name[1].prefix, ' ') AS prefix,
    gender,
    NULL::VARCHAR AS qualification_code,
    address[1].city AS address_city,
    NULL::TIMESTAMPTZ AS last_updated
FROM fhir.Practitioner
