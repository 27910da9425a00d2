"""SQL over a tenant's views and raw FHIR tables, by DuckDB."""
