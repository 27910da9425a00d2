"""The statement that a load ends in: what came, against what was announced, and what is still missing.

It is made of counts, instants, names of files, of types and of paths, and of the ids of Groups: nothing in it is of a
patient. The ledger keeps it, and decides with it whether views may be built of the load.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import duckdb

from lacustre.errors import StorageError
from lacustre.quality.completeness import LakeCompleteness, assess_completeness, instant_sql
from lacustre.quality.outcomes import count_issues
from lacustre.quality.references import count_references, written_files
from lacustre.quality.thresholds import UNRESOLVED, Thresholds, reasons_to_hold
from lacustre.store.delta import Snapshot
from lacustre.store.ledger import Reason, intents, newest, records
from lacustre.store.load import Judge
from lacustre.store.load_result import FileCounts, LoadResult
from lacustre.store.reading import LakeFiles, lake_files
from lacustre.store.scan import connect, read_parquet, sql_text
from lacustre.store.schema import shape_of
from lacustre.store.sources import Source, SourceFile
from lacustre.store.staging import staging_folder
from lacustre.store.tenant import TenantStore

MEMORY = "512MB"
SHOWN_FILES = 50
"""Files that a statement names, of those whose lines are not as many as announced."""
SHOWN_GROUPS = 50
"""Groups that a statement names: the least complete ones, then the largest."""


def judge_by(thresholds: Thresholds | None = None) -> Judge:
    """What a load asks for its statement, and for the reasons to hold it; by the default thresholds if need be."""
    limits = thresholds or Thresholds()

    def judge(tenant: TenantStore, source: Source, result: LoadResult) -> tuple[dict[str, Any], list[Reason]]:
        statement = make_statement(tenant, source, result)
        return statement, reasons_to_hold(statement, limits, result.load)

    return judge


def make_statement(tenant: TenantStore, source: Source, result: LoadResult) -> dict[str, Any]:
    """The statement of a load whose tables are committed; its members are in docs/reference/statement.md.

    Raises StorageError.
    """
    tables = _tables(tenant)
    loads = _loads(tenant, result)
    unfinished = {intent.id for intent in intents(tenant)} - loads
    known = _last_statement(tenant)
    files = lake_files(tenant.store)
    loaded_files = tenant.files_table.snapshot()
    for snapshot in (*tables.values(), *([loaded_files] if loaded_files else ())):
        files.unchecked(snapshot.files)  # the store would be asked for the size of each
    with _session(tenant, result.load, files) as connection:
        references = count_references(connection, files, tenant.model, tables, loads)
        rechecked = _recheck(tenant, connection, files, tables)
        uris = loaded_files.uris if loaded_files else []
        requests = {_shown(received): request for received, request in source.requests.items()}
        delivered = known["completeness"]["delivered"] if known else {}
        completeness = assess_completeness(connection, tenant.model, tables, uris, unfinished, requests, delivered)
        freshness = known["freshness"] if known else {"updated": {}, "export": _newest_export(connection, uris)}
        # before the first statement, and after the retention of the last one, all that there is
        written = {name: written_files(one, loads) if known else one.uris for name, one in tables.items()}
        updated = _updated(connection, written)
        types = _types(tenant, connection, result, tables, finishes=len(loads) > 1)
    return {
        "types": types,
        "files": _files(source.files, result.sources),
        "errors": dict(sorted(count_issues(source.errors, tenant.store.options).items())),
        "references": [asdict(row) for row in references.literal],
        "other_references": dict(references.others),
        "rechecked_references": rechecked,
        "completeness": _completeness(completeness),
        "freshness": _freshness(freshness, source, updated),
    }


def _tables(tenant: TenantStore) -> dict[str, Snapshot]:
    """The FHIR tables that have rows."""
    found = {name: tenant.fhir_table(name).snapshot() for name in tenant.resource_types()}
    return {name: snapshot for name, snapshot in found.items() if snapshot is not None and snapshot.files}


def _loads(tenant: TenantStore, result: LoadResult) -> set[str]:
    """The load and the interrupted ones that it finishes: together they wrote what its sources hold."""
    taken = {file.cover for file in result.sources}
    return {result.load, *(one.id for one in intents(tenant) if one.kind == "load" and taken.issuperset(one.covers))}


def _recheck(
    tenant: TenantStore, connection: duckdb.DuckDBPyConnection, files: LakeFiles, tables: Mapping[str, Snapshot]
) -> dict[str, dict[str, int]]:
    """The references of the loads that are held for them, counted again: this load may have brought what they lack."""
    last = newest(tenant)
    held = {reason.operation for reason in (last.reasons if last else ()) if reason.code == UNRESOLVED}
    found = {
        load: count_references(connection, files, tenant.model, tables, {load}, merged=True).literal
        for load in sorted(held)
    }
    return {
        load: {"count": sum(row.count for row in rows), "resolved": sum(row.resolved for row in rows)}
        for load, rows in found.items()
    }


@contextmanager
def _session(tenant: TenantStore, load: str, files: LakeFiles) -> Iterator[duckdb.DuckDBPyConnection]:
    with (
        staging_folder(tenant, f"{load}-statement") as staging,
        connect(tenant.store, time_zone="UTC", files=files) as connection,
    ):
        connection.execute(f"SET memory_limit = '{MEMORY}'")
        connection.execute(f"SET temp_directory = {sql_text(str(staging))}")
        connection.execute("SET parquet_metadata_cache = true")
        try:
            yield connection
        except duckdb.Error as error:  # whose text may quote a value
            raise StorageError("statement_failed", f"cannot count what was loaded: {type(error).__name__}") from None


def _types(
    tenant: TenantStore,
    connection: duckdb.DuckDBPyConnection,
    result: LoadResult,
    tables: Mapping[str, Snapshot],
    *,
    finishes: bool,
) -> dict[str, dict[str, int]]:
    """The fates of lines by type, and how many rows its table has now.

    Where the load `finishes` an interrupted one, what that one deleted is seen by the ids that the table lost.
    """
    rows = {name: snapshot.rows for name, snapshot in tables.items()}
    found = {name: {**counts, "rows": rows.get(name, 0)} for name, counts in result.counts_by_type().items()}
    last = newest(tenant) if finishes else None
    for name, version in (last.tables if last else {}).items():
        counts = found.get(name.removeprefix("fhir/"))
        before = tenant.fhir_table(name.removeprefix("fhir/")).snapshot(version) if counts else None
        if counts and before:
            now = tables.get(name.removeprefix("fhir/"))
            counts["deleted"] = max(counts["deleted"], _lost(connection, before, now))
    return found


def _lost(connection: duckdb.DuckDBPyConnection, before: Snapshot, now: Snapshot | None) -> int:
    """How many ids a table had in one version and has not in another."""
    if now is None or not before.files:
        return before.rows
    ids = "(SELECT id FROM {})".format
    query = f"SELECT count(*) FROM {ids(read_parquet(before.uris))} ANTI JOIN {ids(read_parquet(now.uris))} USING (id)"
    return int(connection.execute(query).fetchall()[0][0])


def _files(files: Sequence[SourceFile], counts: Sequence[FileCounts]) -> dict[str, Any]:
    """Announced lines against those that came; blank lines do not count."""
    announced = [(file, count) for file, count in zip(files, counts, strict=True) if count.announced is not None]
    differing = []
    for file, count in announced:
        read = _lines(count)
        # of deletions some servers announce the Bundles, others what these delete
        if read < (count.announced or 0) or (read > (count.announced or 0) and not file.deletions):
            differing.append((count.name, count.announced or 0, read))
    gaps = [wanted - read for _, wanted, read in differing]
    return {
        "all": len(files),
        "announced": len(announced),
        "loaded_before": sum(1 for count in counts if count.loaded_by),
        "differing": len(differing),
        "missing": sum(gap for gap in gaps if gap > 0),
        "surplus": -sum(gap for gap in gaps if gap < 0),
        "named": [{"file": name, "announced": wanted, "read": read} for name, wanted, read in differing[:SHOWN_FILES]],
    }


def _lines(file: FileCounts) -> int:
    return sum(file.lines.values()) + sum(file.rejects.values()) + file.deletions


def _completeness(found: LakeCompleteness) -> dict[str, Any]:
    groups = sorted(
        found.groups.items(), key=lambda entry: (entry[1].complete - entry[1].encounters, -found.members[entry[0]])
    )
    return {
        **asdict(found.whole),
        "delivered": dict(sorted(found.delivered.items())),
        "all_groups": len(groups),
        "groups": {
            name: {"members": found.members[name], **asdict(completeness)}
            for name, completeness in groups[:SHOWN_GROUPS]
        },
    }


def _updated(connection: duckdb.DuckDBPyConnection, files: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The newest `meta.lastUpdated` of the rows of files, by type; not of types that never say it."""
    written = {name: read_parquet(uris) for name, uris in files.items() if uris}
    each = [
        f"SELECT {sql_text(name)}, {instant_sql('max(lake_updated)')} FROM {rows} WHERE meta.lastUpdated IS NOT NULL"
        for name, rows in written.items()
        if "lastUpdated" in shape_of(connection.sql(f"FROM {rows} LIMIT 0").to_arrow_table().schema).get("meta", {})
    ]
    found = connection.execute(" UNION ALL ".join(each)).fetchall() if each else []
    return {name: newest for name, newest in found if newest is not None}


def _last_statement(tenant: TenantStore) -> Mapping[str, Any]:
    """The newest statement of a load that the ledger keeps; nothing where there is none."""
    return next((record.statement for record in records(tenant) if "freshness" in record.statement), {})


def _newest_export(connection: duckdb.DuckDBPyConnection, loaded_files: Sequence[str]) -> str:
    newest = instant_sql("max(TRY_CAST(nullif(export, '') AS TIMESTAMPTZ))")
    rows = connection.execute(f"SELECT {newest} FROM {read_parquet(loaded_files)}").fetchall() if loaded_files else []
    return next((export for (export,) in rows if export), "")


def _freshness(known: Mapping[str, Any], source: Source, updated: Mapping[str, str]) -> dict[str, Any]:
    """The newest update of each type and the newest export, of this load and of those before."""
    before = known["updated"]
    exports = [_shown(file.received) for file in source.files if file.received is not None]
    newest = {name: max(updated.get(name, ""), before.get(name, "")) for name in sorted({*updated, *before})}
    return {"updated": newest, "export": max([*exports, known["export"]])}


def _shown(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
