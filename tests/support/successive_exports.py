"""Two exports of the sample, one after the other: what the second has changes, adds to and deletes from the first."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lacustre.sample import generate_sample
from lacustre.views.catalog import starter_views
from support.loading import Resource, write_lines

TYPES = ("Condition", "Encounter", "Patient")
NEW_TYPE = "Procedure"
UNREADABLE = '{"resourceType":"Patient","id":'
VIEWS = ("encounter", "patient")
"""Views over them."""
LATER = "2026-02-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Exports:
    """Folders, and keys of resources in `first`.

    `more` has new resources only. `second` has them too, newer versions of resources of `first` with a member that
    the tables lack, another type, a line that is no resource, and a file that says that `deleted` were deleted.
    """

    first: Path
    more: Path
    second: Path
    deleted: tuple[str, ...]


def successive_exports(folder: Path, *, patients: int) -> Exports:
    """Write the exports into `folder`; the same number of patients gives the same bytes."""
    sample = generate_sample(folder / "sample", patients=patients).folder
    known: list[Resource] = []
    unknown: list[Resource] = []
    newer: list[Resource] = []
    deleted: list[str] = []
    for name in TYPES:
        for position, resource in enumerate(_latest(sample.glob(f"{name}.*.ndjson"))):
            (unknown if position % 4 == 3 else known).append(resource)
            if position % 4 == 0:
                newer.append(_newer(resource))
            if position % 4 == 1:
                deleted.append(f"{name}/{resource['id']}")
    procedures = list(_latest(sample.glob(f"{NEW_TYPE}.*.ndjson")))
    exports = Exports(folder / "first", folder / "more", folder / "second", tuple(deleted))
    _write(exports.first, known)
    _write(exports.more, unknown)
    _write(exports.second, [*newer, UNREADABLE, *unknown, *procedures], deleted)
    return exports


def definitions_of(folder: Path) -> Path:
    """A folder with the definitions of `VIEWS`."""
    folder.mkdir()
    for name in VIEWS:
        (file,) = starter_views().rglob(f"{name}.json")
        shutil.copy(file, folder)
    return folder


def _write(folder: Path, lines: Sequence[Resource | str], deleted: Sequence[str] = ()) -> None:
    write_lines(folder / "all.ndjson", lines)
    manifest: dict[str, Any] = {
        "transactionTime": LATER,
        "request": "https://example.org/fhir/$export",
        "requiresAccessToken": False,
        "output": [{"type": "Patient", "url": "all.ndjson"}],
        "error": [],
    }
    if deleted:
        entries = [{"request": {"method": "DELETE", "url": key}} for key in deleted]
        write_lines(folder / "deleted.ndjson", [{"resourceType": "Bundle", "type": "transaction", "entry": entries}])
        manifest["deleted"] = [{"type": "Bundle", "url": "deleted.ndjson"}]
    (folder / "manifest.json").write_text(json.dumps(manifest))


def _latest(files: Iterable[Path]) -> Iterator[Resource]:
    """The resources of some files, each in the version that is met last."""
    found: dict[str, Resource] = {}
    for file in sorted(files):
        for line in file.read_text().splitlines():
            resource = json.loads(line)
            found[resource["id"]] = resource
    yield from found.values()


def _newer(resource: Resource) -> Resource:
    meta = {**resource.get("meta", {}), "versionId": "99", "lastUpdated": LATER}
    return {**resource, "meta": meta, "implicitRules": "https://example.org/rules"}
