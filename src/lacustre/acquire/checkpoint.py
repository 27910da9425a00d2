"""What survives a crash: which jobs run, which files they have, which of these are here.

It lies in the folder `.running` beside the finished exports, and holds no token, no key and no signed URL: files
are known by a digest. `_job.json` is replaced as a whole, `_journal.ndjson` grows by a line for each finished file.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from lacustre.acquire.manifest import KINDS, Kind, Output, identity
from lacustre.errors import StorageError
from lacustre.store.objects import failures, storage_error

RUNNING = ".running"
# a load takes no file whose name begins with _
_JOB, _JOURNAL = "_job.json", "_journal.ndjson"


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file of a job: the digest that names it here, what it is, and how many lines the server says it has."""

    key: str
    kind: Kind
    resource_type: str | None
    count: int | None


@dataclass(slots=True)
class Job:
    """A job on the server: `types` are asked for, `kinds` of its outputs are wanted.

    `status_url` is None before the kick-off, and again where the server gave the job up; `started` is in seconds
    since 1970. `plan` is None until the manifest is known.
    """

    number: int
    types: tuple[str, ...]
    kinds: tuple[Kind, ...] = KINDS
    status_url: str | None = None
    started: float = 0.0
    transaction_time: str | None = None
    request: str | None = None
    plan: list[PlannedFile] | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """A file that is here: `size` in bytes, unpacked, and what was wrong with it, if anything."""

    key: str
    size: int
    lines: int
    resource_type: str | None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Validator:
    """What says that a file is still the same one on the server: the value for `If-Range`, and its encoding."""

    value: str
    encoding: str


@dataclass(slots=True)
class Run:
    """An export that is under way."""

    fingerprint: str
    since: str | None
    jobs: list[Job] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def file_key(job: int, output: Output) -> str:
    namesake = f" {output.namesakes}" if output.namesakes else ""
    return hashlib.sha256(f"{job} {output.kind} {identity(output.url)}{namesake}".encode()).hexdigest()[:24]


class Checkpoint:
    """The folder of a running export. One process writes it, from several threads."""

    def __init__(self, folder: Path, run: Run) -> None:
        self.folder = folder
        self.run = run
        self.finished: dict[str, Finished] = {}
        self.validators: dict[str, Validator] = {}

    @classmethod
    def begin(cls, base: Path, run: Run) -> Checkpoint:
        """An empty one; what was there is removed."""
        folder = base / RUNNING
        with _disk(folder):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        return cls(folder, run)

    @classmethod
    def resume(cls, base: Path) -> Checkpoint | None:
        """The one that a crash left; None where there is none that can be read."""
        folder = base / RUNNING
        with _disk(folder):
            try:
                found = cls(folder, _read_run((folder / _JOB).read_bytes()))
            except (FileNotFoundError, ValueError, KeyError, TypeError):
                return None
            found._read_journal()
        return found

    def save(self) -> None:
        """Put the run's jobs and plans on disk, whole."""
        write_whole(self.folder / _JOB, orjson.dumps(asdict(self.run), option=orjson.OPT_INDENT_2))

    def part(self, key: str) -> Path:
        """Where a file's bytes arrive."""
        return self.folder / f"{key}.part"

    def complete(self, key: str) -> Path:
        """Where a finished file lies. Its name is none that a load takes."""
        return self.folder / f"{key}.complete"

    def started(self, key: str, validator: Validator) -> None:
        self.validators[key] = validator
        self._append({"started": key, **asdict(validator)})

    def done(self, file: Finished) -> None:
        """Say that a file is here; its bytes must be on disk."""
        self.finished[file.key] = file
        self._append({"done": file.key, **asdict(file)})

    def drop(self, job: Job, gone: set[str]) -> None:
        """Forget files of a job's plan, and remove what is here of them."""
        job.plan = [file for file in job.plan or [] if file.key not in gone]
        for key in gone:
            self.finished.pop(key, None)
            self.part(key).unlink(missing_ok=True)
            self.complete(key).unlink(missing_ok=True)

    def brought(self) -> tuple[int, int]:
        """How many files are here, and how many bytes of others: what tells whether anything came since."""
        return len(self.finished), sum(part.stat().st_size for part in self.folder.glob("*.part"))

    def missing(self, job: Job) -> list[PlannedFile]:
        return [file for file in job.plan or [] if file.key not in self.finished]

    def files(self) -> list[tuple[PlannedFile, Finished]]:
        """Everything that is planned, in the manifests' order; all of it must be here."""
        return [(file, self.finished[file.key]) for job in self.run.jobs for file in job.plan or []]

    def _append(self, record: Mapping[str, Any]) -> None:
        # one write, at the end of the file: a crash leaves at most a last line that is cut
        with _disk(self.folder), (self.folder / _JOURNAL).open("ab", buffering=0) as journal:
            journal.write(b"\n" + orjson.dumps(record))
            os.fsync(journal.fileno())

    def _read_journal(self) -> None:
        journal = self.folder / _JOURNAL
        for line in journal.read_bytes().splitlines() if journal.exists() else ():
            try:
                record = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue
            if (key := record.pop("started", None)) is not None:
                self.validators[key] = Validator(**record)
            elif self._is_here(key := record.pop("done"), record["size"]):
                self.finished[key] = Finished(**record)

    def _is_here(self, key: str, size: int) -> bool:
        path = self.complete(key)
        return path.exists() and path.stat().st_size == size


def _read_run(data: bytes) -> Run:
    found = orjson.loads(data)
    jobs = [
        Job(**{**job, "types": tuple(job["types"]), "kinds": tuple(job["kinds"]), "plan": _read_plan(job["plan"])})
        for job in found.pop("jobs")
    ]
    return Run(jobs=jobs, **found)


def _read_plan(plan: list[dict[str, Any]] | None) -> list[PlannedFile] | None:
    return None if plan is None else [PlannedFile(**file) for file in plan]


def write_whole(path: Path, data: bytes) -> None:
    """Replace a file so that a crash leaves the old bytes or the new ones, also when the power fails."""
    part = path.with_name(f"{path.name}.new")
    with _disk(path):
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold the folder for this process; the system lets it go when the process ends, however it ends."""
    with _disk(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / ".lock", os.O_CREAT | os.O_RDWR, 0o644)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StorageError(
                "export_running", f"another export into {folder} is running", "wait for its end", transient=True
            ) from None
        yield
    finally:
        os.close(lock)


@contextmanager
def _disk(path: Path) -> Iterator[None]:
    try:
        yield
    except failures() as error:
        raise storage_error("write", str(path), error) from error
