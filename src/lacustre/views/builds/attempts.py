"""Builds of views that are not finished: running, killed or failed. Each is a small file below the view's folder.

Builds of one view at once have a note each, since an erasure waits for every one that runs.
"""

from __future__ import annotations

import os
import platform
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lacustre.errors import LacustreError, StorageError
from lacustre.store.sealed import seal, unseal
from lacustre.store.tenant import TenantStore

_LONGEST = timedelta(days=1)
"""A build on another machine is taken for a killed one after this."""
_STATE, _START = 0, 19
"""Where `/proc/<process>/stat` has a process's state after its name, and its start, in ticks since the machine's."""
_DEAD = ("Z", "X")
"""States of processes that ended and that nobody has asked for yet."""
_FIRST_NAMESPACE = 0xEFFFFFFC
"""The inode of the numbers of processes outside of containers (Linux, `proc_ns.h`)."""
_DAMAGED = "damaged_file"
_at_work: set[str] = set()
"""The builds of this process; one that failed may not have been able to note that."""
_CLOCK_STEPS = 60
"""By how many seconds a machine's clock may be set while a build runs."""
_INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Attempt:
    """A build that began (UTC, ISO 8601) in a process of a machine; `code` and `message` say why it failed."""

    build: str
    started: str
    machine: str
    process: int
    code: str = ""
    message: str = ""

    @classmethod
    def begin(cls, build: str) -> Attempt:
        _at_work.add(build)
        return cls(build, datetime.now(UTC).isoformat(), _machine(), os.getpid())

    @property
    def is_running(self) -> bool:
        """Whether the build may still be at work, as far as can be told from here."""
        if self.code:
            return False
        started = datetime.fromisoformat(self.started)
        if self.machine == _machine():
            if self.process == os.getpid():
                return self.build in _at_work
            return _is_alive(self.process) and not _began_after(self.process, started)
        return datetime.now(UTC) - started < _LONGEST

    @property
    def may_run(self) -> bool:
        """Whether the build runs, or its note cannot be read."""
        return self.is_running or self.code == _DAMAGED


def _machine() -> str:
    """What has processes of its own: the machine's name, in a container with the number of its processes' space."""
    with suppress(OSError):
        space = Path("/proc/self/ns/pid").stat().st_ino
        if space != _FIRST_NAMESPACE:
            return f"{platform.node()}/{space}"
    return platform.node()


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # of somebody else
        pass
    status = _status(process)
    return status is None or status[_STATE] not in _DEAD


def _began_after(process: int, moment: datetime) -> bool:
    """Whether a living process is another one that has the number since; false where the system does not tell."""
    status = _status(process)
    if status is None:
        return False
    up = int(status[_START]) / os.sysconf("SC_CLK_TCK")
    began = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + up
    return began > moment.timestamp() + _CLOCK_STEPS


def _status(process: int) -> list[str] | None:
    """What the system tells of a process after its name; None where it does not tell."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def read_attempts(tenant: TenantStore, view: str) -> list[Attempt]:
    """The unfinished builds of a view, failed ones where their notes cannot be read; raises StorageError."""
    found = (_read(tenant, path) for path, _ in tenant.store.walk(attempts_folder(tenant, view)))
    return [attempt for attempt in found if attempt is not None]


def _read(tenant: TenantStore, path: str) -> Attempt | None:
    data = tenant.store.read(path)
    try:
        return None if data is None else Attempt(**unseal(data, path))
    except (StorageError, TypeError):
        build, message = Path(path).stem, f"{path} is damaged, or another release of Lacustre wrote it"
        return Attempt(build, "", "", 0, _DAMAGED, message)


def may_run(tenant: TenantStore, view: str, build: str) -> bool:
    """Whether a build may still be at work; raises StorageError."""
    attempt = _read(tenant, _attempt_path(tenant, view, build))
    return attempt is not None and attempt.may_run


def running_builds(tenant: TenantStore) -> list[tuple[str, Attempt]]:
    """The builds that may still be at work, with their views; raises StorageError."""
    views = tenant.store.folders(tenant.views_path)
    return [(view, attempt) for view in views for attempt in read_attempts(tenant, view) if attempt.may_run]


def note_attempt(tenant: TenantStore, view: str, attempt: Attempt) -> None:
    """Note a build in the place of those that failed or were killed; of builds at once, each keeps its note."""
    tenant.store.write(_attempt_path(tenant, view, attempt.build), seal(asdict(attempt)))
    for other in read_attempts(tenant, view):
        if other.build != attempt.build and not other.is_running:
            forget_attempt(tenant, view, other)


def note_failure(tenant: TenantStore, view: str, attempt: Attempt, error: BaseException) -> None:
    """Note why a build ended; what is no error of Lacustre interrupted it."""
    _at_work.discard(attempt.build)
    code, message = (error.code, error.message) if isinstance(error, LacustreError) else (_INTERRUPTED, "")
    note_attempt(tenant, view, replace(attempt, code=code, message=message))


def forget_attempt(tenant: TenantStore, view: str, attempt: Attempt) -> None:
    """Take the note of a build away, which has ended."""
    _at_work.discard(attempt.build)
    tenant.store.remove(_attempt_path(tenant, view, attempt.build))


def attempts_folder(tenant: TenantStore, view: str) -> str:
    return f"{tenant.views_path}/{view}/attempts"


def _attempt_path(tenant: TenantStore, view: str, build: str) -> str:
    return f"{attempts_folder(tenant, view)}/{build}.json"
