"""Which runs the reaper takes for lost; `tests/faults/test_dagster.py` kills real ones."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
from pipelines.reaper import Worker


@pytest.fixture
def process() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)


def test_a_worker_lives_as_long_as_its_process(process: subprocess.Popen[bytes]) -> None:
    worker = Worker(process.pid, time.time())
    assert worker.alive
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not worker.alive  # not even while nobody asked how it ended
    process.wait()
    assert not worker.alive


def test_another_process_with_the_same_id_is_not_the_worker(process: subprocess.Popen[bytes]) -> None:
    assert not Worker(process.pid, time.time() - 60).alive
    process.kill()
    process.wait()
