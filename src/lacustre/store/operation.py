"""What every operation that changes a lake has: an id, a staging folder, a DuckDB session, a place in the ledger."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from lacustre.errors import InputError
from lacustre.store.content import define_canonical_rest
from lacustre.store.ledger import Intent, Record, append_record, now, open_intent
from lacustre.store.probe import require_conditional_writes
from lacustre.store.reading import LakeFiles, Stored, lake_files
from lacustre.store.scan import connect, sql_text
from lacustre.store.staging import staging_folder
from lacustre.store.tenant import TenantStore

QUERY_MEMORY = "1GB"
"""What the queries over keys and contents may take before they use the disk."""


@dataclass(frozen=True, slots=True)
class Operation:
    """A change of a tenant's tables on its way; `started` in UTC (ISO 8601), `staging` a local folder.

    `connection` reads what `files` gives; `written` are the files that the operation added to the lake.
    """

    tenant: TenantStore
    kind: str
    id: str
    started: str
    staging: Path
    connection: duckdb.DuckDBPyConnection
    files: LakeFiles
    written: list[Stored] = field(default_factory=list)

    def begin(self, covers: Sequence[str]) -> None:
        """Note that commits follow, once or again; `covers` are digests of what the operation reads."""
        open_intent(self.tenant, Intent(self.id, self.kind, self.started, tuple(covers)))

    def finish(self, covers: Sequence[str], **members: Any) -> Record:
        """Write the record; `members` are those of `Record` that are the operation's own to say."""
        draft = Record(self.id, self.kind, self.started, now(), tuple(covers), tables=table_versions(self.tenant))
        return append_record(self.tenant, replace(draft, **members))


def table_versions(tenant: TenantStore) -> dict[str, int]:
    """The newest Delta version of every table of a tenant, by its path below the tenant's folder."""
    found = {table.name: table.version() for table in tenant.tables()}
    return {name: version for name, version in found.items() if version is not None}


@contextmanager
def operation(tenant: TenantStore, kind: str, time_zone: str) -> Iterator[Operation]:
    """An operation with a staging folder and a DuckDB session, which end with it.

    Raises InputError for a lake of the past, StorageError where the lake cannot be written to, or its store does not
    honour conditional writes.
    """
    if tenant.pinned:
        raise InputError("read_only", "a version of the past cannot be changed", "open the lake itself")
    tenant.store.require()
    require_conditional_writes(tenant.store)
    identifier, files = new_operation_id(), lake_files(tenant.store)
    with (
        staging_folder(tenant, identifier) as staging,
        connect(tenant.store, time_zone=time_zone, files=files) as connection,
    ):
        connection.execute(f"SET memory_limit = '{QUERY_MEMORY}'")
        connection.execute(f"SET temp_directory = {sql_text(str(staging))}")
        define_canonical_rest(connection)
        running = Operation(tenant, kind, identifier, now(), staging, connection, files)
        yield running
    files.remember(running.written)


def new_operation_id() -> str:
    """Names sort by time: `20261231T235959Z-1f2e`."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
