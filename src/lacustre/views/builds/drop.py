"""Built views taken out of a lake; their definitions stay where they are, and can be built again."""

from __future__ import annotations

from collections.abc import Collection

from lacustre.errors import InputError, near
from lacustre.store.tenant import TenantStore
from lacustre.views.builds.attempts import attempts_folder, running_builds
from lacustre.views.builds.manifest import manifest_path


def drop_views(tenant: TenantStore, names: Collection[str]) -> None:
    """Remove built views with all their files, of older builds too: who reads one fails.

    Raises InputError, before anything is removed, where one is not there or is being built; StorageError.
    """
    known = tenant.store.folders(tenant.views_path)
    for name in names:
        if name not in known:
            hint = near(name, known) or "`lacustre views list` lists what there is"
            raise InputError("unknown_view", f"the lake has no view {name}", hint)
    if running := sorted({view for view, attempt in running_builds(tenant) if attempt.is_running} & set(names)):
        raise InputError("view_being_built", f"being built: {', '.join(running)}", "drop it when that has ended")
    for name in names:
        tenant.store.remove(manifest_path(tenant, name))  # first: no query finds a view with a part of its files
        tenant.store.remove(attempts_folder(tenant, name), recursive=True)
        tenant.store.remove(f"{tenant.views_path}/{name}", recursive=True)
