"""SQL on FHIR: ViewDefinitions compiled to DuckDB SQL, and views on disk."""
