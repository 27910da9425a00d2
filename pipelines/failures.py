"""How a failure reaches Dagster, whose pages and logs everybody who operates it can read."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from lacustre.errors import LacustreError, StorageError

RETRIES = dg.RetryPolicy(max_retries=2, delay=10, backoff=dg.Backoff.EXPONENTIAL)
"""For failures of the store that may pass; all others say so and are not tried again."""


@contextmanager
def as_failures() -> Iterator[None]:
    """Raise what goes wrong as `dagster.Failure` without anything of the data.

    A LacustreError never quotes data. The message of any other exception might, so only its type and the lines
    of code are shown.
    """
    # without `from None` Dagster would show the exception as the cause, message and all
    try:
        yield
    except LacustreError as error:
        passing = isinstance(error, StorageError) and error.transient
        raise dg.Failure(str(error), {"code": error.code}, allow_retries=passing) from None
    except Exception as error:  # noqa: BLE001
        frames = "".join(traceback.format_tb(error.__traceback__))
        where = dg.MetadataValue.md(f"```\n{frames}```")
        raise dg.Failure(f"unexpected {type(error).__name__}", {"where": where}, allow_retries=False) from None
