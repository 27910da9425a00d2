"""How long a lake keeps what nobody needs at present."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

KEEP_DAYS = 30
KEEP_REJECTS_DAYS = 365
GRACE = timedelta(days=1)
"""How long what nobody can open any more stays, for those who have opened it."""

_BEGINNING = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Retention:
    """Versions and rejected lines are kept for so many days, and files for `grace` after that.

    `now` is when it is, where that is not now; `progress` is called with a stage and the share that is done.
    """

    keep_days: float = KEEP_DAYS
    keep_rejects_days: float = KEEP_REJECTS_DAYS
    grace: timedelta = GRACE
    progress: Callable[[str, float], None] | None = None
    now: datetime | None = None

    def before(self, age: timedelta) -> datetime:
        """The instant that was so long ago; before that of the calendar's beginning, that one."""
        now = self.now or datetime.now(UTC)
        return now - age if age < now - _BEGINNING else _BEGINNING

    def days_before(self, days: float) -> datetime:
        """The instant that was so many days ago, however many."""
        return self.before(timedelta(days=min(days, timedelta.max.days)))
