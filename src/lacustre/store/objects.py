"""Files of a lake, on a local disk or in an S3 bucket, behind one small interface."""

from __future__ import annotations

import os
import re
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import fsspec

from lacustre.errors import SettingsError, StorageError

_MISREAD = re.compile(r"%[0-9A-Fa-f]{2}|[\[\]\\]")
"""What delta-rs 1.6.6 takes for something else in the place of a table."""


class ObjectStore:
    """The files below one URI: a folder, `file://…` or `s3://bucket/prefix`.

    `options` are object-store settings as delta-rs names them (`AWS_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID`, …);
    what is not given comes from the environment. Paths are relative, with `/`.
    """

    def __init__(self, uri: str, options: Mapping[str, str] | None = None) -> None:
        scheme = urlsplit(uri).scheme
        self.remote = scheme == "s3"
        if self.remote:
            self.root = uri.rstrip("/")
        elif scheme in ("", "file") or len(scheme) == 1:
            self.root = str(Path(uri.removeprefix("file://")).expanduser().resolve())
        else:
            raise SettingsError("bad_uri", f"{uri} is not a lake URI", "give a folder or s3://bucket/prefix")
        self.options = _with_environment(options or {}) if self.remote else {}
        self.filesystem = _filesystem(self.options, self.remote)

    def uri(self, path: str = "") -> str:
        return f"{self.root}/{path}" if path else self.root

    def require(self) -> None:
        """Raise StorageError where nothing can be written here: the bucket is not there, or not ours to see.

        And SettingsError where the place has a name that tables cannot have.
        """
        if found := _MISREAD.search(self.root.replace(os.sep, "/")):
            raise SettingsError(
                "bad_uri", f"a lake cannot lie in {self.root}", f"give a folder without {found[0]} in its path"
            )
        if not self.remote:
            return
        bucket = self.root.removeprefix("s3://").split("/", 1)[0]
        with _reaching("open", self.root):
            try:
                self.filesystem.call_s3("head_bucket", Bucket=bucket)
            except (FileNotFoundError, PermissionError):
                raise StorageError(
                    "no_bucket", f"there is no bucket {bucket} to see", "create it, or check the credentials"
                ) from None

    def read(self, path: str) -> bytes | None:
        """The bytes of a file, or None where it does not exist."""
        with _reaching("read", self.uri(path)):
            try:
                return bytes(self.filesystem.cat_file(self.uri(path)))
            except FileNotFoundError:
                return None

    def write(self, path: str, data: bytes) -> None:
        """Write a file so that readers see the old bytes or the new ones, never a part."""
        with _reaching("write", self.uri(path)):
            if self.remote:
                self.filesystem.pipe_file(self.uri(path), data)
            else:
                _replace(Path(self.uri(path)), data)

    def create(self, path: str, data: bytes) -> bool:
        """Write a file unless it exists; says whether it was written. Safe against a concurrent creator."""
        with _reaching("create", self.uri(path)):
            if not self.remote:
                return _create(Path(self.uri(path)), data)
            try:
                self.filesystem.pipe_file(self.uri(path), data, mode="create")
            except OSError as error:
                if _precondition_failed(error):
                    return False
                raise
        return True

    def put(self, local: Path, path: str) -> None:
        """Move a finished local file into the store."""
        with _reaching("write", self.uri(path)):
            if self.remote:
                self.filesystem.put_file(str(local), self.uri(path))
                local.unlink()
            else:
                target = Path(self.uri(path))
                target.parent.mkdir(parents=True, exist_ok=True)
                local.replace(target)

    def open(self, path: str) -> IO[bytes]:
        return self.open_uri(self.uri(path))

    def open_uri(self, uri: str) -> IO[bytes]:
        """Open a file of the store by its URI, or any local file by its path."""
        filesystem = self.filesystem if "://" in uri else fsspec.filesystem("file")
        with _reaching("open", uri):
            opened: IO[bytes] = filesystem.open(uri, "rb")
        return opened

    def folders(self, path: str) -> list[str]:
        """Names of the folders directly below `path`, sorted; empty where it does not exist."""
        refreshed = {"refresh": True} if self.remote else {}
        with _reaching("list", self.uri(path)):
            try:
                entries = self.filesystem.ls(self.uri(path), detail=True, **refreshed)
            except FileNotFoundError:
                return []
        return sorted(e["name"].rstrip("/").rsplit("/", 1)[1] for e in entries if e["type"] == "directory")

    def walk(self, path: str) -> Iterator[tuple[str, int]]:
        """Every file below `path`: its path relative to the store's root, and its size in bytes; sorted."""
        with _reaching("list", self.uri(path)):
            found: dict[str, Any] = self.filesystem.find(self.uri(path), detail=True)
        root = self.root.removeprefix("s3://")
        for name in sorted(found):
            yield name[len(root) + 1 :], int(found[name]["size"])

    def remove(self, path: str, *, recursive: bool = False) -> None:
        """Remove a file or folder; nothing happens where it does not exist."""
        with _reaching("remove", self.uri(path)), suppress(FileNotFoundError):
            self.filesystem.rm(self.uri(path), recursive=recursive)


@contextmanager
def _reaching(verb: str, uri: str) -> Iterator[None]:
    """Turn a failure of the store into a StorageError."""
    try:
        yield
    except failures(ValueError) as error:
        raise storage_error(verb, uri, error) from error


def failures(*others: type[Exception]) -> tuple[type[Exception], ...]:
    """What files raise: OSError, `others`, and the errors of an S3 client, which are no OSError."""
    return (OSError, *others, *_of_botocore("BotoCoreError"))


def _of_botocore(*names: str) -> tuple[type[Exception], ...]:
    """Exceptions of botocore, none before it is imported with the first bucket."""
    module = sys.modules.get("botocore.exceptions")
    return tuple(getattr(module, name) for name in names) if module else ()


def storage_error(verb: str, uri: str, error: Exception) -> StorageError:
    passing = (TimeoutError, ConnectionError), _of_botocore("ConnectionError", "HTTPClientError")
    return StorageError(
        "storage_failed",
        f"cannot {verb} {uri}: {type(error).__name__}: {error}",
        "check the URI, the credentials and AWS_ENDPOINT_URL" if uri.startswith("s3://") else None,
        transient=any(isinstance(error, kinds) for kinds in passing),
    )


def _precondition_failed(error: Exception) -> bool:
    """Whether a conditional write lost: s3fs says FileExistsError only where the server names the condition."""
    response = getattr(error.__cause__, "response", None) or {}
    code = response.get("Error", {}).get("Code")
    return isinstance(error, FileExistsError) or code in ("PreconditionFailed", "412")


_ENVIRONMENT = (
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_REGION",
    "AWS_ALLOW_HTTP",
)  # fmt: skip


def _with_environment(options: Mapping[str, str]) -> dict[str, str]:
    found = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    found |= {name.upper(): value for name, value in options.items()}
    if "AWS_DEFAULT_REGION" in os.environ:
        found.setdefault("AWS_REGION", os.environ["AWS_DEFAULT_REGION"])
    found.setdefault("AWS_REGION", "us-east-1")
    if found.get("AWS_ENDPOINT_URL", "").startswith("http://"):
        found.setdefault("AWS_ALLOW_HTTP", "true")
    return found


def _filesystem(options: Mapping[str, str], remote: bool) -> Any:
    if not remote:
        return fsspec.filesystem("file")
    try:
        return fsspec.filesystem(
            "s3",
            key=options.get("AWS_ACCESS_KEY_ID"),
            secret=options.get("AWS_SECRET_ACCESS_KEY"),
            token=options.get("AWS_SESSION_TOKEN"),
            endpoint_url=options.get("AWS_ENDPOINT_URL"),
            client_kwargs={"region_name": options["AWS_REGION"]},
            use_listings_cache=False,
        )
    except ImportError:
        raise SettingsError("s3_not_installed", "s3:// needs s3fs", "pip install 'lacustre[s3]'") from None


def _replace(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    part.write_bytes(data)
    part.replace(path)


def _create(path: Path, data: bytes) -> bool:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    part.write_bytes(data)
    try:
        os.link(part, path)
    except FileExistsError:
        return False
    finally:
        part.unlink()
    return True
