"""Where unfinished files lie before they become part of a lake."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lacustre.store.objects import storage_error
from lacustre.store.tenant import TenantStore

ABANDONED_SECONDS = 24 * 3600


@contextmanager
def staging_folder(tenant: TenantStore, name: str) -> Iterator[Path]:
    """A local folder that is removed at the end: within a local lake, so that finishing a file is a rename.

    Raises StorageError where there can be none. Folders that killed processes left are removed.
    """
    try:
        folder = _make_folder(tenant, name)
    except OSError as error:
        raise storage_error("write to", tenant.store.uri(tenant.tenant.root), error) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _make_folder(tenant: TenantStore, name: str) -> Path:
    if tenant.store.remote:
        return Path(tempfile.mkdtemp(prefix="lacustre-"))
    folder = Path(tenant.store.uri(f"{tenant.tenant.root}/_staging/{name}"))
    folder.mkdir(parents=True)
    _remove_abandoned(folder.parent)
    return folder


def _remove_abandoned(parent: Path) -> None:
    """Remove the folders without a change for a day: before that, one may be of a process that still runs."""
    for folder in parent.iterdir():
        try:
            if time.time() - folder.stat().st_mtime > ABANDONED_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)
        except FileNotFoundError:
            continue  # another process has removed its own
