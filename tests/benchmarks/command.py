"""The command: how long a question takes from the shell, and how much memory a load of one large file."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

from benchmarks.measure import Figure, median_seconds

SELECT_TARGET = 1.0
MEMORY_TARGET = 2.0
SAMPLING_SECONDS = 0.1


def lacustre(*arguments: str) -> list[str]:
    return [str(Path(sys.executable).with_name("lacustre")), *arguments]


def select_figure(lake: Path, rounds: int) -> Figure:
    """Wall time of `lacustre sql "select 1"`, warm: after a first run that is not counted."""

    def ask() -> None:
        subprocess.run(lacustre("sql", "select 1", "--lake", str(lake)), check=True, capture_output=True, timeout=60)

    ask()
    return Figure("command", 'lacustre sql "select 1"', median_seconds(ask, rounds), "s", target=SELECT_TARGET)


def memory_figure(file: Path, lake: Path) -> Figure:
    """Peak memory of loading one file, of all processes together: the sum of their proportional shares."""
    process = subprocess.Popen(
        lacustre("load", str(file), "--lake", str(lake)),
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    peak = PeakMemory(process.pid)
    peak.start()
    _, message = process.communicate()
    peak.stop()
    if process.returncode:
        raise SystemExit(f"the load failed: {message.decode()}")
    return Figure(
        "load",
        "peak memory of one large file",
        peak.proportional / 1e9,
        "GB",
        target=MEMORY_TARGET,
        detail=f"{file.stat().st_size / 1e6:.0f} MB; sum of resident sizes {peak.resident / 1e9:.2f} GB",
    )


class PeakMemory(threading.Thread):
    """Samples the memory of all processes of a session: proportional (shared pages once) and resident bytes."""

    def __init__(self, session: int) -> None:
        super().__init__(daemon=True)
        self._session = session
        self._ended = threading.Event()
        self.proportional = 0
        self.resident = 0

    def run(self) -> None:
        while not self._ended.wait(SAMPLING_SECONDS):
            found = [_memory_of(pid) for pid in _processes_of(self._session)]
            self.proportional = max(self.proportional, sum(share for share, _ in found))
            self.resident = max(self.resident, sum(resident for _, resident in found))

    def stop(self) -> None:
        self._ended.set()
        self.join()


def _processes_of(session: int) -> list[int]:
    entries = (entry.name for entry in Path("/proc").iterdir())
    return [int(name) for name in entries if name.isdigit() and _session_of(int(name)) == session]


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
