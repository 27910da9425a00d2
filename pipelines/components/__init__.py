"""The components that make assets and sensors of folders."""

from __future__ import annotations

from pipelines.components.export_source import ExportSource
from pipelines.components.fhir_tables import FhirTables
from pipelines.components.view_folder import ViewFolder

__all__ = ["ExportSource", "FhirTables", "ViewFolder"]
