"""Where FHIR comes from: NDJSON files, folders, globs, bulk-export manifests and Bundles, local or on S3.

File names mean nothing beyond their ending: `.ndjson`, `.jsonl` (both also `.gz`) are lines, `.json` is a
manifest, a Bundle or one resource.
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import IO, Any
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

from lacustre.errors import InputError, ManifestError
from lacustre.store.chunks import Chunk
from lacustre.store.exact import UnreadableLineError, dump_verbatim, parse_document
from lacustre.store.lake_columns import parse_instant
from lacustre.store.lines import Block, Reject
from lacustre.store.objects import ObjectStore, storage_error

LINE_ENDINGS = (".ndjson", ".jsonl", ".ndjson.gz", ".jsonl.gz")
MAX_LINE_BYTES = 64 << 20
CHUNK_BYTES = 32 << 20
BLOCK_BYTES = 2 << 20
KEPT_OF_OVERSIZED = 4096
"""Bytes of an oversized line that the rejects table keeps."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to load: a path or s3:// URI, its size in bytes (compressed, if it is), the name lineage shows."""

    uri: str
    size: int
    name: str


@dataclass(slots=True)
class Source:
    """Everything that one load reads; `received` is the newest manifest's transactionTime.

    `ignored` names loadable files that lie beside a manifest which does not list them.
    """

    files: list[SourceFile] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    received: datetime | None = None

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)


def find_source(places: Sequence[str], options: Mapping[str, str] | None = None) -> Source:
    """The files that the places name, each once, in order.

    Raises InputError where a place does not exist or holds nothing to load, ManifestError for a manifest that
    cannot be followed.
    """
    source = Source()
    for place in places:
        _Finder(place, options).find(source)
    unique = {file.uri: file for file in source.files}
    source.files = list(unique.values())
    if not source.files:
        raise InputError(
            "nothing_to_load",
            f"no FHIR files in {', '.join(places)}",
            f"files end in {', '.join(LINE_ENDINGS)} or .json",
        )
    return source


class _Finder:
    def __init__(self, place: str, options: Mapping[str, str] | None) -> None:
        self._place = place
        remote = place.startswith("s3://")
        self._filesystem = ObjectStore(place if remote else ".", options).filesystem
        self._path = place if remote else str(Path(place.removeprefix("file://")).expanduser().absolute())

    def find(self, source: Source) -> None:
        try:
            paths = self._paths()
            manifests = [path for path in paths if self._is_manifest(path)]
            if manifests:
                for path in manifests:
                    self._follow(path, source)
                listed = {file.uri for file in source.files}
                others = [self._file(path) for path in paths if path not in manifests]
                source.ignored += [file.name for file in others if file.uri not in listed]
            else:
                source.files += [self._file(path) for path in paths]
        except (OSError, ValueError) as error:
            raise storage_error("read", self._place, error) from error

    def _paths(self) -> list[str]:
        if any(mark in self._path for mark in "*?["):
            found = sorted(self._filesystem.glob(self._path))
            return [path for path in found if _is_loadable(path)]
        if self._filesystem.isdir(self._path):
            return [path for path in sorted(self._filesystem.find(self._path)) if _is_loadable(path)]
        if not self._filesystem.exists(self._path):
            raise InputError("no_such_source", f"{self._place} does not exist")
        return [self._path]

    def _file(self, path: str) -> SourceFile:
        uri = f"s3://{path.removeprefix('s3://')}" if self._place.startswith("s3://") else path
        inside = path.removeprefix(self._path.removeprefix("s3://").rstrip("/") + "/")
        name = inside if inside != path else PurePosixPath(path).name
        return SourceFile(uri, int(self._filesystem.size(path)), name)

    def _is_manifest(self, path: str) -> bool:
        """A small .json whose object has `output` and `transactionTime`, as the Bulk Data IG requires."""
        if not path.endswith(".json") or self._filesystem.size(path) > MAX_LINE_BYTES:
            return False
        head = self._filesystem.cat_file(path)
        if b'"output"' not in head or b'"transactionTime"' not in head:
            return False
        try:
            document = json.loads(head)
        except ValueError:
            return False
        return isinstance(document, dict) and "output" in document and "resourceType" not in document

    def _follow(self, path: str, source: Source) -> None:
        manifest = json.loads(self._filesystem.cat_file(path))
        folder = path.rsplit("/", 1)[0]
        outputs = manifest["output"]
        if not isinstance(outputs, list):
            raise ManifestError("bad_manifest", f"{path}: output is not a list")
        for index, output in enumerate(outputs):
            source.files.append(self._file(self._output(path, folder, index, output)))
        received = parse_instant(str(manifest.get("transactionTime")), ZoneInfo("UTC"))
        if received is None:
            raise ManifestError("bad_manifest", f"{path}: transactionTime is not an instant")
        source.received = max(received, source.received or received)

    def _output(self, manifest: str, folder: str, index: int, output: Any) -> str:
        """The file of an output: at its relative URL, or, of a downloaded export, beside the manifest."""
        url = output.get("url") if isinstance(output, dict) else None
        if not isinstance(url, str):
            raise ManifestError("bad_manifest", f"{manifest}: output[{index}] has no url")
        parts = urlsplit(url)
        names = [unquote(parts.path).rsplit("/", 1)[-1]]
        if not parts.scheme and not parts.netloc and not parts.path.startswith("/") and ".." not in parts.path:
            names.insert(0, unquote(parts.path))
        for name in names:
            if name and self._filesystem.exists(f"{folder}/{name}"):
                return f"{folder}/{name}"
        raise ManifestError(
            "missing_output",
            f"{manifest}: output[{index}] ({names[-1]}) is not here",
            "download the export's files into the manifest's folder",
        )


def _is_loadable(path: str) -> bool:
    return path.endswith((*LINE_ENDINGS, ".json")) and not path.rsplit("/", 1)[-1].startswith((".", "_"))


class ChunkReader:
    """Reads the files of a source as chunks of whole lines; `rejects` and `bytes_read` grow meanwhile."""

    def __init__(self, source: Source, options: Mapping[str, str] | None = None) -> None:
        self._source = source
        self._options = options
        self.rejects: list[Reject] = []
        self.bytes_read = 0

    def chunks(self) -> Iterator[Chunk]:
        blocks: list[Block] = []
        size = number = 0
        for block in self._blocks():
            blocks.append(block)
            size += len(block.data)
            if size >= CHUNK_BYTES:
                yield self._chunk(number, blocks)
                blocks, size, number = [], 0, number + 1
        if blocks:
            yield self._chunk(number, blocks)

    def _chunk(self, number: int, blocks: list[Block]) -> Chunk:
        names = {block.file: self._source.files[block.file].name for block in blocks}
        return Chunk(number, tuple(blocks), names)

    def _blocks(self) -> Iterator[Block]:
        for number, file in enumerate(self._source.files):
            with self._open(file) as opened:
                if file.uri.endswith(LINE_ENDINGS):
                    yield from self._lines(number, file, opened)
                else:
                    yield from self._document(number, opened.read())

    def _open(self, file: SourceFile) -> IO[bytes]:
        if file.uri.startswith("s3://"):
            folder, _, name = file.uri.rpartition("/")
            opened = ObjectStore(folder, self._options).open(name)
        else:
            opened = Path(file.uri).open("rb")  # noqa: SIM115
        return io.BufferedReader(gzip.GzipFile(fileobj=opened)) if file.uri.endswith(".gz") else opened

    def _lines(self, number: int, file: SourceFile, opened: IO[bytes]) -> Iterator[Block]:
        cutter = _LineCutter(number, self.rejects)
        while True:
            try:
                data = opened.read(BLOCK_BYTES)
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise InputError(
                    "damaged_gzip",
                    f"{file.name} is not whole: {error}",
                    "download or compress the file again",
                ) from None
            self.bytes_read += len(data)
            yield from cutter.feed(data)
            if not data:
                return

    def _document(self, number: int, data: bytes) -> Iterator[Block]:
        """A Bundle's entries, or the resource, as lines; what is not one JSON document is taken as NDJSON."""
        self.bytes_read += len(data)
        try:
            document = parse_document(data.removeprefix(b"\xef\xbb\xbf"))
        except UnreadableLineError:
            cutter = _LineCutter(number, self.rejects)
            yield from [*cutter.feed(data), *cutter.feed(b"")]
            return
        yield from self._entries(number, document)

    def _entries(self, number: int, document: Any) -> Iterator[Block]:
        is_bundle = isinstance(document, dict) and document.get("resourceType") == "Bundle"
        entries = document.get("entry", []) if is_bundle else [{"resource": document}]
        for index, entry in enumerate(entries if isinstance(entries, list) else []):
            resource = entry.get("resource") if isinstance(entry, dict) else None
            if resource is None:
                self.rejects.append(
                    Reject(number, index + 1, 0, "no_resource", "a Bundle entry without a resource", b"")
                )
                continue
            yield Block(number, index + 1, 0, dump_verbatim(resource).encode())


class _LineCutter:
    """Cuts a stream of bytes at line feeds into blocks, and puts oversized lines aside without holding them."""

    def __init__(self, file: int, rejects: list[Reject]) -> None:
        self._file = file
        self._rejects = rejects
        self._pending = b""
        self._line, self._offset = 1, 0
        self._skipping = 0

    def feed(self, data: bytes) -> Iterator[Block]:
        """The whole lines that are there now; empty data ends the stream."""
        if self._skipping:
            data = self._skip(data)
        if not self._offset and not self._pending:
            without_mark = data.removeprefix(b"\xef\xbb\xbf")
            self._offset, data = len(data) - len(without_mark), without_mark
        pending = self._pending + data
        end = pending.rfind(b"\n") + 1 if data else len(pending)
        self._pending = pending[end:]
        if end:
            yield self._block(pending[:end])
        if len(self._pending) > MAX_LINE_BYTES:
            self._begin_skip()

    def _block(self, data: bytes) -> Block:
        block = Block(self._file, self._line, self._offset, data)
        self._line += data.count(b"\n")
        self._offset += len(data)
        return block

    def _begin_skip(self) -> None:
        self._rejects.append(
            Reject(
                self._file, self._line, self._offset, "oversized", f"longer than {MAX_LINE_BYTES} bytes",
                self._pending[:KEPT_OF_OVERSIZED],
            )
        )  # fmt: skip
        self._skipping = len(self._pending)
        self._pending = b""

    def _skip(self, data: bytes) -> bytes:
        end = data.find(b"\n") + 1
        if not end:
            self._skipping += len(data)
            return b""
        self._offset += self._skipping + end
        self._line += 1
        self._skipping = 0
        return data[end:]
