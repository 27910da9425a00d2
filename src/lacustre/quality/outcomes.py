"""What an exporting server says went wrong: the `error` files of a manifest, OperationOutcomes as NDJSON.

FHIR Bulk Data Access, "Response - Complete Status", `error`. Severities are counted; texts and places, which may hold
what a patient's record holds, are not kept.
"""

from __future__ import annotations

import gzip
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import orjson

from lacustre.store.chunk_reader import MAX_LINE_BYTES, open_source
from lacustre.store.objects import failures, storage_error
from lacustre.store.sources import SourceFile

SEVERITIES = ("fatal", "error", "warning", "information", "success")
UNREADABLE = "unreadable"
GRAVE = ("fatal", "error", UNREADABLE)
"""What can mean that data are missing."""


def count_issues(files: Sequence[SourceFile], options: Mapping[str, str] | None = None) -> Counter[str]:
    """The issues of all outcomes in the files by severity; `unreadable` are lines that are no OperationOutcome.

    Raises StorageError where a file cannot be read.
    """
    found: Counter[str] = Counter()
    for file in files:
        try:
            for line in _lines(file, options):
                found.update(_severities(line))
        except (EOFError, zlib.error, gzip.BadGzipFile):
            found[UNREADABLE] += 1
        except failures() as error:
            raise storage_error("read", file.uri, error) from error
    return found


def _lines(file: SourceFile, options: Mapping[str, str] | None) -> Iterator[bytes]:
    """The lines of a file that are not blank; a longer one than a resource may have comes in pieces."""
    with open_source(file, options) as raw:
        opened = gzip.GzipFile(fileobj=raw) if file.uri.endswith(".gz") else raw
        while line := opened.readline(MAX_LINE_BYTES):
            if line.strip():
                yield line


def _severities(line: bytes) -> list[str]:
    try:
        outcome = orjson.loads(line)
    except orjson.JSONDecodeError:
        return [UNREADABLE]
    issues = outcome.get("issue") if isinstance(outcome, dict) else None
    if not isinstance(issues, list) or outcome.get("resourceType") != "OperationOutcome":
        return [UNREADABLE]
    stated = [issue.get("severity") if isinstance(issue, dict) else None for issue in issues]
    return [severity if severity in SEVERITIES else UNREADABLE for severity in stated]
