"""SQL on FHIR views: definition to typed view to plan to DuckDB SQL, and the views built on disk."""
