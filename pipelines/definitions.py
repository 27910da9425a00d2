"""The code location: `uv run dagster dev` at the root of the repository."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from pipelines.resources import lake_from_environment


@dg.definitions
def defs() -> dg.Definitions:
    # one process for a whole run: DuckDB uses every core as it is, and a step's own process would start for seconds
    return dg.Definitions.merge(
        dg.load_from_defs_folder(path_within_project=Path(__file__).parent),
        dg.Definitions(resources={"lake": lake_from_environment()}, executor=dg.in_process_executor),
    )
