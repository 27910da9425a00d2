"""One view on its way from a build to the next: what it has already, what is to be made, and its new manifest."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq

from lacustre.errors import DataError, InputError, StorageError
from lacustre.store.digest import named, sha256_in, sha256_of
from lacustre.store.objects import failures, storage_error
from lacustre.store.operation import new_operation_id
from lacustre.store.reading import lake_files
from lacustre.store.retention import GRACE, Retention
from lacustre.store.tenant import TenantStore
from lacustre.views.builds.attempts import Attempt, forget_attempt, note_attempt, note_failure, read_attempts
from lacustre.views.builds.manifest import (
    ReplacedBuild,
    UnreadableManifestError,
    ViewColumn,
    ViewFile,
    ViewManifest,
    manifest_path,
    read_manifest,
)
from lacustre.views.builds.misfits import count_misfits
from lacustre.views.builds.old_builds import remove_replaced
from lacustre.views.builds.parts import SourcePart
from lacustre.views.builds.sources import ViewTables
from lacustre.views.compile import CompiledView
from lacustre.views.definition import ViewDefinition

FIRST_BUILD = "first build"
ASKED_FOR = "asked for"
NEW_DEFINITION = "definition changed"
NEW_TYPES = "types changed"
NO_MANIFEST = "manifest damaged"
OF_ITS_TIME = "asks for the time"


class ViewBuild:
    """The next build of a view: parts that the last build has, or that a killed one left, are taken as they are.

    A part of which the last build's file is lost or cut off is made again.
    """

    def __init__(self, tenant: TenantStore, view: ViewDefinition, compiled: CompiledView) -> None:
        """Raises InputError where another view has the name but for case."""
        _refuse_twin(tenant, view.name)
        self.compiled = compiled
        self.error: DataError | None = None
        self._tenant, self._view = tenant, view
        self._attempt = Attempt.begin(new_operation_id())
        self._previous, self._whole = _previous(tenant, view, compiled)
        self._known = {file.part: file for file in self._previous.files} if self._previous else {}
        self._empty = set(self._previous.empty) if self._previous else set()
        self._left: dict[str, str] = {}
        self._parts: dict[str, ViewFile | None] = {}
        self.written: list[str] = []
        self._made = 0
        self._seconds = 0.0

    @property
    def name(self) -> str:
        return self.compiled.name

    def begin(self, *, whole: bool) -> None:
        """Note that the build is running; `whole` asks for all parts to be made anew."""
        if whole or self.compiled.depends_on_clock:
            self._whole = self._whole or (ASKED_FOR if whole else OF_ITS_TIME)
            self._known, self._empty = {}, set()
        else:
            there = dict(self._tenant.store.walk(f"{self._tenant.views_path}/{self.name}"))
            self._known = {key: file for key, file in self._known.items() if there.get(file.path) == file.bytes}
            if read_attempts(self._tenant, self.name):
                self._left = _parts_in(there, self.name)
        note_attempt(self._tenant, self.name, self._attempt)

    def fail(self, error: BaseException) -> None:
        """Note why the build failed, or that it was interrupted; the last one stays."""
        if isinstance(error, DataError):
            self.error = error
        note_failure(self._tenant, self.name, self._attempt, error)

    def has(self, part: SourcePart) -> bool:
        """Whether the last build has the part; it is part of this one then."""
        key = part.known_as(self.compiled.hash)
        found = self._known.get(key)
        if found is None and key not in self._empty:
            return False
        self._parts[key] = found
        return True

    def recover(self, part: SourcePart, local: Path) -> bool:
        """Take the part from what a killed build left, if it is there and whole; `local` is a file to copy it to."""
        path = self._left.get(part.known_as(self.compiled.hash))
        if path is None or not _copied(self._tenant, path, local):
            return False
        self.add(part, local, pq.read_metadata(local).num_rows)
        return True

    def add(self, part: SourcePart, local: Path, rows: int) -> None:
        """Put a part that was made to its place; `local` is given away."""
        key = part.known_as(self.compiled.hash)
        self._made += 1
        self._parts[key] = self._put(part, key, local, rows) if rows else None
        local.unlink()  # the file of the lake may be the same one under two names

    def add_empty(self, part: SourcePart) -> None:
        """Note that the part gives no row."""
        self._made += 1
        self._parts[part.known_as(self.compiled.hash)] = None

    def _put(self, part: SourcePart, key: str, local: Path, rows: int) -> ViewFile:
        folder = f"{self._tenant.views_path}/{self.name}/{self._attempt.build}"
        place = f"{folder}/lake_shard={part.shard}/lake_segment={part.segment}"
        path = f"{place}/{named(f'{self.name}-{key}', sha256_of(local))}"
        size, misfits = local.stat().st_size, dict(count_misfits(local)) if self.compiled.misfits else {}
        self._tenant.store.put(local, path)
        self.written.append(path)
        return ViewFile(path, part.shard, part.segment, rows, size, key, misfits)

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Count the time of a `with` block to the view's."""
        started = time.monotonic()
        try:
            yield
        finally:
            self._seconds += time.monotonic() - started

    def show(self, tables: ViewTables, moment: datetime) -> ViewManifest:
        """Show the new build in the place of the last one; its manifest is then among what was `written`.

        `moment` is when it was for what asks for the time.
        """
        manifest, path = self._manifest(tables, moment), manifest_path(self._tenant, self.name)
        self._tenant.store.write(path, manifest.to_json())
        self.written.append(path)
        return manifest

    def finish(self, manifest: ViewManifest) -> None:
        """Note that the build, which is shown, has ended, and remove what nobody reads any more."""
        forget_attempt(self._tenant, self.name, self._attempt)
        store, written = self._tenant.store, set(self.written)  # what is of builds before may have been damaged since
        lake_files(store).remember(file.stored(store) for file in manifest.files if file.path in written)
        if self._previous is not None:
            remove_replaced(self._tenant, self._previous, manifest)

    def _manifest(self, tables: ViewTables, moment: datetime) -> ViewManifest:
        made = (file for file in self._parts.values() if file is not None)
        files = tuple(sorted(made, key=lambda file: (file.shard, file.segment)))
        return ViewManifest(
            self.name,
            self.compiled.resource,
            self.compiled.hash,
            self._attempt.build,
            datetime.now(UTC).isoformat(timespec="seconds"),
            tables.own,
            tables.snapshot.rows if tables.snapshot else 0,
            sum(file.rows for file in files),
            round(self._seconds, 3),
            tuple(
                ViewColumn(column.name, column.type, column.sql_type, column.collection, column.description)
                for column in self.compiled.columns
            ),
            files,
            self.compiled.sql,
            self._view.definition,
            _earlier(self._previous, {file.path for file in files}),
            tuple(key for key, file in self._parts.items() if file is None),
            self._made,
            self._whole,
            self.compiled.typing,
            tables.contained,
            tables.contained_version,
            self.compiled.depends_on_clock,
            moment.isoformat(),
        )


def _previous(tenant: TenantStore, view: ViewDefinition, compiled: CompiledView) -> tuple[ViewManifest | None, str]:
    """The manifest of the build before, and why nothing of that build can be taken, where nothing can."""
    try:
        previous = read_manifest(tenant, view.name)
    except UnreadableManifestError:
        return None, NO_MANIFEST
    if previous is None:
        return None, FIRST_BUILD
    if previous.hash == compiled.hash:
        return previous, ""
    retyped = previous.definition == view.definition and previous.typing != compiled.typing
    return previous, NEW_TYPES if retyped else NEW_DEFINITION


def _earlier(previous: ViewManifest | None, kept: set[str]) -> tuple[ReplacedBuild, ...]:
    """The builds that somebody may still read: those that were replaced in the last day, or just now."""
    if previous is None:
        return ()
    before = Retention().before(GRACE).isoformat()
    read = [build for build in previous.earlier if build.replaced > before]
    gone = tuple(file.path for file in previous.files if file.path not in kept)
    return (*read, ReplacedBuild(previous.build, Retention().before(timedelta()).isoformat(), gone))


def _refuse_twin(tenant: TenantStore, view: str) -> None:
    """To SQL a view `Patient` is the view `patient`: a lake with both could not be queried."""
    for name in tenant.store.folders(tenant.views_path):
        if name != view and name.casefold() == view.casefold():
            message = f"the lake has a view {name}, which SQL cannot tell from {view}"
            raise InputError("view_name_taken", message, f"rename the new one, or `lacustre views drop {name}`")


def _parts_in(paths: Iterable[str], view: str) -> dict[str, str]:
    """The files of a view's folder by the part that they are of."""
    found = {}
    for path in paths:
        stem, digest = path.rpartition("/")[2], sha256_in(path)
        if digest is not None:
            found[stem.removesuffix(f"-{digest}.parquet").removeprefix(f"{view}-")] = path
    return found


def _copied(tenant: TenantStore, path: str, local: Path) -> bool:
    """Whether a file is still there and could be copied with the bytes that its name promises."""
    try:
        with tenant.store.open(path) as source, local.open("wb") as target:
            shutil.copyfileobj(source, target)
    except StorageError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return False
        raise
    except failures() as error:
        raise storage_error("copy", tenant.store.uri(path), error) from error
    return sha256_of(local) == sha256_in(path)
