"""What runs together: a load with its views and checks, the same after an export, an export alone."""

from __future__ import annotations

import dagster as dg

from pipelines.components.fhir_tables import BULK_EXPORT
from pipelines.partitions import tenants

_EXPORT = dg.AssetSelection.assets(BULK_EXPORT)

build_lake = dg.define_asset_job(
    "build_lake",
    selection=dg.AssetSelection.all() - _EXPORT,
    partitions_def=tenants,
    description="Load a tenant's export into its FHIR tables, build its views and check them.",
)
export_and_build = dg.define_asset_job(
    "export_and_build",
    selection=dg.AssetSelection.all(),
    partitions_def=tenants,
    description="Export from a tenant's FHIR server, then do what build_lake does.",
)
