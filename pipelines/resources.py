"""The lake that the assets fill, and where the exports of each tenant lie or come from."""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg
from pydantic import Field

from lacustre.acquire.config import read_config
from lacustre.errors import SettingsError
from lacustre.lake import Lake
from lacustre.store.objects import ObjectStore
from lacustre.store.tenant import TenantStore
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
    bulk_exports: str = Field(default="bulk_exports", description="Folder of <tenant>.toml: servers to export from.")
    data_docs: str = Field(default="data_docs", description="Folder or s3:// URI for the pages of the checks.")
    storage_options: dict[str, str] = Field(default={}, description="Object-store settings, as delta-rs names them.")

    def open(self, tenant: str) -> Lake:
        return Lake.open(self.uri, tenant=tenant, storage_options=self.storage_options)

    def store_of(self, tenant: str) -> TenantStore:
        return TenantStore(ObjectStore(self.uri, self.storage_options), TenantId(tenant))

    def bulk_export_of(self, tenant: str) -> Path | None:
        """The file that says which server to export the tenant from, where there is one."""
        path = Path(self.bulk_exports) / f"{TenantId(tenant).name}.toml"
        return path if path.is_file() else None

    def sources_of(self, tenant: str) -> list[str]:
        """What a load without a source reads: the tenant's exports, those of its server included."""
        place, config = self.export_of(tenant), self.bulk_export_of(tenant)
        if config is None:
            return [place]
        exported = str(read_config(config).folder)
        here = any(True for _ in ObjectStore(place, self.storage_options).walk(""))
        return [exported] if not here or _is_below(exported, place) else [place, exported]

    def export_of(self, tenant: str) -> str:
        return self.exports.replace(PLACEHOLDER, tenant)

    def tenants(self) -> list[str]:
        """The tenants that have an export, by the names of their folders; other folders are left out."""
        folder, _, rest = self.exports.partition(PLACEHOLDER)
        if not rest and folder == self.exports:
            return []
        found = ObjectStore(folder.rstrip("/") or ".", self.storage_options).folders("")
        return [name for name in found if _is_tenant(name)]

    def exporting(self) -> list[str]:
        """The tenants that are exported from a server."""
        return sorted(path.stem for path in Path(self.bulk_exports).glob("*.toml") if _is_tenant(path.stem))


def lake_from_environment() -> LakeResource:
    """`LACUSTRE_LAKE` and `LACUSTRE_EXPORTS`; the object store's settings stay names until a run needs them."""
    return LakeResource(
        uri=_variable("LACUSTRE_LAKE", "lake"),
        exports=_variable("LACUSTRE_EXPORTS", f"exports/{PLACEHOLDER}"),
        bulk_exports=_variable("LACUSTRE_BULK_EXPORTS", "bulk_exports"),
        data_docs=_variable("LACUSTRE_DATA_DOCS", ".dagster/data_docs"),
        storage_options={name: dg.EnvVar(name) for name in OBJECT_STORE_SETTINGS if name in os.environ},
    )


def _variable(name: str, default: str) -> str:
    return dg.EnvVar(name) if name in os.environ else default


def _is_below(path: str, place: str) -> bool:
    return "://" not in place and Path(path).resolve().is_relative_to(Path(place).resolve())


def _is_tenant(name: str) -> bool:
    try:
        TenantId(name)
    except SettingsError:
        return False
    return True
