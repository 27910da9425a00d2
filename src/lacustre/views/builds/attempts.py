"""Builds of views that are not finished: running, killed or failed. Each is a small file beside the view's manifest."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta

from lacustre.errors import LacustreError, StorageError
from lacustre.store.sealed import seal, unseal
from lacustre.store.tenant import TenantStore

_LONGEST = timedelta(days=1)
"""A build on another machine is taken for a killed one after this."""


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
        if self.machine == platform.node():
            return _is_alive(self.process)
        return datetime.now(UTC) - datetime.fromisoformat(self.started) < _LONGEST


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # of somebody else
        return True
    return True


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


def note_attempt(tenant: TenantStore, view: str, attempt: Attempt) -> None:
    tenant.store.write(attempt_path(tenant, view), seal(asdict(attempt)))


def note_failure(tenant: TenantStore, view: str, attempt: Attempt, error: LacustreError) -> None:
    note_attempt(tenant, view, replace(attempt, code=error.code, message=error.message))


def forget_attempt(tenant: TenantStore, view: str) -> None:
    tenant.store.remove(attempt_path(tenant, view))


def attempt_path(tenant: TenantStore, view: str) -> str:
    return f"{tenant.views_path}/{view}/attempt.json"
