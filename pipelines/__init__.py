"""The Dagster code location of Lacustre: no logic, an asset is one call of `Lake`."""
