SELECT
    id,
    replace(subject.reference, 'Patient/', '') AS patient_id,
    identifier[1].value AS specimen_number,
    status,
    type.coding[1].system AS type_system,
    type.coding[1].code AS type_code,
    type.coding[1].display AS type_display,
    NULL::VARCHAR AS type_text,
    collection.collectedDateTime AS collected_date_time,
    NULL::VARCHAR AS collected_start,
    receivedTime AS received_time,
    NULL::VARCHAR AS body_site_code,
    collection.bodySite.text AS body_site_text,
    meta.lastUpdated::TIMESTAMPTZ AS last_updated
FROM fhir.Specimen
