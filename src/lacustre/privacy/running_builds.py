"""Builds of views that run when an erasure begins.

They see its note before they put the next file or manifest, give way and take away what they wrote. One that is killed
before takes nothing away: the erasure goes through the views when none is at work, so that it finds what that left.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from lacustre.errors import InputError
from lacustre.store.tenant import TenantStore
from lacustre.views.builds.attempts import Attempt, may_run, running_builds

_LIMIT = 300.0
_PAUSE = 0.2
"""Seconds."""


def wait_for_builds(tenant: TenantStore, waiting: Callable[[], None]) -> None:
    """Return once no build runs that began before; `waiting` is called again and again until then.

    Raises InputError where one still does after five minutes, or may do so on another machine; StorageError.
    """
    running, until = running_builds(tenant), time.monotonic() + _LIMIT
    while running:
        waiting()
        if time.monotonic() > until:
            raise _unfinished(running)
        time.sleep(_PAUSE)
        running = [(view, attempt) for view, attempt in running if may_run(tenant, view, attempt.build)]


def _unfinished(running: Sequence[tuple[str, Attempt]]) -> InputError:
    builds = (f"{view} {_whose(attempt)}" for view, attempt in running)
    hint = "repeat the erasure when they have ended; if none of them runs any more: --unfinished"
    return InputError("unfinished_builds", f"views are being built: {'; '.join(builds)}", hint)


def _whose(attempt: Attempt) -> str:
    if not attempt.machine:
        return f"perhaps: {attempt.message}"
    return f"on {attempt.machine} since {attempt.started[: len('2000-01-01T00:00:00')]} UTC"
