"""One job that runs everything: load a tenant's export, then build its views."""

from __future__ import annotations

import dagster as dg

from pipelines.partitions import tenants

build_lake = dg.define_asset_job(
    "build_lake",
    selection=dg.AssetSelection.all(),
    partitions_def=tenants,
    description="Load a tenant's export into its FHIR tables, then build its views.",
)
