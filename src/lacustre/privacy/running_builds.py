"""Builds of views that run when an erasure begins.

They see its note before they put the next file or manifest, give way and take away what they wrote. One that is killed
before takes nothing away: the erasure goes through the views when none is at work, so that it finds what that left.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from lacustre.errors import InputError
from lacustre.store.tenant import TenantStore
from lacustre.views.builds.attempts import Attempt, read_attempt, running_builds

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
        running = {view: attempt for view, attempt in running.items() if _is_at_work(tenant, view, attempt)}


def _is_at_work(tenant: TenantStore, view: str, attempt: Attempt) -> bool:
    noted = read_attempt(tenant, view)
    return noted is not None and noted.build == attempt.build and noted.is_running


def _unfinished(running: Mapping[str, Attempt]) -> InputError:
    views = ", ".join(f"{view} on {build.machine} since {build.started}" for view, build in sorted(running.items()))
    hint = "repeat the erasure when they have ended; if none of them runs any more: --unfinished"
    return InputError("unfinished_builds", f"views are being built: {views}", hint)
