"""FHIRPath: text to syntax tree, and the names of its functions. `lacustre.views` gives them meaning."""

from __future__ import annotations

from lacustre.fhirpath.functions import FUNCTIONS, Function, near_hint, near_names
from lacustre.fhirpath.parser import is_in_calendar, parse_expression

__all__ = ["FUNCTIONS", "Function", "is_in_calendar", "near_hint", "near_names", "parse_expression"]
