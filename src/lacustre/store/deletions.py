"""What a source says was deleted: DELETE entries of Bundles, the `deleted` files of an export, files of keys.

FHIR Bulk Data Access, "Response - Complete Status", `deleted`: lines of Bundles of type transaction whose entries
have `request.method` DELETE and `request.url` `Type/id`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from lacustre.errors import InputError
from lacustre.fhir.model import FhirModel
from lacustre.fhir.references import parse_reference
from lacustre.store.bundles import is_delete
from lacustre.store.lake_columns import parse_instant

_BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True, slots=True)
class Deletion:
    """A resource that a source says was deleted; `file` is the file's number in the load, `line` counts from 1."""

    resource_type: str
    id: str
    deleted: datetime
    file: int
    line: int


class UnreadableDeletionError(Exception):
    """An entry or line that names no resource to delete; `code` is the reject's."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code)
        self.code, self.detail = code, detail


@dataclass(frozen=True, slots=True)
class DeletionReader:
    """Reads deletions of one tenant's FHIR version; times without a zone are in `zone`."""

    model: FhirModel
    zone: ZoneInfo

    def line(self, text: bytes, file: int, number: int, received: datetime) -> Iterator[Deletion]:
        """The deletions of a line of a `deleted` file, which is a Bundle; raises UnreadableDeletionError."""
        try:
            bundle = orjson.loads(text)
        except orjson.JSONDecodeError:
            raise UnreadableDeletionError("not_json", "") from None
        entries = bundle.get("entry", []) if isinstance(bundle, dict) else None
        if not isinstance(entries, list) or bundle.get("resourceType") != "Bundle":
            raise UnreadableDeletionError("no_deletion", "a line of a deleted file is a Bundle of DELETE requests")
        instant = self.instant(bundle, received)
        for entry in entries:
            yield self.entry(entry, file, number, instant)

    def instant(self, bundle: Mapping[str, Any], received: datetime) -> datetime:
        """When what a Bundle deletes was deleted, as far as it says; else `received`."""
        meta = bundle.get("meta")
        stated = bundle.get("timestamp") or (meta.get("lastUpdated") if isinstance(meta, dict) else None)
        return self._parsed(stated) or received

    def entry(self, entry: Any, file: int, number: int, instant: datetime) -> Deletion:
        """The deletion of a Bundle's entry; raises UnreadableDeletionError where it is none."""
        request = entry.get("request") if isinstance(entry, dict) else None
        if not isinstance(request, dict) or not is_delete(request):
            raise UnreadableDeletionError("no_deletion", "the entry's request is no DELETE")
        response = entry.get("response")
        stated = self._parsed(response.get("lastModified")) if isinstance(response, dict) else None
        return self.key(str(request.get("url")), file, number, stated or instant)

    def key(self, text: str, file: int, number: int, instant: datetime) -> Deletion:
        """The deletion of `Type/id`; raises UnreadableDeletionError for what names no resource of the version."""
        reference = parse_reference(text)
        if reference is None:
            raise UnreadableDeletionError("no_key", "what is deleted is not named as Type/id")
        if reference.type not in self.model.resource_types:
            raise UnreadableDeletionError("unknown_resource_type", f"not a type of FHIR {self.model.version}")
        return Deletion(reference.type, reference.id, instant, file, number)

    def _parsed(self, text: object) -> datetime | None:
        return parse_instant(text, self.zone) if isinstance(text, str) else None


def read_keys(lines: Iterator[str], reader: DeletionReader, now: datetime) -> list[Deletion]:
    """The deletions of a file of keys: `Type/id` a line, and after a space or tab, if known, the instant.

    Empty lines and those that begin with `#` are passed over. Raises InputError for any other line: nothing is
    deleted by halves.
    """
    found = []
    for number, line in enumerate(lines, 1):
        words = line.removeprefix(_BYTE_ORDER_MARK).split()
        if not words or words[0].startswith("#"):
            continue
        instant = now if len(words) == 1 else parse_instant(words[1], reader.zone)
        if len(words) > 2 or instant is None:
            raise InputError("bad_key", f"line {number} is not `Type/id` with or without an instant")
        try:
            found.append(reader.key(words[0], 0, number, instant))
        except UnreadableDeletionError as error:
            raise InputError("bad_key", f"line {number}: {error.detail}", "write Type/id: Patient/123") from None
    return found
