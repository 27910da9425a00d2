"""A tenant's part of a store: where its tables lie, and the settings that its first load fixed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lacustre.errors import SettingsError
from lacustre.fhir.model import FhirModel
from lacustre.store.objects import ObjectStore
from lacustre.tenancy import DEFAULT_SETTINGS, RequestedSettings, TenantId, TenantSettings

if TYPE_CHECKING:
    from lacustre.store.delta import LakeTable


class TenantStore:
    """The files and tables of one tenant.

    A query over views needs no table: deltalake and pyarrow, a third of its start, are imported with the first one.
    """

    def __init__(self, store: ObjectStore, tenant: TenantId) -> None:
        self.store = store
        self.tenant = tenant
        self._settings: TenantSettings | None = None

    @property
    def settings_path(self) -> str:
        return f"{self.tenant.root}/tenant.json"

    def fixed_settings(self) -> TenantSettings | None:
        """The settings of the first load, or None before it."""
        if self._settings is None:
            data = self.store.read(self.settings_path)
            self._settings = None if data is None else TenantSettings.from_json(data)
        return self._settings

    @property
    def settings(self) -> TenantSettings:
        """The fixed settings; before the first load, the defaults."""
        return self.fixed_settings() or DEFAULT_SETTINGS

    @property
    def model(self) -> FhirModel:
        return self.settings.model

    def fix_settings(self, requested: RequestedSettings) -> TenantSettings:
        """Fix the settings if no load did; raises SettingsError where they are fixed to others."""
        settings = requested.settle(self.fixed_settings())
        if self.fixed_settings() is None and not self.store.create(self.settings_path, settings.to_json()):
            return requested.settle(self.fixed_settings())
        self._settings = settings
        return settings

    def fhir_table(self, resource_type: str) -> LakeTable:
        """The table of a resource type; raises SettingsError for a type that the FHIR version lacks."""
        if resource_type not in self.model.resource_types:
            raise SettingsError(
                "unknown_resource_type",
                f"{resource_type} is not a resource type of FHIR {self.model.version}",
                "`lacustre tables` lists what the lake holds",
            )
        from lacustre.store.schema import PARTITION_SCHEMA

        return self._table(f"fhir/{resource_type}", PARTITION_SCHEMA.names)

    def resource_types(self) -> list[str]:
        """The resource types that have a table, sorted; other folders there are none of ours."""
        known = self.model.resource_types
        return [name for name in self.store.folders(f"{self.tenant.root}/fhir") if name in known]

    @property
    def rejects_table(self) -> LakeTable:
        return self._table("rejects")

    @property
    def views_path(self) -> str:
        return f"{self.tenant.root}/views"

    def _table(self, name: str, partition_columns: Sequence[str] = ()) -> LakeTable:
        from lacustre.store.delta import LakeTable

        return LakeTable(self.store, f"{self.tenant.root}/{name}", partition_columns)
