"""Lacustre: FHIR exports become Delta tables, SQL-on-FHIR views and DuckDB answers."""
