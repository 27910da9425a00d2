"""The one partitioning: by tenant, the establishment whose data it is."""

from __future__ import annotations

import dagster as dg

TENANT = "tenant"
tenants = dg.DynamicPartitionsDefinition(name=TENANT)
