"""The lake that the assets fill, and where the exports of each tenant lie or come from."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import dagster as dg
from pydantic import Field

from lacustre.acquire.config import ExportConfig, read_config
from lacustre.errors import SettingsError
from lacustre.lake import Lake
from lacustre.store.objects import ObjectStore
from lacustre.store.tenant import TenantStore
from lacustre.tenancy import TenantId
from pipelines.arrivals import find_places

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

    def bulk_export_of(self, tenant: str) -> ExportConfig | None:
        """Which server to export the tenant from, where there is a file that says so.

        Raises SettingsError where its folder is another tenant's too: one would be loaded with the other's patients.
        """
        config = self._config_of(tenant)
        if config is not None:
            for other in {*self.exporting(), *self.tenants()} - {tenant}:
                if any(_is_below(*pair) or _is_below(*pair[::-1]) for pair in self._pairs(config, other)):
                    said = f"the folder of {tenant}'s bulk export is {other}'s too"
                    raise SettingsError("shared_folder", said, "give each tenant a folder of its own")
        return config

    def _config_of(self, tenant: str) -> ExportConfig | None:
        path = Path(self.bulk_exports) / f"{TenantId(tenant).name}.toml"
        return read_config(path) if path.is_file() else None

    def _pairs(self, config: ExportConfig, other: str) -> Iterator[tuple[str, str]]:
        """The folder, with each that is the other tenant's."""
        if PLACEHOLDER in self.exports:
            yield str(config.folder), self.export_of(other)
        with suppress(SettingsError):  # a file that cannot be read is that tenant's fault alone
            if (its := self._config_of(other)) is not None:
                yield str(config.folder), str(its.folder)

    def sources_of(self, tenant: str) -> list[str]:
        """What a load without a source reads: the tenant's exports, those of its server included."""
        folders, config = [self.export_of(tenant)], self.bulk_export_of(tenant)
        exported = str(config.folder) if config else folders[0]
        if not _is_below(exported, folders[0]):
            folders.append(exported)
        return [place for folder in folders for place in find_places(folder, self.storage_options)] or folders[-1:]

    def export_of(self, tenant: str) -> str:
        """The tenant's own place. Raises SettingsError where all tenants would have the same one."""
        require_tenants(self.exports)
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


def require_tenants(exports: str) -> None:
    """Raise SettingsError where the place of exports is not each tenant's own."""
    if PLACEHOLDER not in exports:
        said = f"the place of exports is {exports}, for every tenant"
        raise SettingsError("shared_folder", said, f"put {PLACEHOLDER} where their names are")


def _is_below(path: str, place: str) -> bool:
    if "://" in path or "://" in place:
        return path == place
    return Path(path).resolve().is_relative_to(Path(place).resolve())


def _is_tenant(name: str) -> bool:
    try:
        TenantId(name)
    except SettingsError:
        return False
    return True
