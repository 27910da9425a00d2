"""Plans as DuckDB SQL: the only part of the compiler that knows the database."""

from __future__ import annotations

from lacustre.views.duckdb.casts import may_misfit
from lacustre.views.duckdb.statement import LINEAGE_TYPES, build_statement

__all__ = ["LINEAGE_TYPES", "build_statement", "may_misfit"]
