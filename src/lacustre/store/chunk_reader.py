"""The files of a source, read as chunks of whole lines."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Any, cast

import orjson

from lacustre.errors import InputError
from lacustre.store.bundles import Entry, find_entries
from lacustre.store.chunks import Chunk, Stretch
from lacustre.store.deletions import Deletion, DeletionReader, UnreadableDeletionError
from lacustre.store.digest import DigestingReader
from lacustre.store.lake_columns import FileOrigin
from lacustre.store.lines import KEPT_OF_OVERSIZED, Block, Reject
from lacustre.store.objects import ObjectStore, failures, storage_error
from lacustre.store.sources import LINE_ENDINGS, SourceFile

MAX_LINE_BYTES = 64 << 20
CHUNK_BYTES = 32 << 20
LEAST_CHUNK_BYTES = CHUNK_BYTES // 2
BLOCK_BYTES = 4 << 20
BLOCK_LINES = BLOCK_BYTES // 32
"""More than a block of resources has: a block of shorter lines is cut, since each of them may become a reject."""
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class ChunkReader:
    """Reads the files of a source; `rejects`, `deletions`, `digests` and `bytes_read` (uncompressed) grow meanwhile.

    `files` are those to read, by their number in the load; one without a time was received at `started`. Lines
    longer than `max_line_bytes`, their line feed left out, are rejected without being held. `digests` are of whole
    files, by number.
    """

    def __init__(
        self,
        files: Mapping[int, SourceFile],
        started: datetime,
        deletions: DeletionReader,
        options: Mapping[str, str] | None = None,
        max_line_bytes: int = MAX_LINE_BYTES,
    ) -> None:
        self._files, self._started = files, started
        self._deletion_reader = deletions
        self._options = options
        self._max_line_bytes = max_line_bytes
        self.rejects: list[Reject] = []
        self.deletions: list[Deletion] = []
        self.digests: dict[int, str] = {}
        self.bytes_read = 0

    def chunks(self, takers: int = 1) -> Iterator[Chunk]:
        """The last ones are smaller where several processes take them, so that none has long to wait for another.

        Raises InputError for a damaged file, StorageError where one cannot be read.
        """
        blocks: list[Block | Stretch] = []
        size = number = 0
        whole = sum(file.size for file in self._files.values())
        for block in self._blocks():
            blocks.append(block)
            size += block.size
            left = (whole - self.bytes_read) // (2 * takers)
            if size >= (CHUNK_BYTES if takers == 1 else min(CHUNK_BYTES, max(LEAST_CHUNK_BYTES, left))):
                yield self._chunk(number, blocks)
                blocks, size, number = [], 0, number + 1
        if blocks:
            yield self._chunk(number, blocks)

    def _chunk(self, number: int, blocks: list[Block | Stretch]) -> Chunk:
        numbers = {block.file for block in blocks}
        origins = {file: FileOrigin(self._files[file].name, self._received(file)) for file in numbers}
        return Chunk(number, tuple(blocks), origins)

    def _received(self, number: int) -> datetime:
        return self._files[number].received or self._started

    def _blocks(self) -> Iterator[Block | Stretch]:
        for number, file in self._files.items():
            try:
                with open_source(file, self._options) as raw:
                    digesting = DigestingReader(raw)
                    yield from self._read(number, file, _decompressed(file, digesting))
                    self.digests[number] = digesting.hexdigest()
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise InputError(
                    "damaged_gzip", f"{file.name} is not whole: {error}", "download or compress the file again"
                ) from None
            except failures() as error:
                raise storage_error("read", file.uri, error) from error

    def _read(self, number: int, file: SourceFile, opened: IO[bytes]) -> Iterator[Block | Stretch]:
        if not file.uri.endswith(LINE_ENDINGS):
            yield from self._document(number, file, opened)
            return
        if file.deletions:
            self._read_deletions(number, opened)
            return
        local = not file.uri.endswith(".gz") and not file.uri.startswith("s3://")
        for block in self._lines(number, opened):
            yield Stretch(number, block.first_line, block.offset, block.size, file.uri) if local else block

    def _read_deletions(self, number: int, opened: IO[bytes], head: bytes = b"") -> None:
        received = self._received(number)
        for block in self._lines(number, opened, head):
            offset = block.offset
            for line, text in enumerate(block.data.removesuffix(b"\n").split(b"\n"), block.first_line):
                try:
                    if text.strip():
                        self.deletions += list(self._deletion_reader.line(text, number, line, received))
                except UnreadableDeletionError as error:
                    self.rejects.append(Reject(number, line, offset, error.code, error.detail, text))
                offset += len(text) + 1

    def _lines(self, number: int, opened: IO[bytes], head: bytes = b"") -> Iterator[Block]:
        cutter = _LineCutter(number, self._max_line_bytes, self.rejects)
        data = head or opened.read(BLOCK_BYTES)
        while data:
            self.bytes_read += len(data)
            yield from cutter.feed(data)
            data = opened.read(BLOCK_BYTES)
        yield from cutter.end()

    def _document(self, number: int, file: SourceFile, opened: IO[bytes]) -> Iterator[Block]:
        """A Bundle's entries, or the resource, as lines; what begins with a line that is one is taken as NDJSON."""
        head = opened.read(BLOCK_BYTES)
        if _begins_with_line(head):
            if file.deletions:
                self._read_deletions(number, opened, head)
            else:
                yield from self._lines(number, opened, head)
            return
        data = head + opened.read()
        self.bytes_read += len(data)
        mark = len(data) - len(data.removeprefix(_BYTE_ORDER_MARK))
        instant: datetime | None = None
        for entry in find_entries(data[mark:]):
            code, detail = entry.code, entry.detail
            if file.deletions and not code:
                code, detail = "no_deletion", "the entry's request is no DELETE"
            if not code and len(entry.text) > self._max_line_bytes:
                code, detail = "oversized", f"longer than {self._max_line_bytes} bytes"
            if code == "deletion":
                instant = instant or self._deletion_reader.instant(_envelope(data[mark:]), self._received(number))
                try:
                    self._delete(number, entry, instant)
                except UnreadableDeletionError as error:
                    code, detail = error.code, error.detail
                else:
                    continue
            if code:
                kept = entry.text[:KEPT_OF_OVERSIZED]
                self.rejects.append(Reject(number, entry.number, mark + entry.offset, code, detail, kept))
            else:
                yield Block(number, entry.number, mark + entry.offset, entry.text)

    def _delete(self, number: int, entry: Entry, instant: datetime) -> None:
        try:
            whole = orjson.loads(entry.text)
        except orjson.JSONDecodeError:
            raise UnreadableDeletionError("not_json", "the entry cannot be read") from None
        self.deletions.append(self._deletion_reader.entry(whole, number, entry.number, instant))


@contextmanager
def open_source(file: SourceFile, options: Mapping[str, str] | None) -> Iterator[IO[bytes]]:
    """The bytes of a file as they are stored."""
    folder, _, name = file.uri.rpartition("/")
    remote = file.uri.startswith("s3://")
    with ObjectStore(folder, options).stream(name) if remote else Path(file.uri).open("rb") as opened:
        yield opened


def _decompressed(file: SourceFile, raw: DigestingReader) -> IO[bytes]:
    return io.BufferedReader(gzip.GzipFile(fileobj=raw)) if file.uri.endswith(".gz") else cast(IO[bytes], raw)


def _envelope(document: bytes) -> dict[str, Any]:
    """The members of a document, none where it cannot be read as a whole."""
    try:
        members = json.loads(document)
    except (ValueError, RecursionError):
        return {}
    return members if isinstance(members, dict) else {}


def _begins_with_line(head: bytes) -> bool:
    """Whether the first line is JSON by itself, with more behind it."""
    first, _, more = head.removeprefix(_BYTE_ORDER_MARK).lstrip().partition(b"\n")
    if not more.strip():
        return False
    try:
        return isinstance(orjson.loads(first), dict)
    except orjson.JSONDecodeError:
        return False


class _LineCutter:
    """Cuts a stream of bytes at line feeds into blocks, and puts oversized lines aside without holding them."""

    def __init__(self, file: int, max_line_bytes: int, rejects: list[Reject]) -> None:
        self._file = file
        self._max = max_line_bytes
        self._rejects = rejects
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._line, self._offset = 1, 0
        self._started = self._skipping = False

    def feed(self, data: bytes) -> Iterator[Block]:
        """The lines that are whole now."""
        if not self._started:
            self._started = True
            if data.startswith(_BYTE_ORDER_MARK):
                data = data[len(_BYTE_ORDER_MARK) :]
                self._offset = len(_BYTE_ORDER_MARK)
        if self._skipping:
            data = self._skip(data)
        end = data.rfind(b"\n") + 1
        if end:
            whole = b"".join([*self._pending, memoryview(data)[:end]])
            self._pending, self._pending_bytes, data = [], 0, data[end:]
            yield from self._cut(whole)
        self._hold(data)

    def end(self) -> Iterator[Block]:
        """The last line, if no line feed ends it."""
        if self._pending_bytes:
            yield from self._cut(b"".join(self._pending))

    def _cut(self, data: bytes) -> Iterator[Block]:
        if len(data) <= self._max:
            yield from self._blocks(data)
            return
        fit: list[bytes] = []
        for line in io.BytesIO(data):
            if len(line.removesuffix(b"\n")) <= self._max:
                fit.append(line)
                continue
            yield from self._cut_fit(fit)
            self._reject(line)
            self._line += 1
            self._offset += len(line)
            fit = []
        yield from self._cut_fit(fit)

    def _cut_fit(self, lines: list[bytes]) -> Iterator[Block]:
        if lines:
            yield from self._blocks(b"".join(lines))

    def _blocks(self, data: bytes) -> Iterator[Block]:
        feeds = data.count(b"\n")
        if feeds <= BLOCK_LINES:
            yield self._block(data, feeds)
            return
        while data:
            end = data.rfind(b"\n", 0, BLOCK_LINES) + 1 or data.find(b"\n") + 1 or len(data)
            yield self._block(data[:end], data.count(b"\n", 0, end))
            data = data[end:]

    def _block(self, data: bytes, feeds: int) -> Block:
        block = Block(self._file, self._line, self._offset, data)
        self._line += feeds
        self._offset += len(data)
        return block

    def _hold(self, data: bytes) -> None:
        """Keep the beginning of a line for later, unless it is too long already."""
        if not data:
            return
        self._pending.append(data)
        self._pending_bytes += len(data)
        if self._pending_bytes > self._max:
            self._reject(b"".join(self._pending))
            self._offset += self._pending_bytes
            self._pending, self._pending_bytes, self._skipping = [], 0, True

    def _reject(self, line: bytes) -> None:
        detail = f"longer than {self._max} bytes"
        self._rejects.append(
            Reject(self._file, self._line, self._offset, "oversized", detail, line[:KEPT_OF_OVERSIZED].rstrip(b"\n"))
        )

    def _skip(self, data: bytes) -> bytes:
        """What follows the oversized line."""
        end = data.find(b"\n") + 1
        self._offset += end or len(data)
        if not end:
            return b""
        self._line += 1
        self._skipping = False
        return data[end:]
