"""SQL on FHIR, slowly: one resource and one row at a time, as the specification's algorithm is written.

Property tests compare compiled views with it, so it shares nothing with the compiler but the element tables:
parser, operators and functions are its own.
"""

from __future__ import annotations

from support.oracle.parser import OracleError
from support.oracle.views import Table, evaluate_view

__all__ = ["OracleError", "Table", "evaluate_view"]
