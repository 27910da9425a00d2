"""The components that make assets of a folder of ViewDefinitions."""

from __future__ import annotations

from pipelines.components.fhir_tables import FhirTables
from pipelines.components.view_folder import ViewFolder

__all__ = ["FhirTables", "ViewFolder"]
