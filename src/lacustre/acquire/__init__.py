"""Getting FHIR from the servers that hold it: the Bulk Data export client (`bulk.run_export`)."""
