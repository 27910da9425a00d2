"""Exports that arrive at a place: folders with FHIR files, with a manifest or without."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from lacustre.errors import InputError
from lacustre.store.objects import ObjectStore
from lacustre.store.sources import LINE_ENDINGS, find_source

ATTEMPT = "_attempt"
"""A file of this name in an export's folder holds a number; a higher one loads the export again."""
_LONGEST_MANIFEST = 64 << 20


@dataclass(frozen=True, slots=True)
class Arrival:
    """One export: `name` is its folder below the tenant's place, empty where the place itself is it.

    `listing` changes as long as files are being copied; `key` names the export's content and the attempt. `missing`
    is the code of what keeps it from being loaded: a file that its manifest lists and the folder lacks.
    """

    tenant: str
    name: str
    place: str
    listing: str
    key: str
    attempt: int
    missing: str | None = None


def find_arrivals(place: str, tenant: str, options: Mapping[str, str]) -> Iterator[Arrival]:
    """The exports at a tenant's place, by name."""
    store = ObjectStore(place, options)
    found: dict[str, list[tuple[str, Any]]] = {}
    for path, entry in _files(store):
        found.setdefault(path.partition("/")[0] if "/" in path else "", []).append((path, entry))
    if any(path.endswith((*LINE_ENDINGS, ".json")) for path, _ in found.get("", ())):
        yield _arrival(store, tenant, "", [entry for group in found.values() for entry in group])
        return
    for name, group in sorted(found.items()):
        if name:
            yield _arrival(store, tenant, name, group)


def _files(store: ObjectStore) -> list[tuple[str, Any]]:
    """Every file below the place with what the store says of it, but those that begin with a dot."""
    if store.remote:
        store.filesystem.invalidate_cache()
    found: dict[str, Any] = store.filesystem.find(store.uri(), detail=True)
    start = len(store.root.removeprefix("s3://")) + 1
    return [(path[start:], found[path]) for path in sorted(found) if "/." not in f"/{path[start:]}"]


def _arrival(store: ObjectStore, tenant: str, name: str, files: list[tuple[str, Any]]) -> Arrival:
    listing = _digest(*(f"{path} {entry['size']} {_changed(entry)}" for path, entry in files))
    paths = [(path, int(entry["size"])) for path, entry in files]
    manifests = [data for data in (_manifest(store, path, size) for path, size in paths) if data is not None]
    content = _digest(*manifests) if manifests else listing
    attempt = next((_number(store.read(path)) for path, _ in paths if path.rsplit("/", 1)[-1] == ATTEMPT), 1)
    place = store.uri(name)
    return Arrival(
        tenant, name, place, listing, f"{tenant}/{name}:{content}:{attempt}", attempt, _missing(store, place)
    )


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
    return int(text) if text.isascii() and text.isdigit() else 1


def _digest(*parts: str | bytes) -> str:
    digest = sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8) + data)
    return digest.hexdigest()[:32]
