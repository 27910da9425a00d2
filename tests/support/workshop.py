"""A process that works on lakes in forks of itself, each of which can end as it may.

Python, DuckDB, pyarrow and deltalake are imported once: a fork begins at once, and costs what its work costs.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from resource import struct_rusage
from select import select
from typing import IO, Any, TypeAlias

from lacustre import Lake
from support.steps import STEPS

IMPORTED = (
    "fsspec.implementations.local",
    "lacustre.cli.app",
    "lacustre.quality.completeness",
    "lacustre.quality.statement",
    "lacustre.query.session",
    "lacustre.store.delete",
    "lacustre.store.export",
    "lacustre.store.load",
    "lacustre.store.maintain",
    "lacustre.store.verify",
    "lacustre.views.catalog",
    "lacustre.views.builds.materialise",
    "pandas",  # pyarrow looks for its tables
    "pyarrow.pandas_compat",
    "sqlglot.dialects.duckdb",
    "sqlglot.generators.duckdb",
    "sqlglot.parsers.duckdb",
)
"""What a fork would import otherwise."""
SHIM = "LACUSTRE_KILL_SHIM"
READY = "ready"

Step: TypeAlias = Sequence[str]
"""A piece of work by its name in `support.steps`, and its arguments."""

Content: TypeAlias = Mapping[str, Sequence[Any]]
"""What a lake says: of each table and view that has rows their number and a digest of them all."""


@dataclass(frozen=True, slots=True)
class Kill:
    """The `number`-th change, from 1, of those whose "<call> <path in the lake>" contains `part`; 0 only counts."""

    number: int = 0
    part: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a fork ended: the steps it finished, what the last of them gave, changes it counted, what it printed.

    `status` is the exit status, or the number of the signal that killed it, negated; `peak_bytes` the resident
    memory that it took at most, or that a process did for whose end it waited.
    """

    status: int
    finished: int
    result: Any
    changes: int
    out: str
    err: str
    peak_bytes: int

    @property
    def killed(self) -> bool:
        return self.status == -signal.SIGKILL

    @property
    def printed(self) -> str:
        return self.out + self.err


class Workshop:
    """The process from outside."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def run(self, lake: Path, *steps: Step, kill: Kill | None = None, seconds: float | None = None) -> Outcome:
        """Perform steps on a lake, in a fork; a `kill` counts changes, after `seconds` it is killed where it is."""
        request = {"lake": str(lake), "steps": steps, "kill": asdict(kill) if kill else None, "seconds": seconds}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(request), file=self.process.stdin, flush=True)
        return Outcome(**json.loads(self.process.stdout.readline()))

    def perform(self, lake: Path, *steps: Step) -> Any:
        """Perform steps that must succeed; returns what the last one gave."""
        outcome = self.run(lake, *steps)
        assert (outcome.status, outcome.finished) == (0, len(steps)), outcome.printed
        return outcome.result

    def content(self, lake: Path) -> Content:
        found: Content = self.perform(lake, ["content"])
        return found

    def converged(self, lake: Path, *steps: Step) -> Content:
        """The content after some steps, where nothing is held back, nothing unfinished, and every file as written."""
        settled, content = self.perform(lake, *steps, ["settled"])
        assert settled == ["published", 0, []], settled
        found: Content = content
        return found


@contextmanager
def workshop(folder: Path, **environment: str) -> Iterator[Workshop]:
    """Start the process, with its cache in `folder` and more variables of its environment; it ends with the block."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", "from support.workshop import serve; serve()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={
            **os.environ,
            "LACUSTRE_CACHE": str(folder / "cache"),
            "OPENBLAS_NUM_THREADS": "1",  # numpy's threads would not be in the forks
            "PYTHONPATH": os.pathsep.join(sys.path),
            **environment,
        },
        cwd=folder,
        text=True,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline().strip() == READY, "it did not start: what it printed says why"
        yield Workshop(process)
        process.stdin.close()


def serve() -> None:
    """The body of the process: a request a line, a fork for each, an outcome a line."""
    for module in IMPORTED:
        import_module(module)
    print(READY, flush=True)
    for line in sys.stdin:
        print(json.dumps(_forked(json.loads(line))), flush=True)


def _forked(request: Mapping[str, Any]) -> dict[str, Any]:
    out, err, said = (os.memfd_create(name) for name in ("out", "err", "said"))
    pid = os.fork()
    if pid == 0:
        os.dup2(out, 1)
        os.dup2(err, 2)
        with open(said, "w", closefd=False) as notes:
            os._exit(_exit_status(request, notes))
    status, usage = _end_of(pid, request["seconds"])
    steps = [json.loads(line) for line in everything_in(said).splitlines()]
    last = steps[-1] if steps else {"result": None, "changes": 0}
    printed = {"out": everything_in(out), "err": everything_in(err)}
    return {"status": status, "finished": len(steps), **last, **printed, "peak_bytes": usage.ru_maxrss * 1024}


def _end_of(pid: int, seconds: float | None) -> tuple[int, struct_rusage]:
    """The exit status of a fork, or its signal negated; it is killed if it is there after `seconds`."""
    if seconds is not None:
        ended = os.pidfd_open(pid)
        if not select([ended], [], [], seconds)[0]:
            os.kill(pid, signal.SIGKILL)
        os.close(ended)
    _, status, usage = os.wait4(pid, 0)
    return os.waitstatus_to_exitcode(status), usage


def everything_in(file: int) -> str:
    """The text of a file that was written through another descriptor."""
    with open(file, "rb") as opened:
        opened.seek(0)
        return opened.read().decode(errors="replace")


def _exit_status(request: Mapping[str, Any], notes: IO[str]) -> int:
    """What a process would exit with that does the work, with what it prints then."""
    status = 1
    try:
        _work(request, notes)
        status = 0
    except SystemExit as end:
        status = int(end.code or 0)
    except BaseException:  # noqa: BLE001  as the interpreter does at its end
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    return status


def _work(request: Mapping[str, Any], notes: IO[str]) -> None:
    """Perform the steps, with a note of each one that is finished, as its caller would have its word for it."""
    shim = ctypes.CDLL(os.environ[SHIM]) if SHIM in os.environ else None
    lake = Lake.open(request["lake"])
    if kill := request["kill"]:
        assert shim is not None, "kills need the workshop of `support.kills`"
        shim.kill_arm(request["lake"].encode(), kill["part"].encode(), ctypes.c_long(kill["number"]), 0)
    for name, *arguments in request["steps"]:
        result = STEPS[name](lake, *arguments)
        changes = shim.kill_changes() if shim else 0
        print(json.dumps({"result": result, "changes": changes}), file=notes, flush=True)
