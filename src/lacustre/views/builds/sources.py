"""What a view reads: the table of its resource type, and where it asks for that, what others contain of the type.

A ViewDefinition asks by the extension `CONTAINED_URL` with `valueBoolean` true; whoever builds views can ask for all.
Rows of contained resources lie in the same shards and segments as their containers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from lacustre.errors import DataError, Diagnostic, ViewDefinitionError
from lacustre.fhir import shape as fhir_shape
from lacustre.fhir.shape import Shape
from lacustre.store.contained_tables import container_of
from lacustre.store.delta import Snapshot
from lacustre.store.schema import contained_schema, merge_shapes, partitioned
from lacustre.store.tenant import CONTAINED, TenantStore
from lacustre.views.definition import ViewDefinition

CONTAINED_URL = "https://lacustre.health/StructureDefinition/view-contained"


@dataclass(frozen=True, slots=True)
class ViewTables:
    """What views of one type read: the type's own table and, if `contained`, that of contained resources.

    The versions are None where there is no such table. The snapshot has the files of both as those of one table, and
    is None where there is neither.
    """

    resource_type: str
    own: int | None
    contained: bool
    contained_version: int | None
    snapshot: Snapshot | None

    @property
    def versions(self) -> Sequence[tuple[str, int]]:
        """The tables that there are, by name, with their versions."""
        both = ((f"fhir/{self.resource_type}", self.own), (f"{CONTAINED}/{self.resource_type}", self.contained_version))
        return [(name, version) for name, version in both if version is not None]


def asks_for_contained(view: ViewDefinition) -> bool:
    """Whether a definition asks for contained resources; raises ViewDefinitionError where it does not say it well."""
    extensions = json.loads(view.definition or "{}").get("extension", [])
    asked = False
    for index, extension in enumerate(extensions if isinstance(extensions, list) else []):
        if isinstance(extension, dict) and extension.get("url") == CONTAINED_URL:
            value = extension.get("valueBoolean")
            if not isinstance(value, bool):
                message = f"the extension {CONTAINED_URL} has no valueBoolean"
                fault = Diagnostic("extension_value", message, f"/extension/{index}", hint="true or false")
                raise ViewDefinitionError([fault], view.source)
            asked |= value
    return asked


def view_tables(tenant: TenantStore, resource_type: str, *, contained: bool) -> ViewTables:
    """What views of a type are to be made of.

    Raises DataError (`contained_not_extracted`) where contained resources are wanted and not all of them are in the
    tables, since the lake was loaded by an older Lacustre, or an operation was interrupted.
    """
    own, inner = tenant.fhir_table(resource_type).snapshot(), None
    if contained:
        require_extracted(tenant)
        inner = tenant.contained_table(resource_type).snapshot()
    there = [snapshot for snapshot in (own, inner) if snapshot is not None]
    versions = own.version if own else None, inner.version if inner else None
    return ViewTables(resource_type, versions[0], contained, versions[1], _together(tenant, resource_type, there))


def _together(tenant: TenantStore, resource_type: str, snapshots: list[Snapshot]) -> Snapshot | None:
    if len(snapshots) < 2:
        return snapshots[0] if snapshots else None
    shape = merge_shapes(snapshot.shape for snapshot in snapshots)
    schema = partitioned(contained_schema(tenant.model, resource_type, shape))
    files = tuple(file for snapshot in snapshots for file in snapshot.files)
    return Snapshot(snapshots[0].version, schema, files)


def holders(tenant: TenantStore) -> frozenset[str]:
    """The resource types whose resources may contain others; all that there are where not everything is extracted.

    The names of the data files of contained resources tell whose they are.
    """
    types = frozenset(tenant.resource_types())
    versions = {f"fhir/{name}": tenant.fhir_table(name).version() for name in types}
    if dict(tenant.contained_of) != versions:
        return types
    files = (table.snapshot() for table in tenant.contained_tables())
    return frozenset(container_of(file) for snapshot in files if snapshot for file in snapshot.files)


def shape_of_table(snapshot: Snapshot | None, *, holds_contained: bool) -> Shape:
    """What a view is compiled for: the shape of its table, with `contained` where its resources may contain others."""
    if snapshot is None:
        return {}
    return {**snapshot.shape, fhir_shape.CONTAINED: {}} if holds_contained else snapshot.shape


def require_extracted(tenant: TenantStore) -> None:
    """Raise DataError unless the tables of contained resources are of the FHIR tables as they are."""
    for name in tenant.resource_types():
        table = tenant.fhir_table(name)
        version = table.version()
        if version is not None and tenant.contained_of.get(table.name) != version:
            raise DataError(
                "contained_not_extracted",
                f"what the resources of {table.name} contain is not in tables yet",
                "`lacustre maintain` extracts it, and so does the next load",
            )
