"""Raw exports that were kept: NDJSON files without the lines of an erased patient."""

from __future__ import annotations

import gzip
import json
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lacustre.errors import InputError
from lacustre.privacy.subject import Subject
from lacustre.privacy.tokens import TokenFinder, forms
from lacustre.privacy.unlink import UncuttableError, Unlinker
from lacustre.store.exact import UnreadableLineError, dump_verbatim
from lacustre.store.objects import storage_error

_ID = re.compile(rb'"id"\s*:\s*"([^"]*)"')
_TYPE = re.compile(rb'"resourceType"\s*:\s*"([A-Za-z]+)"')
_ENDINGS = (".ndjson", ".jsonl", ".ndjson.gz", ".jsonl.gz")


@dataclass(frozen=True, slots=True)
class RawErasure:
    """What was taken out of raw files: `files` that changed, `lines` that went, lines of others that were `cut`."""

    files: int
    lines: int
    cut: int = 0


def erase_from_raw(
    folder: Path, subject: Subject, erased: frozenset[str], unlinker: Unlinker | None = None
) -> RawErasure:
    """Take the lines out that are the patient's or name the patient, file by file, each replaced in one step.

    Other Patient resources stay, without what refers to the patient, where there is an `unlinker`. Line counts that a
    manifest there announces are lowered. Raises InputError where there is no such folder, StorageError.
    """
    if not folder.is_dir():
        raise InputError("no_such_folder", f"{folder} is no folder", "give the folder where raw exports are kept")
    lines = _Lines(subject, erased, unlinker)
    gone, cut = dict[Path, int](), dict[Path, int]()
    try:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.name.endswith(_ENDINGS):
                gone[path], cut[path] = lines.take_out(path)
        for manifest in sorted(folder.rglob("manifest.json")):
            _lower_counts(manifest, gone)
    except OSError as error:
        raise storage_error("rewrite files in", str(folder), error) from error
    changed = sum(1 for path in gone if gone[path] or cut[path])
    return RawErasure(changed, sum(gone.values()), sum(cut.values()))


class _Lines:
    def __init__(self, subject: Subject, erased: frozenset[str], unlinker: Unlinker | None) -> None:
        self._unlinker = unlinker
        self._finder: TokenFinder = subject.tokens.finder()
        self._keys = {key.encode() for key in subject.tokens.keys | erased}
        self._ids = {key.partition(b"/")[2] for key in self._keys}

    def take_out(self, path: Path) -> tuple[int, int]:
        """Rewrite a file without the lines; returns how many went, and were cut. A file without any stays as it is."""
        gone = cut = 0
        with _open(path, "rb") as lines:
            for line in lines:
                kept = self._kept(line)
                gone, cut = gone + (kept is None), cut + (kept is not None and kept is not line)
        if gone or cut:
            part = path.with_name(f".{uuid.uuid4().hex}.part")
            try:
                with _open(path, "rb") as lines, _open(part, "wb", packed=path.suffix == ".gz") as target:
                    target.writelines(kept for line in lines if (kept := self._kept(line)) is not None)
                part.chmod(path.stat().st_mode)
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
        return gone, cut

    def _kept(self, line: bytes) -> bytes | None:
        """The line itself, or what is left of another Patient resource, or None."""
        if not self._is_gone(line):
            return line
        if self._unlinker is None or b"Patient" not in line:
            return None
        try:
            resource = self._unlinker.cut(line)
        except (UncuttableError, UnreadableLineError):
            return None
        kept = dump_verbatim(resource).encode() + b"\n"
        return None if self._is_gone(kept) else kept

    def _is_gone(self, line: bytes) -> bool:
        return line in self._finder or any(self._is_of(form) for form in forms(line))

    def _is_of(self, line: bytes) -> bool:
        """Whether a line has one of the types and one of the ids; which member they are of does not matter."""
        ids = self._ids.intersection(_ID.findall(line))
        return any(kind + b"/" + one in self._keys for one in ids for kind in _TYPE.findall(line))


@contextmanager
def _open(path: Path, mode: str, *, packed: bool | None = None) -> Iterator[IO[bytes]]:
    packed = path.suffix == ".gz" if packed is None else packed
    with path.open(mode) as plain:
        if not packed:
            yield plain
            return
        with gzip.GzipFile(fileobj=plain, filename="", mode=mode) as unpacked:
            yield unpacked  # type: ignore[misc]


def _lower_counts(manifest: Path, gone: dict[Path, int]) -> None:
    members = json.loads(manifest.read_bytes())
    changed = False
    for entry in [*members.get("output", ()), *members.get("error", ())]:
        lines = gone.get(manifest.parent / str(entry.get("url", "")).rpartition("/")[2], 0)
        if lines and isinstance(entry.get("count"), int):
            entry["count"] = max(0, entry["count"] - lines)
            changed = True
    if changed:
        part = manifest.with_name(f".{uuid.uuid4().hex}.part")
        part.write_text(json.dumps(members, indent=1, ensure_ascii=False), encoding="utf-8")
        part.replace(manifest)
