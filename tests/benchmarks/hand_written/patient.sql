SELECT
    id,
    list_filter(
        identifier,
        lambda i: i.system IN ('urn:oid:1.2.250.1.213.1.4.8', 'urn:oid:1.2.250.1.213.1.4.10')
    )[1].value AS ins,
    list_filter(
        identifier,
        lambda i: len(list_filter(i.type.coding, lambda c: c.code IN ('PI', 'MR'))) > 0
    )[1].value AS patient_number,
    list_filter(
        list_filter(
            extension,
            lambda e: e.url = 'https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-identity-reliability'
        )[1].extension,
        lambda e: e.url = 'identityStatus'
    )[1].valueCoding.code AS identity_status,
    NULL::BOOLEAN AS active,
    list_filter(name, lambda n: n.use = 'official')[1].family AS family_name,
    array_to_string(list_filter(name, lambda n: n.use = 'official')[1].given, ' ') AS given_names,
    list_filter(name, lambda n: n.use = 'usual')[1].family AS used_name,
    gender,
    birthDate AS birth_date,
    deceasedDateTime IS NOT NULL AS deceased,
    deceasedDateTime AS deceased_date_time,
    address[1].city AS address_city,
    address[1].postalCode AS address_postal_code,
    NULL::VARCHAR AS address_insee_code,
    address[1].country AS address_country,
    maritalStatus.coding[1].code AS marital_status_code,
    NULL::VARCHAR AS managing_organization_id,
    NULL::TIMESTAMPTZ AS last_updated
FROM fhir.Patient
