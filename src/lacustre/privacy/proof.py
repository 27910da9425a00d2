"""Proof of an erasure: every remaining byte of a tenant is read, and none of the patient's identifiers is in it.

Parquet files are decoded and all of their texts searched, also nested ones, and their footers, which hold
statistics. Everything else is searched as it is, packed files unpacked, and so are the names of files and folders.
Searched for are: references to each resource of the compartment; the ids of these, identifiers, telephone and full
names of the patient as whole words, where they are long and nobody else's; every id as the exact value of the `id`
column of its type's table; the lake's number of the patient, as a value and as bytes. What is found is told by file,
never by value.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lacustre.privacy.leaves import Leaf, leaves
from lacustre.privacy.subject import Subject
from lacustre.store.objects import failures, storage_error
from lacustre.store.tenant import TenantStore

BATCH_ROWS = 16_384
CHUNK_BYTES = 4 << 20
OVERLAP_BYTES = 4096
"""What two pieces of a long file have in common; no token is longer."""

NAME = "(a file whose name identifies the patient)"

Progress = Callable[[str, float], None]


@dataclass(slots=True)
class Proof:
    """What was read, in files and bytes, and how often something was found, by file."""

    tokens: int
    left_out: int
    files: int = 0
    bytes: int = 0
    hits: dict[str, int] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        return not self.hits


def prove(tenant: TenantStore, subject: Subject, raw: Sequence[Path] = (), progress: Progress | None = None) -> Proof:
    """Search a tenant's folder, and folders of raw exports, for what identifies a patient. Raises StorageError."""
    scan = _Scan(tenant, subject)
    root = tenant.tenant.root
    files = [(path.removeprefix(f"{root}/"), tenant.store.uri(path)) for path, _ in tenant.store.walk(root)]
    files += [(str(path), str(path)) for folder in raw for path in sorted(folder.rglob("*")) if path.is_file()]
    for number, (name, uri) in enumerate(files):
        if progress is not None:
            progress("searching what is left", number / len(files))
        scan.file(name, uri)
    return scan.proof


class _Scan:
    def __init__(self, tenant: TenantStore, subject: Subject) -> None:
        self._store, self._subject = tenant.store, subject
        self._finder = subject.tokens.finder()
        self._key = subject.tokens.patient_key
        self.proof = Proof(len(subject.tokens), subject.tokens.left_out)

    def file(self, name: str, uri: str) -> None:
        if self._found(name.encode()):
            self._hit(NAME, 1)
        try:
            with self._store.open_uri(uri) as opened:
                hits = self._parquet(name, opened) if name.endswith(".parquet") else self._stream(name, opened)
        except FileNotFoundError:
            return  # removed meanwhile, by whoever finished something
        except failures(pa.ArrowException, EOFError) as error:
            raise storage_error("search", uri, error) from error
        self.proof.files += 1
        if hits:
            self._hit(NAME if self._found(name.encode()) else name, hits)

    def _hit(self, name: str, times: int) -> None:
        self.proof.hits[name] = self.proof.hits.get(name, 0) + times

    def _stream(self, name: str, opened: IO[bytes]) -> int:
        hits, kept = 0, b""
        for chunk in self._counted(gzip.GzipFile(fileobj=opened) if name.endswith(".gz") else opened):
            hits += self._found(kept + chunk)
            kept = chunk[-OVERLAP_BYTES:]
        return hits

    def _counted(self, opened: Any) -> Iterator[bytes]:
        while chunk := opened.read(CHUNK_BYTES):
            self.proof.bytes += len(chunk)
            yield chunk

    def _parquet(self, name: str, opened: IO[bytes]) -> int:
        size = opened.seek(0, 2)
        opened.seek(size - 8)
        footer = 8 + int.from_bytes(opened.read(8)[:4], "little")
        opened.seek(max(0, size - footer))
        hits = int(self._found(opened.read()))
        opened.seek(0)
        self.proof.bytes += size
        with pq.ParquetFile(opened) as file:
            for batch in file.iter_batches(BATCH_ROWS):
                hits += sum(self._leaf(name, leaf) for leaf in leaves(batch))
        return hits

    def _leaf(self, name: str, leaf: Leaf) -> int:
        """How many values hold something; equal values are looked at once."""
        if pa.types.is_dictionary(leaf.values.type):
            leaf = Leaf(leaf.path, leaf.values.cast(leaf.values.type.value_type), leaf.find_rows)
        if pa.types.is_integer(leaf.values.type):
            return int(pc.sum(pc.equal(leaf.values, self._key)).as_py() or 0) if leaf.values.type == pa.int64() else 0
        if not leaf.is_text:
            return 0
        hits = self._ids(name, leaf)
        values = [value for value in pc.unique(leaf.values).to_pylist() if value is not None]
        distinct = [value if isinstance(value, bytes) else value.encode() for value in values]
        if self._found(b"\0".join(distinct)):
            hits += sum(1 for value in distinct if self._found(value)) or 1
        return hits

    def _ids(self, name: str, leaf: Leaf) -> int:
        """How many values of the `id` column of a table of resources, or of deletions, are of the compartment."""
        folder, _, rest = name.partition("/")
        kind = rest.partition("/")[0].removeprefix("resource_type=")
        if leaf.path != "id" or folder not in ("fhir", "deleted") or kind not in self._subject.ids:
            return 0
        ids = pa.array(sorted(self._subject.ids[kind]), pa.string())
        return int(pc.sum(pc.is_in(leaf.values, ids)).as_py() or 0)

    def _found(self, data: bytes) -> bool:
        return data in self._finder or any(stored in data for stored in self._finder.key_bytes)
