"""FHIRPath's functions as typed values, a file for each chapter of the specification."""

from __future__ import annotations

from lacustre.views.functions.invocation import Invocation
from lacustre.views.functions.registry import CHAPTERS, FUNCTION_BINDERS, bind_function

__all__ = ["CHAPTERS", "FUNCTION_BINDERS", "Invocation", "bind_function"]
