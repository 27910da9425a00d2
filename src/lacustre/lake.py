"""`Lake`, the object that people hold: each method is one call into a capability."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

from lacustre.errors import DataError, InputError, SettingsError
from lacustre.settings import DEFAULT_MAX_REJECTS, read_settings
from lacustre.store.objects import ObjectStore
from lacustre.store.retention import KEEP_DAYS, KEEP_REJECTS_DAYS, Retention
from lacustre.store.tenant import TenantStore
from lacustre.tenancy import RequestedSettings, TenantId, TenantSettings
from lacustre.views.types import SPEC, Typing

if TYPE_CHECKING:
    import duckdb

    from lacustre.privacy.portability import Portability
    from lacustre.privacy.receipt import Receipt
    from lacustre.quality.thresholds import Thresholds
    from lacustre.query.preview import BuiltView
    from lacustre.store.delta import Snapshot
    from lacustre.store.ledger import Record
    from lacustre.store.load import Progress
    from lacustre.store.load_result import LoadResult
    from lacustre.store.maintain import MaintainResult
    from lacustre.store.open_rejects import RejectedLine, RejectGroup
    from lacustre.store.suppressed import Suppressed
    from lacustre.store.verify import VerifyReport
    from lacustre.views.builds.manifest import ViewManifest
    from lacustre.views.builds.stale import ViewState
    from lacustre.views.check import CheckReport
    from lacustre.views.schema import ViewSchema


@dataclass(frozen=True, slots=True)
class TableInfo:
    """A raw FHIR table, a table of contained resources or a view; `version` is the Delta version that is there, or was
    built from."""

    schema: Literal["fhir", "contained", "main"]
    name: str
    rows: int
    bytes: int
    version: int | None


def _table_info(schema: Literal["fhir", "contained"], name: str, snapshot: Snapshot | None) -> TableInfo | None:
    if snapshot is None:
        return None
    return TableInfo(schema, name, snapshot.rows, sum(file.size for file in snapshot.files), snapshot.version)


class Lake:
    """A health-data lake: one tenant's FHIR tables and views at one URI.

    >>> lake = Lake.open("lake", tenant="chu")            # doctest: +SKIP
    >>> lake.load("export/")                              # doctest: +SKIP
    >>> lake.build_views()                                # doctest: +SKIP
    >>> lake.sql("SELECT count(*) FROM patient").pl()     # doctest: +SKIP
    """

    def __init__(self, tenant: TenantStore) -> None:
        self._tenant = tenant

    @classmethod
    def open(
        cls,
        uri: str | Path | None = None,
        *,
        tenant: str | None = None,
        storage_options: Mapping[str, str] | None = None,
    ) -> Lake:
        """Open the lake at a folder or `s3://bucket/prefix`; it need not exist yet.

        `uri` defaults to `$LACUSTRE_LAKE`, then `./lake`; `tenant` to `$LACUSTRE_TENANT`, then `default`.
        `storage_options` are object-store settings as delta-rs names them (`AWS_ENDPOINT_URL`, …); what is not given
        comes from the environment. Raises SettingsError.
        """
        settings = read_settings()
        place = settings.lake if uri is None else str(uri)
        if not place:
            raise SettingsError("bad_uri", "the place of the lake is empty", "give a folder or s3://bucket/prefix")
        name = settings.tenant if tenant is None else tenant
        return cls(TenantStore(ObjectStore(place, storage_options), TenantId(name)))

    @property
    def uri(self) -> str:
        return self._tenant.store.uri()

    @property
    def tenant(self) -> str:
        return self._tenant.tenant.name

    @property
    def settings(self) -> TenantSettings:
        """FHIR version, time zone and shards: those of the first load, or the defaults before it."""
        return self._tenant.settings

    def __repr__(self) -> str:
        return f"Lake({self.uri!r}, tenant={self.tenant!r})"

    def load(
        self,
        *sources: str | Path,
        fhir_version: str | None = None,
        time_zone: str | None = None,
        shards: int | None = None,
        max_rejects: float = DEFAULT_MAX_REJECTS,
        processes: int | None = None,
        again: bool = False,
        thresholds: Thresholds | None = None,
        progress: Progress | None = None,
    ) -> LoadResult:
        """Load FHIR files, folders, globs, bulk-export manifests or Bundles; see `lacustre.store.load`.

        `max_rejects` is a share, from 0 to 1; `processes` defaults to `$LACUSTRE_PROCESSES`, then to one per core.
        A file that was loaded before, as part of the same export, is left; `again` reads it once more. A load whose
        statement is beyond the `thresholds` is held: it is in the tables, but views are not built of it.
        """
        from lacustre.quality.statement import judge_by
        from lacustre.store.load import LoadOptions, load_source

        if not 0 <= max_rejects <= 1:
            raise SettingsError("bad_max_rejects", f"{max_rejects} is no share of the lines", "0.01 is 1 in 100")
        if processes is not None and processes < 1:
            raise SettingsError("bad_processes", f"{processes} processes cannot load", "give 1 or more")
        requested = RequestedSettings(fhir_version, time_zone, shards)
        if thresholds is not None:
            thresholds.require_types(requested.settle(self._tenant.fixed_settings()).model.resource_types)
        options = LoadOptions(
            requested,
            max_rejects,
            processes or read_settings().processes,
            progress,
            again=again,
            judge=judge_by(thresholds),
        )
        return load_source(self._tenant, [str(source) for source in sources], options)

    def delete(self, *keys: str, key_file: str | Path | None = None, at: datetime | None = None) -> LoadResult:
        """Delete resources, each named `Type/id`, here or on the lines of a file; they stay deleted.

        A version that a source dates after `at` (default: now) brings the resource back; an older one does not. What
        belongs to a deleted patient stays: `erase` removes that too. Raises InputError for what names no resource.
        """
        from lacustre.store.delete import delete_resources

        moment = self._aware(at) if at else datetime.now(UTC)
        return delete_resources(self._tenant, keys, Path(key_file) if key_file else None, moment)

    def _aware(self, moment: datetime) -> datetime:
        """The moment, in the tenant's time zone where it has none."""
        return moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(self.settings.time_zone))

    def erase(
        self,
        patient: str,
        *,
        reason: str,
        request_id: str = "",
        raw: Iterable[str | Path] = (),
        keep_mentions: bool = False,
        unfinished: bool = False,
        prove: bool = True,
        progress: Progress | None = None,
    ) -> Receipt:
        """Erase `Patient/id`: the compartment, what refers to it, its history, rejects, views; then search for it.

        `raw` are folders of kept raw exports, whose NDJSON files lose the patient's lines too. With `keep_mentions`
        resources outside of the compartment stay, and the receipt is not complete. `unfinished` says that no noted
        operation or build runs any more. Older versions of the lake are gone. The same call again completes an
        interrupted erasure. Raises InputError, DataError, before anything is changed, and InputError where a view is
        still being built after five minutes; StorageError.
        """
        from lacustre.privacy.erase import ErasureRequest, erase_patient

        folders = [Path(folder) for folder in raw]
        request = ErasureRequest(reason, request_id, keep_mentions, folders, unfinished, prove, progress)
        return erase_patient(self._tenant, patient, request)

    def suppressed(self) -> list[Suppressed]:
        """The erased patients whom loads leave out, by keyed digests, in the order of the erasures."""
        from lacustre.store.suppressed import suppressed_patients

        return suppressed_patients(self._tenant)

    def lift(self, patient: str, *, reason: str) -> Record:
        """Let loads take the erased `Patient/id` again; the ledger keeps the reason, which must not name the patient.

        Files that were loaded before are taken with `again` only. Raises InputError where the patient is not on the
        list.
        """
        from lacustre.privacy.suppression import lift_suppression

        return lift_suppression(self._tenant, patient, reason)

    def portability(self, patient: str, to: str | Path) -> Portability:
        """Write the resources of `Patient/id` to a new folder, NDJSON by type, or as a Bundle to a `.json` file.

        Raises InputError where there is nothing of the patient, or something at the place.
        """
        from lacustre.privacy.portability import export_patient

        return export_patient(self._tenant, patient, Path(to))

    def publish(self, note: str = "", *, unfinished: bool = False) -> Record:
        """Release what holds the newest version, so that views are built of it; `note` says why, for the ledger.

        `unfinished` also accepts operations that were interrupted. Raises InputError where nothing is held, or an
        operation is unfinished.
        """
        from lacustre.quality.release import publish_held

        return publish_held(self._tenant, note, unfinished=unfinished)

    def rejects(
        self, *, load: str | None = None, file: str | None = None, reason: str | None = None
    ) -> Iterator[RejectedLine]:
        """The rejected lines that no corrected one replaced yet, with their bytes as they were."""
        from lacustre.store.open_rejects import RejectFilter, find_rejects

        return find_rejects(self._tenant, RejectFilter(load, file, reason))

    def reject_groups(
        self, *, load: str | None = None, file: str | None = None, reason: str | None = None
    ) -> list[RejectGroup]:
        """How many rejects are open, by load, file and reason."""
        from lacustre.store.open_rejects import RejectFilter, group_rejects

        return group_rejects(self._tenant, RejectFilter(load, file, reason))

    def reject(self, name: str) -> RejectedLine:
        """The open reject with a key, or of `file:line`; raises InputError where there is none, or several."""
        from lacustre.store.open_rejects import read_reject

        return read_reject(self._tenant, name)

    def retry_rejects(
        self, corrected: Path | str, *, thresholds: Thresholds | None = None, progress: Progress | None = None
    ) -> tuple[LoadResult, int]:
        """Load the corrected lines of a file that `write_rejects` wrote; returns also how many rejects they settle.

        Raises QualityError, with everything as it was, where a line still cannot be a resource; InputError.
        """
        from lacustre.quality.statement import judge_by
        from lacustre.store.load import LoadOptions
        from lacustre.store.reload import retry_rejects

        options = LoadOptions(progress=progress, judge=judge_by(thresholds))
        return retry_rejects(self._tenant, Path(corrected), options)

    def at(self, version: int | datetime) -> Lake:
        """The lake as one of its versions had it, or as it was at an instant: its FHIR tables, read-only.

        Raises InputError where there was no such version.
        """
        from lacustre.store.ledger import record_at

        wanted = self._aware(version) if isinstance(version, datetime) else version
        record = record_at(self._tenant, wanted)
        return Lake(self._tenant.at(record.tables, record.contained))

    def maintain(
        self,
        *,
        keep_days: float = KEEP_DAYS,
        keep_rejects_days: float = KEEP_REJECTS_DAYS,
        progress: Progress | None = None,
    ) -> MaintainResult:
        """Merge small files, give up versions older than `keep_days` and remove what only they needed.

        Others may load and read meanwhile: what is given up goes a day later, with the next call. The newest
        published version is always kept. Raises SettingsError, StorageError.
        """
        from lacustre.store.maintain import maintain
        from lacustre.views.builds.old_builds import remove_old_builds

        retention = Retention(keep_days, keep_rejects_days, progress=progress)
        result = maintain(self._tenant, retention)
        remove_old_builds(self._tenant, retention.before(retention.grace), result.freed)
        return result

    def record(self, version: int | None = None) -> Record:
        """What the ledger says of one version, or of the newest; raises InputError where there is none."""
        from lacustre.store.ledger import newest, record_at

        found = newest(self._tenant) if version is None else record_at(self._tenant, version)
        if found is None:
            raise InputError("no_such_version", "nothing was done to the lake yet", "load something")
        return found

    def verify(self, *, progress: Progress | None = None) -> VerifyReport:
        """Read every byte of the tenant and compare it with what was written; raises StorageError."""
        from lacustre.store.verify import verify

        return verify(self._tenant, progress)

    def history(self) -> Iterator[Record]:
        """What was done to the lake, one record a version, the newest first."""
        from lacustre.store.ledger import records

        return records(self._tenant)

    def build_views(
        self,
        *names: str,
        definitions: Path | str | None = None,
        typing: Typing = SPEC,
        whole: bool = False,
        contained: bool = False,
        progress: Progress | None = None,
    ) -> list[ViewManifest]:
        """Build views, all of a folder where no name is given.

        `definitions` defaults to `./view_definitions`, then to the starter views. Every definition is compiled
        before the first is built; they are built from the newest published version of the lake. Of a view that was
        built before, only the parts of its table that changed are made again; with `whole`, all. `typing` is how
        columns are typed where the view does not say it; `misfits` of a manifest counts what did not fit. With
        `contained` all views have rows of contained resources too, without it those that ask for them. Raises
        QualityError where all versions are held, ViewDefinitionError, InputError, and DataError where the data
        contradict a view, after the others are built.
        """
        from lacustre.store.ledger import publishable
        from lacustre.views.builds.materialise import build_views, failed_views
        from lacustre.views.catalog import default_views, select_views

        if self._tenant.pinned:
            raise InputError("read_only", "views of the past are not built: SQL has them as they were")
        folder = Path(definitions) if definitions else default_views()
        views = select_views(folder, names, self._tenant.model, typing)
        source = publishable(self._tenant)
        outcomes = build_views(source, views, typing=typing, whole=whole, contained=contained, progress=progress)
        failed = [outcome for outcome in outcomes if isinstance(outcome, DataError)]
        if failed:
            raise failed_views(failed)
        return [outcome for outcome in outcomes if not isinstance(outcome, DataError)]

    def drop_views(self, *names: str) -> None:
        """Remove built views with all their files; their definitions stay.

        Raises InputError, before anything is removed, where a view is not there or is being built.
        """
        from lacustre.views.builds.drop import drop_views

        if self._tenant.pinned:
            raise InputError("read_only", "views of the past are not dropped")
        drop_views(self._tenant, names)

    def views(self) -> list[ViewManifest]:
        """The built views, by name."""
        from lacustre.views.builds.manifest import built_views

        return built_views(self._tenant)

    def view(self, name: str) -> BuiltView:
        """A built view, which a notebook shows with its columns and first rows; `.pl()` and `.df()` give the rows.

        Raises InputError where there is no such view.
        """
        from lacustre.query.preview import find_view

        return find_view(self._tenant, self.view_states(), name)

    def view_schema(self, name: str, definitions: Path | str | None = None, *, typing: Typing = SPEC) -> ViewSchema:
        """The columns of what a build of a view writes: `.sql()`, `.arrow()`, `.json()`; nothing is read or run.

        Raises InputError where there is no such view, ViewDefinitionError.
        """
        from lacustre.views.catalog import default_views, select_views
        from lacustre.views.schema import view_schema

        (view,) = select_views(Path(definitions) if definitions else default_views(), [name])
        return view_schema(view, self._tenant.model, typing)

    def explain_view(
        self,
        name: str,
        stage: Literal["ir", "plan", "sql"] = "sql",
        definitions: Path | str | None = None,
        *,
        typing: Typing = SPEC,
    ) -> str:
        """What the compiler makes of a view over the tables as they are now."""
        from lacustre.views.builds.materialise import compile_for
        from lacustre.views.catalog import default_views, select_views
        from lacustre.views.explain import explain_view

        (view,) = select_views(Path(definitions) if definitions else default_views(), [name])
        compiled = compile_for(self._tenant, view, self._tenant.fhir_table(view.resource).snapshot(), typing)
        return explain_view(compiled, stage)

    def check_views(self, paths: str | Path | Iterable[str | Path], *, typing: Typing = SPEC) -> CheckReport:
        """Check ViewDefinition files, and folders of them, against the specification and what the lake holds.

        Nothing is built; `typing` is that of the build which is meant, whose misfits are counted. A lake without tables
        leaves the specification. Raises InputError, StorageError.
        """
        from lacustre.quality.view_check import check_views

        given = [paths] if isinstance(paths, str | Path) else paths
        return check_views(self._tenant, [Path(path) for path in given], typing)

    def draft_view(
        self,
        resource_type: str,
        *,
        for_each: str | None = None,
        at_least: float = 0.05,
        rows: int | None = None,
    ) -> dict[str, Any]:
        """A ViewDefinition, as a JSON object, of the elements that the table of a type really fills.

        `for_each` gives each item of a repeating element a row; `at_least` is the share of rows, from 0 to 1, that have
        to have a value; `rows` looks at as many resources only. Raises InputError, StorageError.
        """
        from lacustre.quality.view_draft import DraftOptions, draft_view

        return draft_view(self._tenant, resource_type, DraftOptions(for_each, at_least, rows))

    def sql(self, query: str) -> duckdb.DuckDBPyRelation:
        """The relation of a query over views (schema `main`) and raw FHIR tables (schema `fhir`).

        It is lazy: fetch with `.pl()`, `.df()` (which needs pandas), `.to_arrow_table()` or `.fetchall()`, in one
        thread at a time. Raises InputError for SQL that DuckDB refuses; what goes wrong while rows are fetched is a
        duckdb.Error, whose text may quote a value of the data.
        """
        from lacustre.query.session import run_query

        return run_query(self._tenant, query)

    def query(
        self, query: str | Path, folder: str | Path | None = None, /, **parameters: object
    ) -> duckdb.DuckDBPyRelation:
        """The relation of an SQLQuery or SQLView: one of a folder, by name, or a `.sql` or `.json` file.

        It is lazy, as that of `sql`. `folder` defaults to `./queries`, then to the starter queries. Parameters are
        Python values, or texts as FHIR writes them. Raises InputError for what is not there, not built or mistyped,
        SqlLibraryError, TerminologyError.
        """
        from lacustre.query.library_session import run_library

        return run_library(self._tenant, query, parameters, Path(folder) if folder else None)

    def session(self) -> duckdb.DuckDBPyConnection:
        """A DuckDB session with all views and tables, for several queries over one state of the lake."""
        from lacustre.query.session import open_session

        return open_session(self._tenant)

    def export(self, resource_type: str) -> Iterator[bytes]:
        """The resources of a type as they were loaded, one NDJSON line each without its line feed."""
        from lacustre.store.export import export_resources

        return export_resources(self._tenant, resource_type)

    def view_states(self) -> list[ViewState]:
        """The states of the views, by name: fresh, stale against the newest published version, building, failed."""
        from lacustre.store.ledger import publishable
        from lacustre.views.builds.stale import view_states

        known = self._tenant.store.folders(self._tenant.views_path)
        return view_states(publishable(self._tenant) if known else self._tenant)

    def stale_views(self) -> list[str]:
        """The built views whose tables have other rows by now, in their newest published version."""
        from lacustre.store.ledger import publishable
        from lacustre.views.builds.stale import is_stale

        built = self.views()
        tenant = publishable(self._tenant) if built else self._tenant
        return [view.view for view in built if is_stale(tenant, view)]

    def tables(self) -> list[TableInfo]:
        """What the lake holds: raw FHIR tables, then those of contained resources, then views."""
        tenant = self._tenant
        raw = (_table_info("fhir", name, tenant.fhir_table(name).snapshot()) for name in tenant.resource_types())
        inner = (
            _table_info("contained", name, tenant.contained_table(name).snapshot()) for name in tenant.contained_types()
        )
        found = [info for info in (*raw, *inner) if info is not None]
        for view in self.views():
            size = sum(file.bytes for file in view.files)
            found.append(TableInfo("main", view.view, view.rows, size, view.source_version))
        return found
