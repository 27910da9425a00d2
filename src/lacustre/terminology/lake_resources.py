"""Terminology resources that were loaded into a lake, as they were loaded."""

from __future__ import annotations

import json
from collections.abc import Sequence

import duckdb

from lacustre.store.export import Restorer
from lacustre.store.reading import lake_files
from lacustre.store.scan import connect, read_parquet
from lacustre.store.tenant import TenantStore
from lacustre.terminology.resources import Resource, ResourceType


class LakeResources:
    """The CodeSystem, ConceptMap and ValueSet resources of a tenant; at a version of the lake, those of then."""

    def __init__(self, tenant: TenantStore) -> None:
        self._tenant = tenant

    def named(self, resource_type: ResourceType, url: str) -> Sequence[Resource]:
        if resource_type not in self._tenant.resource_types():
            return []
        snapshot = self._tenant.fhir_table(resource_type).snapshot()
        if snapshot is None or not snapshot.files or "url" not in snapshot.schema.names:
            return []
        files = lake_files(self._tenant.store)
        with connect(self._tenant.store, files=files) as connection:
            query = f"FROM {read_parquet(files.checked(snapshot.files))} WHERE url = $url"
            return self._restored(connection.sql(query, params={"url": url}), resource_type)

    def _restored(self, rows: duckdb.DuckDBPyRelation, resource_type: ResourceType) -> list[Resource]:
        restorer = Restorer(self._tenant.model, resource_type)
        return [json.loads(line) for batch in rows.to_arrow_reader() for line in restorer.lines(batch)]
