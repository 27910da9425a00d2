"""The store: FHIR NDJSON to Delta tables and back, lossless, latest version wins."""
