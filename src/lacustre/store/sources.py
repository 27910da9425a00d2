"""Where FHIR comes from: NDJSON files, folders, globs, bulk-export manifests and Bundles, local or on S3.

File names mean nothing beyond their ending: `.ndjson`, `.jsonl` (both also `.gz`) are lines, `.json` is a
manifest, a Bundle or one resource.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

from lacustre.errors import InputError, ManifestError
from lacustre.store.lake_columns import parse_instant
from lacustre.store.objects import ObjectStore, failures, storage_error

LINE_ENDINGS = (".ndjson", ".jsonl", ".ndjson.gz", ".jsonl.gz")
MAX_MANIFEST_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to load: a path or s3:// URI, its size in bytes (compressed, if it is), the name lineage shows.

    Of a file that a manifest lists: `received` is its transactionTime, `export` the same as it was written, and
    `announced` how many resources it should hold. `deletions` is set where it says what was deleted.
    """

    uri: str
    size: int
    name: str
    received: datetime | None = None
    export: str = ""
    announced: int | None = None
    deletions: bool = False


@dataclass(slots=True)
class Source:
    """Everything that one load reads.

    `manifests` are the manifests that were followed: an export without changes lists no file at all. `ignored` names
    loadable files that lie beside a manifest which does not list them, `errors` are the files of
    OperationOutcomes in which the exporting server says what went wrong. `requests` has the URL by which each export
    was asked for, by its transactionTime.
    """

    files: list[SourceFile] = field(default_factory=list)
    manifests: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    errors: list[SourceFile] = field(default_factory=list)
    requests: dict[datetime, str] = field(default_factory=dict)

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
    source.files = _distinct(source.files)
    if not source.files and not source.manifests:
        raise _nothing_in(", ".join(places))
    return source


def _distinct(files: Sequence[SourceFile]) -> list[SourceFile]:
    """Each file once; those that would have the same name by their URI: a file and a line name one resource."""
    found: dict[str, SourceFile] = {}
    for file in files:
        if file.uri not in found or found[file.uri].received is None:  # what a manifest says of a file counts
            found[file.uri] = file
    unique = found.values()
    names = Counter(file.name for file in unique)
    return [file if names[file.name] == 1 else replace(file, name=_shown(file.uri)) for file in unique]


def _shown(name: str) -> str:
    """The name as Unicode: those of an old disk may be in another encoding."""
    return name.encode(errors="replace").decode()


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
                    source.manifests.append(path)
                listed = {file.uri for file in (*source.files, *source.errors)}
                others = [self._file(path) for path in paths if path not in manifests]
                source.ignored += [file.name for file in others if file.uri not in listed]
            else:
                source.files += [self._file(path) for path in paths]
        except failures(ValueError) as error:
            raise storage_error("read", self._place, error) from error

    def _paths(self) -> list[str]:
        if self._filesystem.isdir(self._path):
            found = self._filesystem.find(self._path)
            beyond = len(self._path.removeprefix("s3://"))  # a folder such as `.running` is somebody's unfinished work
            return _loadable((path for path in found if "/." not in path.removeprefix("s3://")[beyond:]), self._place)
        if self._filesystem.exists(self._path):
            return [self._path]
        if any(mark in self._path for mark in "*?["):
            return _loadable(self._filesystem.glob(self._path), self._place)
        raise InputError("no_such_source", f"{self._place} does not exist")

    def _file(self, path: str) -> SourceFile:
        uri = f"s3://{path.removeprefix('s3://')}" if self._place.startswith("s3://") else path
        inside = path.removeprefix(self._path.removeprefix("s3://").rstrip("/") + "/")
        name = inside if inside != path else PurePosixPath(path).name
        return SourceFile(uri, int(self._filesystem.size(path)), _shown(name))

    def _is_manifest(self, path: str) -> bool:
        """A small .json whose object has `output` and `transactionTime`, as the Bulk Data IG requires."""
        if not path.endswith(".json") or self._filesystem.size(path) > MAX_MANIFEST_BYTES:
            return False
        head = self._filesystem.cat_file(path)
        if b'"output"' not in head or b'"transactionTime"' not in head:
            return False
        try:
            document = json.loads(head)
        except (ValueError, RecursionError):
            return False
        return isinstance(document, dict) and "output" in document and "resourceType" not in document

    def _follow(self, path: str, source: Source) -> None:
        manifest = json.loads(self._filesystem.cat_file(path))
        folder = path.rsplit("/", 1)[0]
        instant = str(manifest.get("transactionTime"))
        received = parse_instant(instant, ZoneInfo("UTC"))
        if received is None:
            raise ManifestError("bad_manifest", f"{path}: transactionTime is not an instant")
        if isinstance(manifest.get("request"), str):
            source.requests[received] = manifest["request"]
        for member, found in (("output", source.files), ("deleted", source.files), ("error", source.errors)):
            for file, announced in self._listed(path, folder, member, manifest.get(member)):
                known = replace(file, received=received, export=instant, announced=announced)
                found.append(replace(known, deletions=member == "deleted"))

    def _listed(self, manifest: str, folder: str, member: str, outputs: Any) -> Iterator[tuple[SourceFile, int | None]]:
        """The files of `output`, `deleted` or `error`, and how many resources each should hold."""
        if not isinstance(outputs, list | None):
            raise ManifestError("bad_manifest", f"{manifest}: {member} is not a list")
        taken: dict[str, Any] = {}
        for index, output in enumerate(outputs or ()):
            file = self._file(self._output(manifest, folder, f"{member}[{index}]", output))
            if taken.setdefault(file.uri, output["url"]) != output["url"]:
                message = f"{manifest}: {member}[{index}] and another URL have one name here, {file.name}"
                raise ManifestError("same_name", message, "download each of the export's files under a name of its own")
            count = output.get("count")
            yield file, count if type(count) is int else None

    def _output(self, manifest: str, folder: str, index: str, output: Any) -> str:
        """The file of an output: at its relative URL, or, of a downloaded export, beside the manifest."""
        url = output.get("url") if isinstance(output, dict) else None
        if not isinstance(url, str):
            raise ManifestError("bad_manifest", f"{manifest}: {index} has no url")
        parts = urlsplit(url)
        path = unquote(parts.path)
        names = [path.rsplit("/", 1)[-1]]
        if not parts.scheme and not parts.netloc and not path.startswith("/") and ".." not in path:
            names.insert(0, path)
        for name in names:
            if name and self._filesystem.isfile(f"{folder}/{name}"):
                return f"{folder}/{name}"
        raise ManifestError(
            "missing_output",
            f"{manifest}: {index} ({names[-1]}) is not here",
            "download the export's files into the manifest's folder",
        )


def _loadable(paths: Iterable[str], place: str) -> list[str]:
    found = [path for path in sorted(paths) if _is_loadable(path)]
    if not found:
        raise _nothing_in(place)
    return found


def _nothing_in(place: str) -> InputError:
    hint = f"files end in {', '.join(LINE_ENDINGS)} or .json"
    return InputError("nothing_to_load", f"no FHIR files in {place}", hint)


def _is_loadable(path: str) -> bool:
    return path.endswith((*LINE_ENDINGS, ".json")) and not path.rsplit("/", 1)[-1].startswith((".", "_"))
