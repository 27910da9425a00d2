"""The real command in processes of its own, with the memory that each of them took at most."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

TYPED_ENDS = frozenset({0, 2, 3, 4, 5})
_LIMIT_SECONDS = 180
# A process starts with the peak of the one that it was forked from, so a small one stands between this and the
# command. What the command's own children took counts where it waited for them, as `lacustre load` does.
_BETWEEN = """
import json, os, resource, subprocess, sys
resource.setrlimit(resource.RLIMIT_AS, (12 << 30, 12 << 30))
with open(sys.argv[1], "wb") as out, open(sys.argv[2], "wb") as err:
    process = subprocess.Popen(sys.argv[3:], stdout=out, stderr=err)
    _, status, usage = os.wait4(process.pid, 0)
print(json.dumps([os.waitstatus_to_exitcode(status), usage.ru_maxrss * 1024]))
"""


@dataclass(frozen=True, slots=True)
class Run:
    """How a command ended; `peak_bytes` is the resident memory of its largest process."""

    status: int
    out: str
    err: str
    peak_bytes: int

    @property
    def is_typed(self) -> bool:
        """Whether it succeeded, or failed by an error that Lacustre raised on purpose."""
        said = self.status == 0 or self.err.lstrip().startswith("error")
        return self.status in TYPED_ENDS and said and "Traceback" not in self.err

    def counts(self) -> dict[str, dict[str, int]]:
        """The table of a load: by resource type, lines by their fate."""
        rows = iter(self.out.splitlines())
        header = next(re.split(r" {2,}", row) for row in rows if row.startswith("resource type"))
        return {name: dict(zip(header[1:], numbers, strict=True)) for name, numbers in _rows(rows)}


def _rows(lines: Iterable[str]) -> Iterator[tuple[str, list[int]]]:
    """The rows of a table of numbers, to its end; thousands are apart by a narrow space."""
    for line in lines:
        name, *cells = line.split(" ")
        if not name:
            return
        yield name, [int(cell.replace("\u202f", "")) for cell in cells if cell]


def run_lacustre(folder: Path, *arguments: str | Path) -> Run:
    """Run `lacustre` with its output in two files of a folder."""
    out, err = folder / "out.txt", folder / "err.txt"
    command = [Path(sys.executable).with_name("lacustre"), *arguments]
    ended = subprocess.run(
        [sys.executable, "-S", "-c", _BETWEEN, out, err, *command],
        check=True,
        capture_output=True,
        timeout=_LIMIT_SECONDS,
        env={name: value for name, value in os.environ.items() if not name.startswith("LACUSTRE_")},
    )
    status, peak = json.loads(ended.stdout)
    return Run(status, out.read_text(), err.read_text(), peak)
