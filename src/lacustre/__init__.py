"""Lacustre: FHIR exports become Delta tables, SQL-on-FHIR views and DuckDB answers."""

from __future__ import annotations

from lacustre.errors import LacustreError
from lacustre.lake import Lake

__all__ = ["Lake", "LacustreError", "__version__"]
__version__ = "0.1.0"
