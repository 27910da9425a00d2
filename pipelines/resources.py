"""The lake that the assets fill, and where the exports of each tenant lie."""

from __future__ import annotations

import os

import dagster as dg
from pydantic import Field

from lacustre.errors import SettingsError
from lacustre.lake import Lake
from lacustre.store.objects import ObjectStore
from lacustre.tenancy import TenantId

OBJECT_STORE_SETTINGS = (
    "AWS_ENDPOINT_URL",
    "AWS_REGION",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
)
PLACEHOLDER = "{tenant}"


class LakeResource(dg.ConfigurableResource[Lake]):
    """One lake, and the folder in which each tenant's export is found."""

    uri: str = Field(description="Folder or s3:// URI of the lake.")
    exports: str = Field(description=f"Folder or s3:// URI of a tenant's export; {PLACEHOLDER} is its name.")
    storage_options: dict[str, str] = Field(default={}, description="Object-store settings, as delta-rs names them.")

    def open(self, tenant: str) -> Lake:
        return Lake.open(self.uri, tenant=tenant, storage_options=self.storage_options)

    def export_of(self, tenant: str) -> str:
        return self.exports.replace(PLACEHOLDER, tenant)

    def tenants(self) -> list[str]:
        """The tenants that have an export, by the names of their folders; other folders are left out."""
        folder, _, rest = self.exports.partition(PLACEHOLDER)
        if not rest and folder == self.exports:
            return []
        found = ObjectStore(folder.rstrip("/") or ".", self.storage_options).folders("")
        return [name for name in found if _is_tenant(name)]


def lake_from_environment() -> LakeResource:
    """`LACUSTRE_LAKE` and `LACUSTRE_EXPORTS`; the object store's settings stay names until a run needs them."""
    return LakeResource(
        uri=_variable("LACUSTRE_LAKE", "lake"),
        exports=_variable("LACUSTRE_EXPORTS", f"exports/{PLACEHOLDER}"),
        storage_options={name: dg.EnvVar(name) for name in OBJECT_STORE_SETTINGS if name in os.environ},
    )


def _variable(name: str, default: str) -> str:
    return dg.EnvVar(name) if name in os.environ else default


def _is_tenant(name: str) -> bool:
    try:
        TenantId(name)
    except SettingsError:
        return False
    return True
