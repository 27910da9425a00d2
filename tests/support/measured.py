"""The real command in processes of its own, with the memory that each of them took at most."""

from __future__ import annotations

import os
import re
import resource
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from support.workshop import Workshop, workshop

TYPED_ENDS = frozenset({0, 2, 3, 4, 5})
_ADDRESSES_BYTES = 12 << 30
_LIMIT_SECONDS = 180


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


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    """A workshop of which no process gets more memory than a small server has, and none a setting of this machine's."""
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:  # the tests themselves keep theirs
            for name in [name for name in os.environ if name.startswith("LACUSTRE_")]:
                patch.delenv(name)
            shop = stack.enter_context(workshop(tmp_path_factory.mktemp("commands")))
        resource.prlimit(shop.process.pid, resource.RLIMIT_AS, (_ADDRESSES_BYTES, _ADDRESSES_BYTES))
        yield shop


def run_lacustre(shop: Workshop, lake: Path, *arguments: str | Path) -> Run:
    """Run `lacustre` on a lake."""
    outcome = shop.run(lake, ["command", *map(str, arguments)], seconds=_LIMIT_SECONDS)
    return Run(outcome.status, outcome.out, outcome.err, outcome.peak_bytes + _code_bytes(shop.process.pid))


def _code_bytes(process: int) -> int:
    """The pages of files in memory that a fork of the process does not count until it touches them."""
    return int(psutil.Process(process).memory_info().shared)
