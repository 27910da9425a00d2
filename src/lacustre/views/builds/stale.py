"""How a built view stands to its table: fresh, stale, being built, or failed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

from lacustre.store.delta import LakeTable
from lacustre.store.maintained_table import MaintainedTable
from lacustre.store.tenant import TenantStore
from lacustre.views.builds.attempts import Attempt, read_attempts
from lacustre.views.builds.manifest import UnreadableManifestError, ViewManifest, read_manifest

State: TypeAlias = Literal["fresh", "stale", "building", "failed"]
INTERRUPTED = "the build was interrupted; the next one takes up what it had made"


@dataclass(frozen=True, slots=True)
class ViewState:
    """The state of a view, since when (UTC, ISO 8601), and why it failed.

    `manifest` is of the last finished build, if there was one: what queries see, whatever the state. `newest` is the
    version of the table that a build would be of now, None where that is not known.
    """

    view: str
    state: State
    since: str
    manifest: ViewManifest | None
    newest: int | None
    reason: str = ""


def view_states(tenant: TenantStore) -> list[ViewState]:
    """The states of all views that were built, or tried to be, by name; raises StorageError.

    A view whose manifest cannot be read has failed.
    """
    found = (_state_of(tenant, view) for view in tenant.store.folders(tenant.views_path))
    return [state for state in found if state is not None]


def _state_of(tenant: TenantStore, view: str) -> ViewState | None:
    noted, manifest = read_attempts(tenant, view), None
    try:
        manifest = read_manifest(tenant, view)
    except UnreadableManifestError as error:
        if not any(attempt.is_running for attempt in noted):
            return ViewState(view, "failed", "", None, None, error.message)
    newest = tenant.fhir_table(manifest.resource).version() if manifest else None
    later = [attempt for attempt in noted if manifest is None or _began_after(attempt, manifest)]
    if later:
        last = max(later, key=lambda attempt: (attempt.is_running, attempt.started))
        return _unfinished(view, last, manifest, newest)
    if manifest is None:
        return None
    state: State = "stale" if is_stale(tenant, manifest) else "fresh"
    return ViewState(view, state, manifest.built, manifest, newest)


def _began_after(attempt: Attempt, manifest: ViewManifest) -> bool:
    """Whether an unfinished build began after the one that is shown; of one that cannot be read that is assumed."""
    if attempt.build == manifest.build:
        return False
    shown = datetime.fromisoformat(manifest.moment or manifest.built)
    return not attempt.started or datetime.fromisoformat(attempt.started) > shown


def _unfinished(view: str, attempt: Attempt, manifest: ViewManifest | None, newest: int | None) -> ViewState:
    if attempt.is_running:
        return ViewState(view, "building", attempt.started, manifest, newest)
    return ViewState(view, "failed", attempt.started, manifest, newest, attempt.message or INTERRUPTED)


def is_stale(tenant: TenantStore, manifest: ViewManifest) -> bool:
    """Whether other rows came into the table since the view was built; that files were merged changes nothing.

    A view that asks for the time is stale on another day than that on which its build began, in the tenant's time zone.
    """
    if manifest.depends_on_clock and not _is_of_today(manifest.moment or manifest.built, tenant.settings.time_zone):
        return True
    if _has_other_rows(tenant.fhir_table(manifest.resource), manifest.source_version):
        return True
    inner = tenant.contained_table(manifest.resource)
    return manifest.contained and _has_other_rows(inner, manifest.contained_version)


def _is_of_today(moment: str, time_zone: str) -> bool:
    zone = ZoneInfo(time_zone)
    return datetime.fromisoformat(moment).astimezone(zone).date() == datetime.now(zone).date()


def _has_other_rows(table: LakeTable, built_of: int | None) -> bool:
    version = table.version()
    if version == built_of:
        return False
    return version is None or built_of is None or not MaintainedTable.of(table).same_rows(built_of, version)
