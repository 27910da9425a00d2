"""A process that works on lakes in forks of itself, so that each fork can be killed at a point of its own.

Python, DuckDB, pyarrow and deltalake are imported once: a fork begins at once, and a kill costs what the work costs.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from select import select
from typing import IO, Any, TypeAlias

import pytest

from lacustre import Lake
from support.lossless import parse_exactly
from support.shared import REPOSITORY

SHIM = REPOSITORY / "tests" / "support" / "kill_shim.c"

IMPORTED = (
    "lacustre.cli.app",
    "lacustre.query.session",
    "lacustre.store.delete",
    "lacustre.store.export",
    "lacustre.store.load",
    "lacustre.store.maintain",
    "lacustre.store.verify",
    "lacustre.views.catalog",
    "lacustre.views.materialise",
    "pandas",  # pyarrow looks for its tables
)
"""What a fork would import otherwise."""
READY = "ready"

Step: TypeAlias = Sequence[str]
"""A piece of work by its name, and its arguments."""

Content: TypeAlias = Mapping[str, Sequence[Any]]
"""What a lake says: of each table and view that has rows their number and a digest of them all."""


def strange(found: Content, *allowed: Content) -> list[str]:
    """The tables and views with another content than in any of the `allowed` contents."""
    names = found.keys() | {name for content in allowed for name in content}
    return [name for name in sorted(names) if found.get(name) not in [content.get(name) for content in allowed]]


@dataclass(frozen=True, slots=True)
class Kill:
    """The `number`-th change, from 1, of those whose "<call> <path in the lake>" contains `part`; 0 only counts."""

    number: int = 0
    part: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a fork ended: the steps it finished, what the last of them gave, changes it counted, what it printed.

    `status` is the exit status, or the number of the signal that killed it, negated.
    """

    status: int
    finished: int
    result: Any
    changes: int
    printed: str

    @property
    def killed(self) -> bool:
        return self.status == -signal.SIGKILL


class Workshop:
    """The process from outside."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, lake: Path, *steps: Step, kill: Kill | None = None, seconds: float | None = None) -> Outcome:
        """Perform steps on a lake, in a fork; a `kill` counts changes, after `seconds` it is killed where it is."""
        request = {"lake": str(lake), "steps": steps, "kill": asdict(kill) if kill else None, "seconds": seconds}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(request), file=self._process.stdin, flush=True)
        return Outcome(**json.loads(self._process.stdout.readline()))

    def perform(self, lake: Path, *steps: Step) -> Any:
        """Perform steps that must succeed; returns what the last one gave."""
        outcome = self.run(lake, *steps)
        assert (outcome.status, outcome.finished) == (0, len(steps)), outcome.printed
        return outcome.result

    def content(self, lake: Path) -> Content:
        found: Content = self.perform(lake, ["content"])
        return found

    def converged(self, lake: Path) -> Content:
        """The content, where nothing is held back, nothing unfinished, and every file as it was written."""
        settled = self.perform(lake, ["settled"])
        assert settled == ["published", 0, []], settled
        return self.content(lake)


@contextmanager
def workshop(folder: Path) -> Iterator[Workshop]:
    """Compile the shim into `folder` and start the process, which ends with the block.

    Skips where that is not possible, but not in CI.
    """
    if (sys.platform != "linux" or shutil.which("gcc") is None) and not os.environ.get("CI"):
        pytest.skip("processes are killed at their n-th write on Linux, with gcc")
    shim = folder / "kill_shim.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", shim, SHIM, "-ldl", "-lpthread"], check=True)
    environment = {
        **os.environ,
        "LD_PRELOAD": str(shim),
        "LACUSTRE_KILL_SHIM": str(shim),
        "LACUSTRE_CACHE": str(folder / "cache"),
        "OPENBLAS_NUM_THREADS": "1",  # numpy's threads would not be in the forks
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", "from support.kills import serve; serve()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
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
    printed, said = os.memfd_create("printed"), os.memfd_create("said")
    pid = os.fork()
    if pid == 0:
        os.dup2(printed, 1)
        os.dup2(printed, 2)
        with open(said, "w", closefd=False) as notes:
            os._exit(_exit_status(request, notes))
    status = _end_of(pid, request["seconds"])
    steps = [json.loads(line) for line in _everything(said).splitlines()]
    last = steps[-1] if steps else {"result": None, "changes": 0}
    return {"status": status, "finished": len(steps), **last, "printed": _everything(printed)}


def _end_of(pid: int, seconds: float | None) -> int:
    """The exit status of a fork, or its signal negated; it is killed if it is there after `seconds`."""
    if seconds is not None:
        ended = os.pidfd_open(pid)
        if not select([ended], [], [], seconds)[0]:
            os.kill(pid, signal.SIGKILL)
        os.close(ended)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _everything(file: int) -> str:
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
    shim, lake = ctypes.CDLL(os.environ["LACUSTRE_KILL_SHIM"]), Lake.open(request["lake"])
    if kill := request["kill"]:
        shim.kill_arm(request["lake"].encode(), kill["part"].encode(), ctypes.c_long(kill["number"]), 0)
    for name, *arguments in request["steps"]:
        result = STEPS[name](lake, *arguments)
        print(json.dumps({"result": result, "changes": shim.kill_changes()}), file=notes, flush=True)


def _command(lake: Lake, *arguments: str) -> None:
    """The `lacustre` command on the lake, in one process; it ends the fork unless it succeeds."""
    from lacustre.cli import main

    os.environ |= {"LACUSTRE_LAKE": lake.uri, "LACUSTRE_TENANT": lake.tenant, "LACUSTRE_PROCESSES": "1"}
    sys.argv = ["lacustre", *arguments]
    try:
        main()
    except SystemExit as end:
        if end.code:
            raise


def _load(lake: Lake, *places: str) -> None:
    lake.load(*places, processes=1, max_rejects=1.0)


def _views(lake: Lake, definitions: str) -> None:
    lake.build_views(definitions=definitions)


def _delete(lake: Lake, *keys: str) -> None:
    lake.delete(*keys)


def _maintain(lake: Lake) -> None:
    """`Lake.maintain` as it will be in two days, with no version kept but the newest one that is published."""
    from lacustre.store.maintain import maintain
    from lacustre.store.retention import Retention
    from lacustre.views.old_builds import remove_old_builds

    retention = Retention(keep_days=0, now=datetime.now(UTC) + timedelta(days=2))
    result = maintain(lake._tenant, retention)
    remove_old_builds(lake._tenant, retention.before(retention.grace), result.freed)


def _memory(lake: Lake, limit: str) -> None:
    """A merge of this fork spills when it needs more."""
    from lacustre.store import operation

    operation.QUERY_MEMORY = limit


def _checkpoints(lake: Lake, interval: str) -> None:
    """From now on every table gets a checkpoint at every `interval`-th commit, in place of the hundredth."""
    from deltalake import DeltaTable

    for log in Path(lake.uri).glob("tenants/**/_delta_log"):
        DeltaTable(log.parent).alter.set_table_properties({"delta.checkpointInterval": interval})


def _settled(lake: Lake) -> list[Any]:
    """The state of the newest version, how many operations are unfinished, and the files that are not as written."""
    from lacustre.store.ledger import intents
    from lacustre.store.verify import verify

    found = verify(lake._tenant)
    faulty = [*found.damaged, *found.missing, *found.unexpected]
    return [next(lake.history()).state, len(intents(lake._tenant)), faulty]


def _content(lake: Lake) -> dict[str, list[Any]]:
    return {name: [len(rows), _digest(rows)] for name, rows in _rows(lake) if rows}


def _rows(lake: Lake) -> Iterator[tuple[str, list[bytes]]]:
    with lake.session() as session:
        for table in lake.tables():
            if table.schema == "fhir":
                yield f"fhir.{table.name}", sorted(map(_canonical, lake.export(table.name)))
            else:
                found = session.execute(f'FROM main."{table.name}"').fetchall()
                yield f"main.{table.name}", sorted(repr(row).encode() for row in found)
        rejects = session.execute("SELECT file, line, reason, raw FROM lake.rejects").fetchall()
        yield "lake.rejects", sorted(repr(row).encode() for row in rejects)


def _canonical(line: bytes) -> bytes:
    """The order of members is that of a table's columns, which is not content."""
    return json.dumps(parse_exactly(line), sort_keys=True).encode()


def _digest(rows: Sequence[bytes]) -> str:
    return hashlib.sha256(b"\n".join(rows)).hexdigest()


STEPS: Mapping[str, Callable[..., Any]] = {
    "command": _command,
    "load": _load,
    "delete": _delete,
    "maintain": _maintain,
    "memory": _memory,
    "views": _views,
    "checkpoints": _checkpoints,
    "content": _content,
    "settled": _settled,
}
