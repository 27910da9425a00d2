"""A chunk of NDJSON becomes Parquet files in a staging folder: the unit of work of a load.

Pure in the sense that matters: the same chunk gives the same files, nothing outside the staging folder is
touched, and nothing is visible to readers before the load commits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lacustre.fhir.model import load_model
from lacustre.fhir.shape import Shape
from lacustre.store.encode import EncodedType, Encoder
from lacustre.store.lake_columns import Origin, add_lake_columns
from lacustre.store.lines import Block, CanonicalLine, LineReader, Reject
from lacustre.store.schema import shape_of

ROW_GROUP_ROWS = 122_880
COMPRESSION = "zstd"


@dataclass(frozen=True, slots=True)
class ChunkSettings:
    """What all chunks of a load share; `staging` is a local folder."""

    fhir_version: str
    shards: int
    origin: Origin
    staging: Path


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some blocks of lines, and the names of the files they are of."""

    number: int
    blocks: tuple[Block, ...]
    files: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A Parquet file that waits for its commit; `size` in bytes."""

    resource_type: str
    shard: int
    path: Path
    rows: int
    size: int
    shape: Shape


@dataclass(frozen=True, slots=True)
class ChunkResult:
    staged: list[StagedFile]
    rejects: list[Reject]
    read: Counter[str]
    rest: dict[str, Counter[str]]


class ChunkEncoder:
    """Encodes the chunks of one load, one after the other; keeps the shapes it saw."""

    def __init__(self, settings: ChunkSettings, shapes: Mapping[str, Shape]) -> None:
        self._settings = settings
        self._model = load_model(settings.fhir_version)
        self._reader = LineReader(self._model)
        self._encoder = Encoder(self._model, shapes)

    def encode(self, chunk: Chunk) -> ChunkResult:
        lines: dict[str, list[tuple[Block, CanonicalLine]]] = {}
        rejects: list[Reject] = []
        for block in chunk.blocks:
            read, refused = self._reader.read(block)
            rejects += refused
            for line in read:
                lines.setdefault(line.resource_type, []).append((block, line))
        result = ChunkResult([], rejects, Counter({name: len(rows) for name, rows in lines.items()}), {})
        for resource_type in sorted(lines):
            self._stage(chunk, resource_type, lines.pop(resource_type), result)
        return result

    def _stage(
        self, chunk: Chunk, resource_type: str, rows: list[tuple[Block, CanonicalLine]], result: ChunkResult
    ) -> None:
        blocks = [block for block, _ in rows]
        encoded_lines = [line for _, line in rows]
        raw: dict[int, list[bytes]] = {}

        def reread(index: int) -> CanonicalLine:
            block = blocks[index]
            if id(block) not in raw:
                raw[id(block)] = block.data.split(b"\n")
            data = raw[id(block)][encoded_lines[index].number - block.first_line]
            return self._reader.read_exact(data)

        encoded = self._encoder.encode(resource_type, encoded_lines, reread)
        if encoded.rest_counts:
            result.rest[resource_type] = encoded.rest_counts
        files = [chunk.files[block.file] for block in blocks]
        table = add_lake_columns(encoded, files, self._model, self._settings.origin)
        for shard, part in _by_shard(table, self._settings.shards):
            path = self._settings.staging / f"{resource_type}-{shard:04d}-{chunk.number:06d}.parquet"
            result.staged.append(_write(resource_type, shard, part, path))


def _by_shard(table: pa.Table, shards: int) -> list[tuple[int, pa.Table]]:
    """The table's rows by shard: the low bits of the patient key; shard 0 where there is no patient."""
    if shards == 1:
        return [(0, table)]
    shard = pc.fill_null(pc.bit_wise_and(table.column("lake_patient_key"), shards - 1), 0)
    present = sorted(pc.unique(shard).to_pylist())
    return [(number, table.filter(pc.equal(shard, number))) for number in present]


def _write(resource_type: str, shard: int, table: pa.Table, path: Path) -> StagedFile:
    write_parquet(table, path)
    return StagedFile(
        resource_type, shard, path, table.num_rows, path.stat().st_size, shape_of(table.schema)
    )


def write_parquet(table: pa.Table, path: Path) -> None:
    """Write a data file the way all data files of a lake are written."""
    pq.write_table(table, path, compression=COMPRESSION, row_group_size=ROW_GROUP_ROWS)
