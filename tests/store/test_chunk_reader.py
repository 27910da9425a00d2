"""Blocks of whole lines, wherever the reads end: no line lost, doubled or moved."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
import xxhash
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lacustre.fhir.model import load_model
from lacustre.store import chunk_reader
from lacustre.store.chunk_reader import ChunkReader
from lacustre.store.deletions import DeletionReader
from lacustre.store.lines import Block
from lacustre.store.sources import find_source

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DELETIONS = DeletionReader(load_model(), ZoneInfo("UTC"))
BOM = b"\xef\xbb\xbf"
LINES = st.lists(
    st.tuples(st.sampled_from([0, 1, 2, 3, 6, 7, 8, 12, 13, 20]), st.sampled_from([b"\n", b"\r\n"])), max_size=6
).map(lambda pairs: b"".join(b"x" * size + end for size, end in pairs))


def placed(data: bytes, line: int, offset: int) -> list[tuple[int, int, bytes]]:
    """Line number, byte offset and bytes of each line."""
    found = []
    for text in data.removesuffix(b"\n").split(b"\n"):
        found.append((line, offset, text))
        line, offset = line + 1, offset + len(text) + 1
    return found


@settings(max_examples=300, suppress_health_check=list(HealthCheck))
@given(
    LINES, st.sampled_from([b"", b"y", b"y" * 9]), st.sampled_from([b"", BOM]), st.integers(3, 17), st.integers(1, 14)
)
@example(b"xxxxxxx\nxx\n", b"", b"", 8, 7)
@example(b"xxxxxxxx\nxx\n", b"", b"", 8, 7)
@example(b"", b"", BOM, 3, 1)
def test_any_lines_and_reads(
    tmp_path_factory: pytest.TempPathFactory, lines: bytes, last: bytes, mark: bytes, block: int, longest: int
) -> None:
    data = lines + last
    path = tmp_path_factory.mktemp("lines") / "a.ndjson"
    path.write_bytes(mark + data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunk_reader, "BLOCK_BYTES", block)
        patch.setattr(chunk_reader, "CHUNK_BYTES", 2 * block)
        patch.setattr(chunk_reader, "BLOCK_LINES", max(1, block // 4))
        reader = ChunkReader(dict(enumerate(find_source([str(path)]).files)), NOW, DELETIONS, None, longest)
        found = []
        for part in (part for chunk in reader.chunks() for part in chunk.blocks):
            whole = part if isinstance(part, Block) else part.read()
            found += placed(whole.data, whole.first_line, whole.offset)
    expected = placed(data, 1, len(mark)) if data else []
    assert found == [line for line in expected if len(line[2]) <= longest]
    rejected = [(reject.line, reject.offset) for reject in reader.rejects]
    assert rejected == [line[:2] for line in expected if len(line[2]) > longest]
    assert reader.bytes_read == len(mark + data)
    assert reader.digests == {0: xxhash.xxh3_128(mark + data).hexdigest()}
