"""Where unfinished files lie before they become part of a lake."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lacustre.store.tenant import TenantStore


@contextmanager
def staging_folder(tenant: TenantStore, name: str) -> Iterator[Path]:
    """A local folder that is removed at the end: within a local lake, so that finishing a file is a rename."""
    if tenant.store.remote:
        folder = Path(tempfile.mkdtemp(prefix="lacustre-"))
    else:
        folder = Path(tenant.store.uri(f"{tenant.tenant.root}/_staging/{name}"))
        folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
