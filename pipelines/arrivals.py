"""Exports that arrive at a place: folders with FHIR files, with a manifest or without."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from lacustre.errors import InputError, StorageError
from lacustre.store.objects import ObjectStore, failures, storage_error
from lacustre.store.sources import LINE_ENDINGS, find_source

ATTEMPT = "_attempt"
"""A file of this name in an export's folder holds a number; a higher one loads the export again."""
_LONGEST_MANIFEST = 64 << 20
_LONGEST_NUMBER = 10


@dataclass(frozen=True, slots=True)
class Arrival:
    """One export: `name` is its folder below the tenant's place, empty where the place itself is it.

    `listing` changes as long as files are being copied; `key` names the export's content and the attempt. `missing`
    is the code of what keeps it from being loaded: a file that its manifest lists and the folder lacks, or one that
    cannot be read.
    """

    tenant: str
    name: str
    place: str
    listing: str
    key: str
    attempt: int
    missing: str | None = None


def find_arrivals(
    place: str, tenant: str, options: Mapping[str, str], known: Mapping[str, str] | None = None
) -> Iterator[Arrival]:
    """The exports at a tenant's place, by name.

    `known` has keys by listing: an export that looks as it did then is not read again, and nobody asks for its
    attempt. Years of exports may lie there.
    """
    store = ObjectStore(place, options)
    for name, files in _exports(store):
        listing = _digest(tenant, name, *(f"{path} {entry['size']} {_changed(entry)}" for path, entry in files))
        if known and listing in known:
            yield Arrival(tenant, name, store.uri(name), listing, known[listing], 1)
        else:
            yield _arrival(store, tenant, name, listing, files)


def find_places(place: str, options: Mapping[str, str]) -> list[str]:
    """Where the exports at a tenant's place lie that have something to load.

    Each is a source of its own: beside a manifest, files that it does not list are no part of its export.
    """
    store = ObjectStore(place, options)
    return [store.uri(name) for name, files in _exports(store) if any(_is_loadable(path) for path, _ in files)]


def _exports(store: ObjectStore) -> list[tuple[str, list[tuple[str, Any]]]]:
    """Names and files: all that is at the place, where something to load lies in it directly, or else each folder."""
    files = _files(store)
    if any("/" not in path and _is_loadable(path) for path, _ in files):
        return [("", files)]
    found: dict[str, list[tuple[str, Any]]] = {}
    for path, entry in files:
        if "/" in path:
            found.setdefault(path.partition("/")[0], []).append((path, entry))
    return sorted(found.items())


def _is_loadable(path: str) -> bool:
    """As a load sees it: names that begin with _ are somebody's notes, such as the state of a bulk export."""
    return path.endswith((*LINE_ENDINGS, ".json")) and not path.rsplit("/", 1)[-1].startswith("_")


def _files(store: ObjectStore) -> list[tuple[str, Any]]:
    """Every file below the place with what the store says of it, but those that begin with a dot."""
    if store.remote:
        store.filesystem.invalidate_cache()
    try:
        found: dict[str, Any] = store.filesystem.find(store.uri(), detail=True)
    except failures() as error:
        raise storage_error("list", store.root, error) from error
    start = len(store.root.removeprefix("s3://")) + 1
    return [(path[start:], found[path]) for path in sorted(found) if "/." not in f"/{path[start:]}"]


def _arrival(store: ObjectStore, tenant: str, name: str, listing: str, files: list[tuple[str, Any]]) -> Arrival:
    place = store.uri(name)
    try:
        missing = _missing(store, place)
        content = _content(store, [(path, int(entry["size"])) for path, entry in files]) or listing
        attempt = next((_number(store.read(path)) for path, _ in files if path.rsplit("/", 1)[-1] == ATTEMPT), 1)
    except (StorageError, RecursionError) as error:  # its own: the others do not wait for it
        code = error.code if isinstance(error, StorageError) else "bad_manifest"
        return Arrival(tenant, name, place, listing, "", 1, code)
    return Arrival(tenant, name, place, listing, f"{tenant}/{name}:{content}:{attempt}", attempt, missing)


def _content(store: ObjectStore, files: list[tuple[str, int]]) -> str | None:
    """The manifests, and how much there is of each file: what was loaded before it was whole is another content.

    None without a manifest.
    """
    loadable = [(path, size) for path, size in files if _is_loadable(path)]
    manifests = [data for data in (_manifest(store, path, size) for path, size in loadable) if data is not None]
    return _digest(*manifests, *(f"{path} {size}" for path, size in loadable)) if manifests else None


def _changed(entry: Mapping[str, Any]) -> object:
    return entry.get("ETag") or entry.get("mtime")


def _manifest(store: ObjectStore, path: str, size: int) -> bytes | None:
    if not path.endswith(".json") or size > _LONGEST_MANIFEST:
        return None
    data = store.read(path) or b""
    if b'"transactionTime"' not in data:
        return None
    try:
        document = json.loads(data)
    except ValueError:
        return None
    return data if isinstance(document, dict) and "transactionTime" in document else None


def _missing(store: ObjectStore, place: str) -> str | None:
    try:
        find_source([place], store.options)
    except InputError as error:
        return error.code
    return None


def _number(data: bytes | None) -> int:
    text = (data or b"").decode(errors="replace").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < _LONGEST_NUMBER else 1


def _digest(*parts: str | bytes) -> str:
    digest = sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8) + data)
    return digest.hexdigest()[:32]
