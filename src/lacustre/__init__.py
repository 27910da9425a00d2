"""Lacustre: FHIR exports become Delta tables, SQL-on-FHIR views and DuckDB answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lacustre.errors import LacustreError

if TYPE_CHECKING:
    from lacustre.lake import Lake

__all__ = ["LacustreError", "Lake", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    # the store takes half a second to import, which the model and the parser alone need not pay
    if name == "Lake":
        from lacustre.lake import Lake

        return Lake
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
