"""Builds of views that are not finished: running, killed or failed. Each is a small file beside the view's manifest."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lacustre.errors import LacustreError, StorageError
from lacustre.store.sealed import seal, unseal
from lacustre.store.tenant import TenantStore

_LONGEST = timedelta(days=1)
"""A build on another machine is taken for a killed one after this."""
_START = 19
"""Where `/proc/<process>/stat` has a process's start after its name, in ticks since the machine's."""
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
        return cls(build, datetime.now(UTC).isoformat(timespec="seconds"), platform.node(), os.getpid())

    @property
    def is_running(self) -> bool:
        """Whether the build may still be at work, as far as can be told from here."""
        if self.code:
            return False
        started = datetime.fromisoformat(self.started)
        if self.machine == platform.node():
            return _is_alive(self.process) and not _began_after(self.process, started)
        return datetime.now(UTC) - started < _LONGEST


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # of somebody else
        return True
    return True


def _began_after(process: int, moment: datetime) -> bool:
    """Whether a living process is another one that has the number since; false where the system does not tell."""
    try:
        after_name = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    up = int(after_name[_START]) / os.sysconf("SC_CLK_TCK")
    began = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + up
    return began > moment.timestamp() + _CLOCK_STEPS


def read_attempt(tenant: TenantStore, view: str) -> Attempt | None:
    """The unfinished build of a view, if there is one, and a failed one where its note cannot be read.

    Raises StorageError.
    """
    path = attempt_path(tenant, view)
    data = tenant.store.read(path)
    try:
        return None if data is None else Attempt(**unseal(data, path))
    except (StorageError, TypeError):  # damaged, or of another release of Lacustre
        return Attempt("", "", "", 0, "damaged_file", f"{path} is damaged, or another release of Lacustre wrote it")


def running_builds(tenant: TenantStore) -> dict[str, Attempt]:
    """The builds that may still be at work, by view; raises StorageError."""
    noted = ((view, read_attempt(tenant, view)) for view in tenant.store.folders(tenant.views_path))
    return {view: attempt for view, attempt in noted if attempt is not None and attempt.is_running}


def note_attempt(tenant: TenantStore, view: str, attempt: Attempt) -> None:
    tenant.store.write(attempt_path(tenant, view), seal(asdict(attempt)))


def note_failure(tenant: TenantStore, view: str, attempt: Attempt, error: BaseException) -> None:
    """Note why a build ended; what is no error of Lacustre interrupted it."""
    code, message = (error.code, error.message) if isinstance(error, LacustreError) else (_INTERRUPTED, "")
    note_attempt(tenant, view, replace(attempt, code=code, message=message))


def forget_attempt(tenant: TenantStore, view: str, attempt: Attempt) -> None:
    """Take the note of a build away, unless it is another build's by now."""
    noted = read_attempt(tenant, view)
    if noted is not None and noted.build == attempt.build:
        tenant.store.remove(attempt_path(tenant, view))


def attempt_path(tenant: TenantStore, view: str) -> str:
    return f"{tenant.views_path}/{view}/attempt.json"
