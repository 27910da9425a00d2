"""The shape of FHIR JSON that a table holds: which members occur, below which."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

Shape: TypeAlias = Mapping[str, "Shape"]
"""JSON member name to the shape below it; a primitive maps to an empty mapping.

Lists and structs look alike: cardinality and types come from the FHIR model.
"""

CONTAINED = "contained"
"""The member of a resource's shape that says that it may contain resources, which have no shape of their own."""
