"""The reaper and a clock that was set forward: who lives is not taken for lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from pipelines.reaper import Worker, find_lost

SERVER = """
import multiprocessing, time
if __name__ == "__main__":
    worker = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(60,), daemon=True)
    worker.start()
    print(worker.pid, flush=True)
    input()
"""


@pytest.fixture(params=[["-m", "dagster", "api", "grpc"], []], ids=["code server", "another program"])
def child(request: pytest.FixtureRequest) -> Iterator[tuple[int, bool]]:
    """The process of a worker, as a code server starts it, or as anybody else does."""
    command = [sys.executable, "-c", SERVER, *request.param]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None and server.stdout is not None
        pid = int(server.stdout.readline())
        yield pid, bool(request.param)
        os.kill(pid, signal.SIGKILL)  # the server would wait for it, up to a minute
        server.stdin.close()


def test_a_worker_that_looks_younger_than_its_events_lives(child: tuple[int, bool]) -> None:
    pid, of_a_run = child
    assert Worker(pid, time.time()).alive
    assert Worker(pid, time.time() - 3600).alive is of_a_run


def test_a_process_is_of_the_last_run_that_named_it(child: tuple[int, bool]) -> None:
    pid, now = child[0], time.time()
    assert find_lost({"before": Worker(pid, now - 5), "now": Worker(pid, now), "not yet": None}) == {"before"}
    assert find_lost({"now": Worker(pid, now)}) == set()
