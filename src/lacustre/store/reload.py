"""Rejected lines written out, corrected by somebody, and loaded again in the place of the rejects.

The file has, for each reject, a line that begins with `# reject` and its key, and below it the line as it came. The
one below is corrected; a reject that is not corrected is taken out of the file, or left with nothing below it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO
from urllib.parse import quote

import orjson

from lacustre.errors import InputError, QualityError
from lacustre.store.bundles import is_delete
from lacustre.store.load import LoadOptions, load_source
from lacustre.store.load_result import LoadResult
from lacustre.store.objects import storage_error
from lacustre.store.open_rejects import RejectedLine, received_instants, settle_rejects
from lacustre.store.operation import new_operation_id
from lacustre.store.staging import staging_folder
from lacustre.store.tenant import TenantStore

_HEADER = re.compile(rb"# reject ([0-9a-f]{16})\b")


@dataclass(frozen=True, slots=True)
class Correction:
    """What stands below a reject's header, as one line, and the number of its first line in the file."""

    key: str
    line: int
    text: bytes


def write_rejects(rejects: Iterable[RejectedLine], target: Path) -> int:
    """Write rejects to a file of their own, which only its owner can read; returns how many.

    Raises InputError where the file is there already, since somebody may have corrected lines in it.
    """
    count = 0
    try:
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
            for count, reject in enumerate(rejects, 1):  # noqa: B007
                opened.write(_header(reject) + reject.raw.removesuffix(b"\r") + b"\n")
    except FileExistsError:
        raise InputError("file_exists", f"{target} is there already", "name another file, or remove it") from None
    except OSError as error:
        raise storage_error("write", str(target), error) from error
    return count


def _header(reject: RejectedLine) -> bytes:
    words = f"# reject {reject.key} {reject.file}:{reject.line} {reject.reason} {reject.detail}".split()
    return " ".join(words).encode() + b"\n"


def retry_rejects(tenant: TenantStore, corrected: Path, options: LoadOptions) -> tuple[LoadResult, int]:
    """Load corrected lines, and take the rejects that they correct out; returns how many these were.

    A line counts as received when the rejected one was: it does not replace what came since. `lake_source` of the
    resources is the corrected file. Raises QualityError, with everything as it was, where a line still cannot be a
    resource; InputError where the file corrects no open reject.
    """
    received = received_instants(tenant, [correction.key for correction in read_corrections(corrected)])
    if not received:
        raise InputError(
            "nothing_corrected",
            f"{corrected} has no line that corrects an open reject",
            "`lacustre rejects export` writes a file to correct",
        )
    with staging_folder(tenant, f"retry-{new_operation_id()}") as staging:
        _stage(read_corrections(corrected), received, staging, corrected.stem)
        try:
            result = load_source(tenant, [str(staging)], replace(options, max_rejects=0.0))
        except QualityError as error:
            raise QualityError(error.code, error.message, "correct that line too, or take it out of the file") from None
    loads = {file.loaded_by or result.load for file in result.sources}
    return result, settle_rejects(tenant, sorted(received), min(loads))


def read_corrections(corrected: Path) -> Iterator[Correction]:
    """The corrected lines of a file; what was written on several lines becomes one, as JSON may.

    Raises InputError for text above the first `# reject`, StorageError where the file cannot be read.
    """
    key, first, parts = "", 0, list[bytes]()
    try:
        with corrected.open("rb") as opened:
            for number, line in enumerate(opened, 1):
                header = _HEADER.match(line)
                if header is None and line.strip():
                    first = first or number
                    parts.append(line.strip())
                    continue
                if header is not None:
                    yield from _correction(key, first, parts)
                    key, first, parts = header[1].decode(), 0, []
    except OSError as error:
        raise storage_error("read", str(corrected), error) from error
    yield from _correction(key, first, parts)


def _correction(key: str, first: int, parts: list[bytes]) -> Iterator[Correction]:
    if parts and not key:
        raise InputError(
            "no_reject_named",
            f"line {first} is below no `# reject`: what it corrects is not known",
            "`lacustre rejects export` writes a file to correct; new resources are loaded with `lacustre load`",
        )
    if parts:
        yield Correction(key, first, b" ".join(parts))


def _stage(corrections: Iterable[Correction], received: Mapping[str, str], staging: Path, stem: str) -> None:
    """Write an export for each instant, with the corrected lines on the lines that they have in the file."""
    files: dict[tuple[str, str], _Lines] = {}
    with ExitStack() as opened:
        for correction in corrections:
            if correction.key in received:
                kind = received[correction.key], "deleted" if _is_deletion(correction.text) else "output"
                if kind not in files:
                    name = f"{stem}-{len(files)}.ndjson" if files else f"{stem}.ndjson"
                    files[kind] = _Lines(opened.enter_context((staging / name).open("wb")), name)
                files[kind].put(correction)
    for number, ((instant, member), lines) in enumerate(files.items()):
        manifest = {"transactionTime": instant, "output": [], member: [{"url": quote(lines.name)}]}
        (staging / f"manifest-{number}.json").write_text(json.dumps(manifest), encoding="utf-8")


@dataclass(slots=True)
class _Lines:
    """A file whose lines are put at their numbers, blank ones between them."""

    opened: IO[bytes]
    name: str
    written: int = 0

    def put(self, correction: Correction) -> None:
        self.opened.write(b"\n" * (correction.line - 1 - self.written) + correction.text + b"\n")
        self.written = correction.line


def _is_deletion(text: bytes) -> bool:
    """Whether a line is a Bundle of DELETE requests, as those of an export's `deleted` files are."""
    try:
        bundle = orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    entries = bundle.get("entry") if isinstance(bundle, dict) else None
    return any(is_delete(entry.get("request")) for entry in entries or () if isinstance(entry, dict))
