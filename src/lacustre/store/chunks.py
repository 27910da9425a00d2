"""A chunk of NDJSON becomes Parquet files in a staging folder: the unit of work of a load.

Pure in the sense that matters: the same chunk gives the same files, nothing outside the staging folder is
touched, and nothing is visible to readers before the load commits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lacustre.errors import InputError
from lacustre.fhir.model import load_model
from lacustre.fhir.shape import Shape
from lacustre.store.digest import sha256_of
from lacustre.store.encode import EncodedType, Encoder
from lacustre.store.lake_columns import FileOrigin, Origin, add_lake_columns
from lacustre.store.lines import Block, LineReader, Reject
from lacustre.store.objects import storage_error
from lacustre.store.schema import shape_of

ROW_GROUP_ROWS = 122_880
WRITER_OPTIONS: Mapping[str, Any] = {
    "compression": "zstd",
    # columns with more distinct values are written plainly, which is faster here and not larger
    "dictionary_pagesize_limit": 64 << 10,
}
"""How all data files of a lake are written."""


@dataclass(frozen=True, slots=True)
class ChunkSettings:
    """What all chunks of a load share; `staging` is a local folder."""

    fhir_version: str
    shards: int
    origin: Origin
    staging: Path


@dataclass(frozen=True, slots=True)
class Stretch:
    """Whole lines of an uncompressed local file, which the process that encodes them reads itself.

    `file`, `first_line` and `offset` are those of a `Block`; `size` in bytes.
    """

    file: int
    first_line: int
    offset: int
    size: int
    path: str

    def read(self) -> Block:
        """Raises InputError where the file is shorter than it was, StorageError where it cannot be read."""
        try:
            with Path(self.path).open("rb") as opened:
                opened.seek(self.offset)
                data = opened.read(self.size)
        except OSError as error:
            raise storage_error("read", self.path, error) from error
        if len(data) < self.size:
            raise InputError("source_changed", f"{self.path} became shorter during the load", "load it again")
        return Block(self.file, self.first_line, self.offset, data)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some blocks of lines, and the files they are of, by number."""

    number: int
    blocks: tuple[Block | Stretch, ...]
    files: Mapping[int, FileOrigin]


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A Parquet file that waits for its commit; `size` in bytes, `sha256` of them in hexadecimal."""

    resource_type: str
    shard: int
    path: Path
    rows: int
    size: int
    sha256: str
    shape: Shape


@dataclass(frozen=True, slots=True)
class ChunkResult:
    """What a chunk became; `read` counts the resources by type and number of the file they were in."""

    staged: list[StagedFile]
    rejects: list[Reject]
    read: dict[str, Counter[int]]
    rest: dict[str, Counter[str]]


class ChunkEncoder:
    """Encodes the chunks of one load, one after the other; keeps the shapes it saw."""

    def __init__(self, settings: ChunkSettings, shapes: Mapping[str, Shape]) -> None:
        self._settings = settings
        self._model = load_model(settings.fhir_version)
        self._reader = LineReader(self._model)
        self._encoder = Encoder(self._model, shapes)

    def encode(self, chunk: Chunk) -> ChunkResult:
        result = ChunkResult([], [], {}, {})
        for block in chunk.blocks:
            self._encoder.add(self._reader.read(block if isinstance(block, Block) else block.read()))
        for encoded in self._encoder.finish():
            self._stage(chunk, encoded, result)
        result.rejects.extend(self._encoder.rejects)
        self._encoder.rejects.clear()
        return result

    def _stage(self, chunk: Chunk, encoded: EncodedType, result: ChunkResult) -> None:
        resource_type = encoded.resource_type
        result.read[resource_type] = Counter(encoded.origins.files)
        if counts := encoded.origins.rest_counts:
            result.rest[resource_type] = counts
        table = add_lake_columns(encoded, chunk.files, self._model, self._settings.origin)
        for shard, part in _by_shard(table, self._settings.shards):
            name = f"{resource_type}-{shard:04d}-{chunk.number:06d}.parquet"
            result.staged.append(_write(resource_type, shard, part, self._settings.staging / name))


def _by_shard(table: pa.Table, shards: int) -> list[tuple[int, pa.Table]]:
    """The table's rows by shard: the low bits of the patient key; shard 0 where there is no patient."""
    if shards == 1:
        return [(0, table)]
    shard = pc.fill_null(pc.bit_wise_and(table.column("lake_patient_key"), shards - 1), 0)
    present = sorted(pc.unique(shard).to_pylist())
    return [(number, table.filter(pc.equal(shard, number))) for number in present]


def _write(resource_type: str, shard: int, table: pa.Table, path: Path) -> StagedFile:
    write_parquet(table, path)
    size, sha256 = path.stat().st_size, sha256_of(path)
    return StagedFile(resource_type, shard, path, table.num_rows, size, sha256, shape_of(table.schema))


def write_parquet(table: pa.Table, path: Path) -> None:
    """Write a data file; raises StorageError."""
    try:
        pq.write_table(table, path, row_group_size=ROW_GROUP_ROWS, **WRITER_OPTIONS)
    except OSError as error:
        raise storage_error("write", str(path), error) from error
