"""Folders for unfinished files: gone at the end, and what killed processes left goes too."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from lacustre.errors import StorageError
from lacustre.store.objects import ObjectStore
from lacustre.store.staging import ABANDONED_SECONDS, staging_folder
from lacustre.store.tenant import TenantStore
from lacustre.tenancy import TenantId


@pytest.fixture
def tenant(tmp_path: Path) -> TenantStore:
    return TenantStore(ObjectStore(str(tmp_path)), TenantId("t"))


def test_it_is_removed_at_the_end(tenant: TenantStore) -> None:
    with pytest.raises(KeyError), staging_folder(tenant, "now") as folder:
        (folder / "file").write_text("x")
        raise KeyError
    assert not folder.exists()


def test_only_old_leftovers_are_removed(tenant: TenantStore, tmp_path: Path) -> None:
    parent = tmp_path / "tenants/t/_staging"
    for name, age in (("old", ABANDONED_SECONDS + 60), ("running", 60)):
        (parent / name).mkdir(parents=True)
        (parent / name / "file").write_text("x")
        os.utime(parent / name, (time.time() - age,) * 2)
    with staging_folder(tenant, "now"):
        assert sorted(path.name for path in parent.iterdir()) == ["now", "running"]


def test_a_place_that_cannot_be_written_is_an_error_of_the_store(tenant: TenantStore, tmp_path: Path) -> None:
    (tmp_path / "tenants").write_text("a file")
    with pytest.raises(StorageError, match="storage_failed"), staging_folder(tenant, "now"):
        pass
