"""The manifest of a built view: which files it is, of which version of its table and of which definition."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from lacustre.errors import StorageError
from lacustre.store.digest import sha256_in
from lacustre.store.objects import ObjectStore
from lacustre.store.reading import StoredFile
from lacustre.store.sealed import seal, unseal
from lacustre.store.tenant import TenantStore
from lacustre.views.types import SPEC, Typing


@dataclass(frozen=True, slots=True)
class ViewColumn:
    """A column of a built view: FHIR type, SQL type, whether it is a list."""

    name: str
    type: str
    sql_type: str
    collection: bool
    description: str | None


@dataclass(frozen=True, slots=True)
class ViewFile:
    """A Parquet file of a view, relative to the lake, and the part of the source table it is made of.

    `part` is what the view makes of that part is known by: `SourcePart.known_as`. `misfits` counts the notes in its
    column `lake_misfits`.
    """

    path: str
    shard: str
    segment: str
    rows: int
    bytes: int
    part: str = ""
    misfits: Mapping[str, int] = field(default_factory=dict, hash=False)

    def stored(self, store: ObjectStore) -> StoredFile:
        """The file as readers want it, with the SHA-256 of its bytes, which its name carries since layout 2."""
        return StoredFile(store.uri(self.path), self.bytes, sha256_in(self.path))


@dataclass(frozen=True, slots=True)
class ReplacedBuild:
    """A build that another took the place of, when (UTC, ISO 8601), and its files that the other does not have."""

    build: str
    replaced: str
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ViewManifest:
    """What a built view is: `source_version` is the Delta version of the resource type's table, None where there
    was no table; `hash` identifies the definition and the compiler's version.

    A view that has contained resources too (`contained`) is also of the table of these, at `contained_version`, None
    where there was none. `empty` are the parts of the table of which the view has no row. `made` of all parts were made
    by this build, the others were taken from the one before; `whole` says why where that was not possible.
    What `depends_on_clock` is of the `moment` when its build began (UTC, ISO 8601).
    """

    view: str
    resource: str
    hash: str
    build: str
    built: str
    source_version: int | None
    source_rows: int
    rows: int
    seconds: float
    columns: tuple[ViewColumn, ...]
    files: tuple[ViewFile, ...]
    sql: str
    definition: str = ""
    earlier: tuple[ReplacedBuild, ...] = ()
    empty: tuple[str, ...] = ()
    made: int = 0
    whole: str = ""
    typing: Typing = SPEC
    contained: bool = False
    contained_version: int | None = None
    depends_on_clock: bool = False
    moment: str = ""

    @property
    def misfits(self) -> Counter[str]:
        """How many values did not fit their columns, by the notes of `lake_misfits` (see `views.misfits`)."""
        found: Counter[str] = Counter()
        for file in self.files:
            found.update(file.misfits)
        return found

    @property
    def parts(self) -> int:
        """The parts of the table, also those that give no row."""
        return len(self.files) + len(self.empty)

    def to_json(self) -> bytes:
        return seal(asdict(self))

    @classmethod
    def read(cls, fields: dict[str, Any]) -> ViewManifest:
        fields["columns"] = tuple(ViewColumn(**column) for column in fields["columns"])
        fields["files"] = tuple(ViewFile(**file) for file in fields["files"])
        fields["earlier"] = tuple(map(_replaced, fields.get("earlier", ())))
        fields["empty"] = tuple(fields.get("empty", ()))
        fields["typing"] = Typing(**fields.get("typing", {}))
        return cls(**fields)


def _replaced(fields: dict[str, Any]) -> ReplacedBuild:
    return ReplacedBuild(fields["build"], fields["replaced"], tuple(fields.get("files", ())))


def manifest_path(tenant: TenantStore, view: str) -> str:
    return f"{tenant.views_path}/{view}/manifest.json"


class UnreadableManifestError(StorageError):
    """A manifest that is damaged, or has other members than those that this release of Lacustre knows."""

    def __init__(self, path: str, view: str) -> None:
        message = f"{path} is damaged, or another release of Lacustre wrote it"
        super().__init__("damaged_file", message, f"`lacustre views build {view}` makes the view anew")


def read_manifest(tenant: TenantStore, view: str) -> ViewManifest | None:
    """The manifest of a built view, or None where it was never built.

    Raises UnreadableManifestError, and StorageError where the store fails.
    """
    path = manifest_path(tenant, view)
    data = tenant.store.read(path)
    try:
        return None if data is None else ViewManifest.read(unseal(data, path))
    except (StorageError, KeyError, TypeError):
        raise UnreadableManifestError(path, view) from None


def built_views(tenant: TenantStore) -> list[ViewManifest]:
    """The manifests of all built views, by name."""
    found = (read_manifest(tenant, name) for name in tenant.store.folders(tenant.views_path))
    return [manifest for manifest in found if manifest is not None]
