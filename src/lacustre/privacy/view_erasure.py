"""The rows of a patient taken out of built views: no view is built anew, no other file is touched."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

import duckdb
import pyarrow as pa

from lacustre.errors import StorageError
from lacustre.privacy.subject import Subject
from lacustre.store.chunks import write_parquet
from lacustre.store.digest import named, sha256_of
from lacustre.store.operation import Operation
from lacustre.store.scan import PARQUET, bind_table, read_parquet, sql_text
from lacustre.store.tenant import CONTAINED
from lacustre.views.builds.attempts import attempts_folder
from lacustre.views.builds.manifest import (
    UnreadableManifestError,
    ViewFile,
    ViewManifest,
    manifest_path,
    read_manifest,
)
from lacustre.views.builds.misfits import count_misfits
from lacustre.views.duckdb.clock import fixed_at

Versions = Mapping[str, tuple[int, int]]
"""The Delta versions before and after the erasure, by resource type, or by name of a table of contained resources."""

_CONTAINER = "regexp_extract(lake_resource, '^[A-Za-z]+/([^#]+)#', 1)"
"""The resource that a row's is contained in (`Medication/MedicationRequest/1#m`); empty where it is in none."""
_ERASED = "IN (SELECT name FROM erased_keys)"
_GONE = f"(lake_patient_key = {{key}} OR lake_resource {_ERASED} OR {_CONTAINER} {_ERASED})"
_CUT = "lake_resource IN (SELECT name FROM cut_keys)"
_PATIENT = "Patient"


class ViewErasure:
    """Takes the rows of the erased resources out of the views; `erased` are keys (`Group/1`) beyond the subject's.

    `cut` are other Patient resources as they will be: views of Patient have their rows made anew.
    """

    def __init__(
        self,
        running: Operation,
        subject: Subject,
        erased: frozenset[str],
        versions: Versions,
        cut: pa.Table | None = None,
    ) -> None:
        self._operation, self._tenant, self._versions = running, running.tenant, versions
        running.connection.register("erased_keys", _names(subject.tokens.keys | erased))
        self._gone = _GONE.format(key=subject.tokens.patient_key)
        self._has_cut = cut is not None
        if cut is not None:
            running.connection.register("cut_keys", _names({f"{_PATIENT}/{one}" for one in cut["id"].to_pylist()}))
            local = running.staging / "cut.parquet"
            write_parquet(cut, local)
            bind_table(running.connection, _PATIENT, [str(local)], cut.schema)

    def run(self) -> tuple[int, list[str]]:
        """Rewrite the files of the current builds; returns the rows taken out, and the files that nobody needs now.

        These are also those of other builds, which the tenant's readers must not need any more, and of views whose
        manifests cannot be read: no query sees them. What a view's state is of stays. Raises StorageError.
        """
        rows, unneeded = 0, []
        for view in self._tenant.store.folders(self._tenant.views_path):
            manifest = self._manifest(view)
            if manifest is not None:
                kept = self._rewritten(manifest)
                rows += manifest.rows - kept.rows
                manifest = kept
            needed = {file.path for file in manifest.files} if manifest else set()
            needed.add(manifest_path(self._tenant, view))
            notes = f"{attempts_folder(self._tenant, view)}/"
            paths = {path for path, _ in self._tenant.store.walk(f"{self._tenant.views_path}/{view}")}
            unneeded += sorted(path for path in paths - needed if not path.startswith(notes))
        return rows, unneeded

    def _manifest(self, view: str) -> ViewManifest | None:
        try:
            return read_manifest(self._tenant, view)
        except UnreadableManifestError:
            return None

    def _rewritten(self, manifest: ViewManifest) -> ViewManifest:
        moment = datetime.fromisoformat(manifest.moment or manifest.built)
        self._operation.connection.execute(fixed_at(moment))  # rows that are made anew are of the others' time
        try:
            without = (self._without(file, manifest) for file in manifest.files)
            files = tuple(file for file in without if file is not None)
        except duckdb.Error as error:  # whose text may quote a value
            view = manifest.view
            raise StorageError("storage_failed", f"cannot rewrite the view {view}: {type(error).__name__}") from None
        kept = self._of_now(replace(manifest, files=files, rows=sum(file.rows for file in files)))
        if kept != manifest:
            self._tenant.store.write(manifest_path(self._tenant, manifest.view), kept.to_json())
        return kept

    def _of_now(self, manifest: ViewManifest) -> ViewManifest:
        """The manifest of a view that is of the tables after the erasure, where it was of those of before."""
        resource = manifest.resource
        own = self._now(resource, manifest.source_version)
        inner = self._now(f"{CONTAINED}/{resource}", manifest.contained_version)
        if (own, inner) == (manifest.source_version, manifest.contained_version):
            return manifest
        tables = (self._tenant.fhir_table(resource), own), (self._tenant.contained_table(resource), inner)
        read = (table.snapshot(version) for table, version in tables if version is not None)
        rows = sum(snapshot.rows for snapshot in read if snapshot is not None)
        return replace(manifest, source_version=own, source_rows=rows, contained_version=inner)

    def _now(self, table: str, version: int | None) -> int | None:
        """The version of a table that takes the place of the one that a view is of."""
        before, after = self._versions.get(table, (None, None))
        return version if version is None or version != before else after

    def _without(self, file: ViewFile, manifest: ViewManifest) -> ViewFile | None:
        """The file, or another without the rows, or None where none is left."""
        connection, store = self._operation.connection, self._tenant.store
        source = read_parquet([store.uri(file.path)])
        touched, made = self._gone, ""
        if self._has_cut and manifest.resource == _PATIENT:
            touched = f"({self._gone} OR {_CUT})"
            made = (
                f" UNION ALL BY NAME FROM ({manifest.sql}) WHERE lake_resource IN (SELECT lake_resource FROM {source})"
            )
        ((count,),) = connection.execute(f"SELECT count(*) FROM {source} WHERE {touched}").fetchall()
        if count == 0:
            return file
        local = self._operation.staging / "view.parquet"
        query = f"SELECT * FROM {source} WHERE {touched} IS NOT TRUE{made}"
        ((rows,),) = connection.execute(f"COPY ({query}) TO {sql_text(str(local))} ({PARQUET})").fetchall()
        if rows == 0:
            return None
        path = f"{file.path.rpartition('/')[0]}/{named(manifest.view, sha256_of(local))}"
        misfits = dict(count_misfits(local)) if file.misfits else {}
        kept = replace(file, path=path, rows=rows, bytes=local.stat().st_size, misfits=misfits)
        store.put(local, path)
        local.unlink()  # the file of the lake may be the same one under two names
        return kept


def _names(keys: Iterable[str]) -> pa.Table:
    return pa.table({"name": pa.array(sorted(keys), pa.string())})
