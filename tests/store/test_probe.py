"""The question whether a local disk keeps what commits rest on; servers are asked in tests/faults."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from lacustre.errors import StorageError
from lacustre.store.objects import ObjectStore
from lacustre.store.probe import require_conditional_writes


def test_a_disk_with_hard_links_is_accepted_and_left_as_it_was(tmp_path: Path) -> None:
    store = ObjectStore(str(tmp_path / "lake"))
    require_conditional_writes(store)
    assert list((tmp_path / "lake").iterdir()) == []


def test_a_disk_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ObjectStore(str(tmp_path))
    require_conditional_writes(store)
    monkeypatch.setattr(os, "link", _refuse)
    require_conditional_writes(store)


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP])
def test_a_disk_without_hard_links_is_refused(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", lambda *_: _refuse(number=number))
    with pytest.raises(StorageError, match="no_conditional_writes") as caught:
        require_conditional_writes(ObjectStore(str(tmp_path)))
    assert "hard links" in str(caught.value)
    assert caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_another_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", lambda *_: _refuse(number=errno.ENOSPC))
    with pytest.raises(StorageError, match="storage_failed"):
        require_conditional_writes(ObjectStore(str(tmp_path)))


def _refuse(*_: object, number: int = errno.EPERM) -> None:
    """What a file system without hard links does; there is none to mount without being root."""
    raise OSError(number, os.strerror(number))
