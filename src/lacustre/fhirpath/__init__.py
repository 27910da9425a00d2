"""FHIRPath: text to syntax tree, and the names of its functions. `lacustre.views` gives them meaning."""

from __future__ import annotations

from lacustre.fhirpath.functions import FUNCTIONS, Function, near_hint, near_names
from lacustre.fhirpath.parser import parse_expression

__all__ = ["FUNCTIONS", "Function", "near_hint", "near_names", "parse_expression"]
