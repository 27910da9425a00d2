"""Processes that use a lake at the same time: `python lake_worker.py JOB`, a JSON object.

They are forks of one process that has imported Lacustre, and begin together when the last of them is there. Each
takes its steps, lists of a verb and its arguments; a step that fails by a transient error is taken again, as an
operator would. When the writers have ended, the file `stop` is made, at which the readers end. What the steps gave is
printed, a JSON list for each process.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from lacustre import Lake
from lacustre.errors import LacustreError, StorageError
from support.workshop import IMPORTED, everything_in

_ATTEMPTS = 5
_PAUSE_SECONDS = 0.05


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
        time.sleep(_PAUSE_SECONDS)


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


@dataclass(frozen=True, slots=True)
class Worker:
    """A fork, and the file that its outcomes are in when it has ended."""

    process: int
    said: int

    def outcomes(self) -> Any:
        status = os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])
        if status:
            raise SystemExit(f"a process ended with {status}")
        return json.loads(everything_in(self.said))


class Gate:
    """Holds forks back until it opens, or until the process that would open it is gone."""

    def __init__(self) -> None:
        self._here, self._there = os.pipe()

    def open(self) -> None:
        os.close(self._there)

    def wait(self) -> None:
        os.close(self._there)
        os.read(self._here, 1)


def forked(job: dict[str, Any], all_steps: Sequence[Any], gate: Gate) -> Iterator[Worker]:
    for steps in all_steps:
        said = os.memfd_create("said")
        process = os.fork()
        if process == 0:
            os._exit(_exit_status(job, steps, gate, said))
        yield Worker(process, said)


def _exit_status(job: dict[str, Any], steps: Any, gate: Gate, said: int) -> int:
    gate.wait()
    try:
        lake = Lake.open(job["lake"], tenant=job["tenant"])
        with open(said, "w", closefd=False) as notes:
            json.dump([take(lake, *step) for step in steps], notes)
    except BaseException:  # noqa: BLE001  as the interpreter does at its end
        traceback.print_exc()
        return 1
    return 0


def main() -> None:
    for module in IMPORTED:
        import_module(module)
    job, gate = json.loads(sys.argv[1]), Gate()
    writing = list(forked(job, job["writers"], gate))
    reading = list(forked(job, job["readers"], gate))
    gate.open()
    written = [worker.outcomes() for worker in writing]
    Path(job["stop"]).touch()
    print(json.dumps(written + [worker.outcomes() for worker in reading]))


if __name__ == "__main__":
    main()
