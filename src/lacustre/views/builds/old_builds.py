"""Builds of views that nobody reads any more, and what killed builds left."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from lacustre.store.tenant import TenantStore
from lacustre.store.vacuum import Freed, old_files
from lacustre.views.builds.attempts import attempts_folder
from lacustre.views.builds.manifest import UnreadableManifestError, ViewManifest, manifest_path, read_manifest


def remove_old_builds(tenant: TenantStore, before: datetime, freed: Freed) -> None:
    """Remove what nobody needs of all views whose manifests can be read; raises StorageError.

    Somebody may still read a build that was replaced after `before`.
    """
    for view in tenant.store.folders(tenant.views_path):
        with suppress(UnreadableManifestError):
            _remove_builds(tenant, view, read_manifest(tenant, view), before, freed)


def remove_replaced(tenant: TenantStore, last: ViewManifest, new: ViewManifest) -> None:
    """Remove the files that a view's last manifest still named for its readers, and the new one does not any more.

    What no manifest names, because a build was killed, is left to `remove_old_builds`, which lists the whole folder.
    """
    needed = {file.path for file in new.files}.union(*(build.files for build in new.earlier))
    for path in {path for build in last.earlier for path in build.files} - needed:
        tenant.store.remove(path)


def _remove_builds(
    tenant: TenantStore, view: str, manifest: ViewManifest | None, before: datetime, freed: Freed
) -> None:
    """Remove the files of a view but for those of its manifest, of builds that were replaced after an instant, and
    of what came to its place after it, which a running build may just have put there.
    """
    folder = f"{tenant.views_path}/{view}"
    needed, notes = {manifest_path(tenant, view)}, f"{attempts_folder(tenant, view)}/"
    if manifest is not None:
        read = (build.files for build in manifest.earlier if _instant(build.replaced) > before)
        needed.update((file.path for file in manifest.files), *read)
    for file in old_files(tenant.store, folder, before):
        if file.path not in needed and not file.path.startswith(notes):
            tenant.store.remove(file.path)
            freed.files += 1
            freed.bytes += file.size


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
