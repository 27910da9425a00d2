"""The command: how long a question takes from the shell, and how much memory a load of one large file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.measure import MEMORY_TARGET, Figure, median_seconds
from benchmarks.memory import PeakMemory, processes_of

SELECT_TARGET = 1.0


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
    peak = PeakMemory(lambda: processes_of(process.pid))
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
