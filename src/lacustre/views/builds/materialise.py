"""Views on disk: Parquet files by shard and segment, and a manifest that says what they are of.

A build makes the parts of which the table's files are others than at the last build, and takes the rest from that. It
writes its files beside the last one's and then replaces the manifest, in one step: a reader sees the old build or the
new one. Replaced files stay for a day, for those who opened them. A build that was killed or failed leaves the last
one as it was, and what it had made to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import groupby
from typing import TypeAlias

from lacustre.errors import DataError, StorageError
from lacustre.store.delta import Snapshot
from lacustre.store.tenant import TenantStore
from lacustre.views.builds.building import ViewBuild
from lacustre.views.builds.erased_meanwhile import ErasureGuard
from lacustre.views.builds.manifest import ViewManifest
from lacustre.views.builds.part_session import PartSessions, batches
from lacustre.views.builds.parts import SourcePart, parts_of
from lacustre.views.builds.sources import asks_for_contained, holders, shape_of_table, view_tables
from lacustre.views.compile import CompiledView, compile_view
from lacustre.views.definition import ViewDefinition
from lacustre.views.types import SPEC, Typing

Progress: TypeAlias = Callable[[str, float], None]
Outcome: TypeAlias = ViewManifest | DataError


def compile_for(
    tenant: TenantStore,
    view: ViewDefinition,
    snapshot: Snapshot | None,
    typing: Typing = SPEC,
    *,
    holds_contained: bool = True,
) -> CompiledView:
    """The view compiled for what its table holds now, with the lineage columns."""
    shape = shape_of_table(snapshot, holds_contained=holds_contained)
    return compile_view(view, tenant.model, shape, lineage=True, typing=typing)


def build_view(tenant: TenantStore, view: ViewDefinition, *, typing: Typing = SPEC) -> ViewManifest:
    """Build a view from the newest version of its table; raises as `build_views`, and DataError as it gives it."""
    (outcome,) = build_views(tenant, [view], typing=typing)
    if isinstance(outcome, DataError):
        raise outcome
    return outcome


def build_views(
    tenant: TenantStore,
    views: Sequence[ViewDefinition],
    *,
    typing: Typing = SPEC,
    whole: bool = False,
    contained: bool = False,
    progress: Progress | None = None,
) -> list[Outcome]:
    """Build views from the newest versions of their tables; `whole` makes also those parts that did not change.

    `typing` is how the columns are typed of the views that do not say so themselves. With `contained` all views have
    rows of contained resources too, without it those whose definitions ask for them.

    Gives the manifest of each, in the order of the views, or the DataError of one that the data contradict (several
    values in a column that is not a collection). Views of one resource type are made together, part by part; what asks
    for the time gets the same in all. Raises ViewDefinitionError where a view does not compile, DataError where
    contained resources are wanted and not extracted yet, InputError where another view has its name but for case,
    StorageError, also where a patient is erased meanwhile.
    """
    found: dict[str, Outcome] = {}
    containers = holders(tenant)

    def kind(view: ViewDefinition) -> tuple[str, bool]:
        return view.resource, contained or asks_for_contained(view)

    with PartSessions(tenant, datetime.now(UTC)) as sessions:
        for (resource, with_contained), members in groupby(sorted(views, key=kind), kind):
            group = _Group(
                tenant,
                list(members),
                typing,
                sessions,
                contained=with_contained,
                holds_contained=with_contained or resource in containers,
            )
            report = _within(progress, resource, len(found) / len(views), group.share_of(views))
            found |= group.build(report, whole=whole)
    return [found[view.name] for view in views]


def _within(progress: Progress | None, stage: str, begin: float, share: float) -> Callable[[float], None]:
    """Reports of a stage as reports of the whole, of which it is a share."""
    return lambda done: progress(stage, begin + share * done) if progress else None


class _Group:
    """Views of one resource type, built from one version of its table."""

    def __init__(
        self,
        tenant: TenantStore,
        views: Sequence[ViewDefinition],
        typing: Typing,
        sessions: PartSessions,
        *,
        contained: bool,
        holds_contained: bool,
    ) -> None:
        self._tenant, self._sessions = tenant, sessions
        self._guard = ErasureGuard(tenant, ", ".join(view.name for view in views))  # before the table is read
        self._tables = view_tables(tenant, views[0].resource, contained=contained)
        self._snapshot = self._tables.snapshot
        self._builds = [
            ViewBuild(tenant, view, compile_for(tenant, view, self._snapshot, typing, holds_contained=holds_contained))
            for view in views
        ]

    def share_of(self, views: Sequence[ViewDefinition]) -> float:
        return len(self._builds) / len(views)

    def build(self, report: Callable[[float], None], *, whole: bool) -> dict[str, Outcome]:
        """The outcome of each view, by name; why one failed is noted beside it."""
        try:
            for build in self._builds:
                build.begin(whole=whole)
            if self._snapshot is not None:
                self._make_parts(self._snapshot, report)
            failed = {build.name: build.error for build in self._builds if build.error is not None}
            return {**failed, **self._shown()}
        except BaseException as error:  # also what interrupts a notebook, whose process lives on
            self._give_up(error)
            raise

    def _give_up(self, error: BaseException) -> None:
        """Note why the builds failed; raises StorageError where it is that a patient was erased meanwhile.

        What was written goes before the note says that nothing runs any more: an erasure waits for that.
        """
        try:
            self._refuse_erased()
        finally:
            for build in self._builds:
                if build.error is None:
                    with suppress(StorageError):
                        build.fail(error)

    def _make_parts(self, snapshot: Snapshot, report: Callable[[float], None]) -> None:
        """Make what the last builds lack; a view that fails on one part is not made further."""
        wanted = [(part, self._lacking(part)) for part in parts_of(snapshot.files)]
        changed = [(part, builds) for part, builds in wanted if builds]
        if not changed:
            return
        with self._sessions.opened(snapshot, [part for part, _ in changed]) as session:
            done = 0
            for parts, builds in batches(changed):
                report(done / len(changed))
                # an erasure searches what lies there: what is put after that must be as little as can be
                self._refuse_erased()
                session.make(parts, [build for build in builds if build.error is None])
                done += len(parts)

    def _lacking(self, part: SourcePart) -> tuple[ViewBuild, ...]:
        return tuple(build for build in self._builds if not build.has(part))

    def _shown(self) -> dict[str, ViewManifest]:
        """The views that did not fail, swapped in; none of them where a patient was erased meanwhile."""
        builds = [build for build in self._builds if build.error is None]
        self._refuse_erased()
        shown = {build.name: build.show(self._tables, self._sessions.moment) for build in builds}
        self._refuse_erased()
        for build in builds:
            build.finish(shown[build.name])
        return shown

    def _refuse_erased(self) -> None:
        """Take everything away, also what views that failed have made, where a patient was erased meanwhile."""
        self._guard.refuse(self._tables.versions, [path for build in self._builds for path in build.written])


def failed_views(errors: Sequence[DataError]) -> DataError:
    """One error for all the views that could not be built."""
    if len(errors) == 1:
        return errors[0]
    message = f"{len(errors)} views failed\n" + "\n".join(f"{error.code}: {error.message}" for error in errors)
    return DataError(errors[0].code, message, errors[0].hint)
