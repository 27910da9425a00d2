"""The memory of several processes together, sampled while they work."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

SAMPLING_SECONDS = 0.1

Processes = Callable[[], Iterable[int]]


class PeakMemory(threading.Thread):
    """Samples the memory of some processes until `stop`, in bytes.

    `proportional` and `resident` are the largest sums over all of them, with shared pages once and in each,
    `largest` is the most resident bytes of one process.
    """

    def __init__(self, processes: Processes) -> None:
        super().__init__(daemon=True)
        self._processes = processes
        self._ended = threading.Event()
        self.proportional = self.resident = self.largest = 0

    def run(self) -> None:
        while not self._ended.wait(SAMPLING_SECONDS):
            found = [_memory_of(pid) for pid in self._processes()]
            self.proportional = max(self.proportional, sum(share for share, _ in found))
            self.resident = max(self.resident, sum(resident for _, resident in found))
            self.largest = max(self.largest, *(resident for _, resident in found), 0)

    def stop(self) -> None:
        self._ended.set()
        self.join()


def processes_of(session: int) -> list[int]:
    entries = (entry.name for entry in Path("/proc").iterdir())
    return [int(name) for name in entries if name.isdigit() and _session_of(int(name)) == session]


def this_process_and_below() -> list[int]:
    found = [os.getpid()]
    for pid in found:
        found += _children_of(pid)
    return found


def _children_of(pid: int) -> list[int]:
    try:
        threads = [thread.read_text() for thread in Path(f"/proc/{pid}/task").glob("*/children")]
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(child) for children in threads for child in children.split()]


def _session_of(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None


def _memory_of(pid: int) -> tuple[int, int]:
    """Pss and Rss in bytes; nothing for a process that has ended meanwhile."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0, 0
    sizes = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines if line.endswith(" kB")}
    return sizes.get("Pss", 0), sizes.get("Rss", 0)
