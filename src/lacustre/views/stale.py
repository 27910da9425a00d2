"""Whether a built view is still of the rows that its table has."""

from __future__ import annotations

from lacustre.store.maintained_table import MaintainedTable
from lacustre.store.tenant import TenantStore
from lacustre.views.manifest import ViewManifest


def is_stale(tenant: TenantStore, manifest: ViewManifest) -> bool:
    """Whether other rows came into the table since the view was built; that files were merged changes nothing."""
    table = tenant.fhir_table(manifest.resource)
    version, built_of = table.version(), manifest.source_version
    if version == built_of:
        return False
    return version is None or built_of is None or not MaintainedTable.of(table).same_rows(built_of, version)
