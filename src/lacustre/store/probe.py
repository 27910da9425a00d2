"""Whether a store keeps what commits rest on: of all who create the same file, one succeeds."""

from __future__ import annotations

import errno
import os
import tempfile
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Barrier

from lacustre.errors import StorageError
from lacustre.store.objects import ObjectStore, storage_error
from lacustre.store.s3 import status_of

AT_ONCE = 2
_START_SECONDS = 60
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL)
_HINT = {
    True: "use a server that honours conditional writes: Amazon S3, Cloudflare R2, MinIO and Ceph from 16 on do; "
    "a proxy before it has to hand on If-None-Match and the answer 412",
    False: "put the lake on a file system with hard links (ext4, XFS, Btrfs, NTFS, NFS), or into a bucket",
}
_kept: set[tuple[str, str]] = set()
"""The places that kept it, in this process."""


def require_conditional_writes(store: ObjectStore) -> None:
    """Raise StorageError `no_conditional_writes` where a second writer could replace what a first one created.

    A bucket or folder is asked once in a process, with some files below `_probe` that are removed again.
    """
    place = _place(store)
    if place in _kept:
        return
    if store.remote:
        _ask_bucket(store)
    else:
        _ask_folder(Path(store.root))
    _kept.add(place)


def _place(store: ObjectStore) -> tuple[str, str]:
    if not store.remote:
        return "", store.root
    return store.options.get("AWS_ENDPOINT_URL", ""), store.root.removeprefix("s3://").split("/", 1)[0]


def _ask_bucket(store: ObjectStore) -> None:
    """Some create a file at once and one comes late: one of the first has to have it, and it has to stay."""
    path = f"_probe/{uuid.uuid4().hex}"
    start = Barrier(AT_ONCE)

    def create(number: int) -> bool:
        start.wait(_START_SECONDS)
        return store.create(path, b"%d" % number)

    try:
        with ThreadPoolExecutor(AT_ONCE) as threads:
            won = [*threads.map(create, range(AT_ONCE)), store.create(path, b"late")]
        if won.count(True) != 1 or store.read(path) != b"%d" % won.index(True):
            raise _refusal(store, "lets a second writer replace the object of a first, and tells neither")
    except StorageError as error:
        if error.__cause__ is None or status_of(error.__cause__) != 501:
            raise
        raise _refusal(store, "has no conditional writes (501 to If-None-Match)") from error
    finally:
        with suppress(StorageError):  # where nothing may be removed, a few bytes stay
            store.remove(path)


def _ask_folder(root: Path) -> None:
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root, prefix="_probe-") as folder:
            first = Path(folder) / "first"
            first.touch()
            os.link(first, first.with_name("second"))
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise storage_error("write to", str(root), error) from error
        raise _refusal(
            ObjectStore(str(root)), "has no hard links, without which no file is created just once"
        ) from error


def _refusal(store: ObjectStore, fault: str) -> StorageError:
    return StorageError(
        "no_conditional_writes",
        f"the store of {store.uri()} {fault}: of two loads at once, one would silently undo the other's commit, "
        "and rows that were reported as loaded would be lost",
        _HINT[store.remote],
    )
