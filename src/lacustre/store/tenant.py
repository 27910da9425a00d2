"""A tenant's part of a store: where its tables lie, and the settings that its first load fixed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lacustre.errors import SettingsError
from lacustre.fhir.model import FhirModel
from lacustre.store.objects import ObjectStore
from lacustre.tenancy import DEFAULT_SETTINGS, RequestedSettings, TenantId, TenantSettings

if TYPE_CHECKING:
    from lacustre.store.delta import LakeTable

CONTAINED = "contained"
"""The folder of the tables of contained resources, and their schema in SQL."""
NEVER = -1
"""The pinned version of a table that was not there yet."""


class TenantStore:
    """The files and tables of one tenant.

    A query over views needs no table: deltalake and pyarrow, a third of its start, are imported with the first one.
    """

    def __init__(
        self,
        store: ObjectStore,
        tenant: TenantId,
        pinned: Mapping[str, int] | None = None,
        contained_of: Mapping[str, int] | None = None,
    ) -> None:
        self.store = store
        self.tenant = tenant
        self.contained_of: Mapping[str, int] = contained_of or {}
        """Of a pinned tenant, the versions of the FHIR tables, by name, that its contained tables are made of."""
        self._pinned = pinned
        self._settings: TenantSettings | None = None

    def at(self, versions: Mapping[str, int], contained_of: Mapping[str, int] | None = None) -> TenantStore:
        """The same tenant with every table pinned to a Delta version, by the tables' names; others are not there."""
        return TenantStore(self.store, self.tenant, versions, contained_of)

    @property
    def pinned(self) -> bool:
        """Whether this is the tenant as it was."""
        return self._pinned is not None

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
        return self._typed_table("fhir", resource_type)

    def contained_table(self, resource_type: str) -> LakeTable:
        """The table of the contained resources of a type; raises SettingsError as `fhir_table` does."""
        return self._typed_table(CONTAINED, resource_type)

    def _typed_table(self, folder: str, resource_type: str) -> LakeTable:
        if resource_type not in self.model.resource_types:
            raise SettingsError(
                "unknown_resource_type",
                f"{resource_type} is not a resource type of FHIR {self.model.version}",
                "`lacustre tables` lists what the lake holds",
            )
        from lacustre.store.schema import PARTITION_SCHEMA

        return self._table(f"{folder}/{resource_type}", PARTITION_SCHEMA.names)

    def resource_types(self) -> list[str]:
        """The resource types that have a table, sorted; other folders there are none of ours."""
        return self._types_in("fhir")

    def contained_types(self) -> list[str]:
        """The resource types that have a table of contained resources, sorted."""
        return self._types_in(CONTAINED)

    def _types_in(self, folder: str) -> list[str]:
        if self._pinned is not None:
            start = f"{folder}/"
            return sorted(name.removeprefix(start) for name in self._pinned if name.startswith(start))
        known = self.model.resource_types
        return [name for name in self.store.folders(f"{self.tenant.root}/{folder}") if name in known]

    def tables(self) -> list[LakeTable]:
        """All Delta tables that the tenant has or may have."""
        others = [self.rejects_table, self.tombstones_table, self.files_table]
        return [*(self.fhir_table(name) for name in self.resource_types()), *self.contained_tables(), *others]

    def contained_tables(self) -> list[LakeTable]:
        """The tables of contained resources, which are made of the FHIR tables."""
        return [self.contained_table(name) for name in self.contained_types()]

    @property
    def ledger_path(self) -> str:
        return f"{self.tenant.root}/ledger"

    @property
    def rejects_table(self) -> LakeTable:
        return self._table("rejects")

    @property
    def tombstones_table(self) -> LakeTable:
        return self._table("deleted", ["resource_type"])

    @property
    def files_table(self) -> LakeTable:
        return self._table("files")

    @property
    def views_path(self) -> str:
        return f"{self.tenant.root}/views"

    def _table(self, name: str, partition_columns: Sequence[str] = ()) -> LakeTable:
        from lacustre.store.delta import LakeTable

        pinned = None if self._pinned is None else self._pinned.get(name, NEVER)
        return LakeTable(self.store, f"{self.tenant.root}/{name}", name, partition_columns, pinned)
