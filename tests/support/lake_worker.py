"""A process that uses a lake while others do: `python lake_worker.py JOB`, a JSON object.

It waits for the file `start`, then takes its `steps`, lists of a verb and its arguments, and prints a JSON list of
what they gave. A step that fails by a transient error is taken again, as an operator would.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from lacustre import Lake
from lacustre.errors import LacustreError, StorageError

_ATTEMPTS = 5
_PATIENCE_SECONDS = 120


def load(lake: Lake, source: str, options: dict[str, Any]) -> str:
    return lake.load(source, processes=1, **options).load


def delete(lake: Lake, keys: list[str], at: str) -> str:
    return lake.delete(*keys, at=datetime.fromisoformat(at)).load


def views(lake: Lake, definitions: str) -> list[int]:
    return [view.rows for view in lake.build_views(definitions=definitions)]


def ask(lake: Lake, query: str, until: str) -> list[Any]:
    """The rows of a query, asked again and again until there is a file; equal answers in a row once."""
    answers: list[Any] = []
    while True:
        last = Path(until).exists()
        answer = [list(row) for row in lake.sql(query).fetchall()]
        if answers[-1:] != [answer]:
            answers.append(answer)
        if last:
            return answers


VERBS: dict[str, Callable[..., Any]] = {"load": load, "delete": delete, "views": views, "ask": ask}


def take(lake: Lake, verb: str, *arguments: Any) -> dict[str, Any]:
    """What a step gave, how often it was tried, or the code of the error that it failed by."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return {"gave": VERBS[verb](lake, *arguments), "attempts": attempt}
        except StorageError as error:
            if not error.transient or attempt == _ATTEMPTS:
                return {"error": error.code, "attempts": attempt}
        except LacustreError as error:
            return {"error": error.code, "attempts": attempt}
    raise AssertionError(verb)


def main() -> None:
    job = json.loads(sys.argv[1])
    lake = Lake.open(job["lake"], tenant=job["tenant"])
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not Path(job["start"]).exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    print(json.dumps([take(lake, *step) for step in job["steps"]]))


if __name__ == "__main__":
    main()
