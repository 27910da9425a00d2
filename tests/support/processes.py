"""Real servers on loopback for one test: started, waited for, and stopped with everything that they started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

START_SECONDS = 120.0


@dataclass(slots=True)
class Server:
    """A process that leads a group of its own; its output is in `log`."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def kill(self) -> None:
        """What a power cut does to it and all that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(5)
        self.kill()


@contextmanager
def started(name: str, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Iterator[Server]:
    """A running server, stopped at the end."""
    log = folder / f"{name}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    server = Server(name, process, log)
    try:
        yield server
    finally:
        server.stop()


def wait_until(what: str, holds: Callable[[], Any], *servers: Server, seconds: float = START_SECONDS) -> Any:
    """What `holds` gives, once it is true; fails with the servers' logs after `seconds` or where one ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            if found := holds():
                return found
        if any(server.process.poll() is not None for server in servers):
            break
        time.sleep(0.25)
    logs = "\n".join(f"--- {server.name}\n{server.log.read_text()[-3000:]}" for server in servers)
    return pytest.fail(f"{what} did not happen\n{logs}")


def post(address: str, query: str, headers: Mapping[str, str] | None = None, **variables: Any) -> dict[str, Any]:
    """The whole answer to a GraphQL query."""
    body = json.dumps({"query": query, "variables": variables}).encode()
    asked = {"Content-Type": "application/json", **(headers or {})}
    request = urllib.request.Request(f"{address}/graphql", body, asked)
    with urllib.request.urlopen(request, timeout=30) as response:
        answer: dict[str, Any] = json.loads(response.read())
    return answer


def ask(address: str, query: str, **variables: Any) -> Any:
    """The data of the answer; fails where there are errors."""
    answer = post(address, query, **variables)
    assert "errors" not in answer, answer["errors"]
    return answer["data"]


LAUNCH = """
mutation Launch($job: String!, $partition: String!, $config: RunConfigData) {
  launchRun(executionParams: {
    selector: {repositoryLocationName: "lacustre", repositoryName: "__repository__", pipelineName: $job}
    runConfigData: $config
    executionMetadata: {tags: [{key: "dagster/partition", value: $partition}]}
  }) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
    ... on RunConfigValidationInvalid { errors { message } }
    ... on UnauthorizedError { message }
  }
}
"""
ADD_PARTITION = """
mutation Add($partition: String!) {
  addDynamicPartition(
    partitionsDefName: "tenant", partitionKey: $partition
    repositorySelector: {repositoryLocationName: "lacustre", repositoryName: "__repository__"}
  ) { __typename }
}
"""


def launch(address: str, job: str, partition: str, config: Mapping[str, Any] | None = None) -> str:
    """The id of a new run."""
    found = ask(address, LAUNCH, job=job, partition=partition, config=config or {})["launchRun"]
    assert found["__typename"] == "LaunchRunSuccess", found
    return str(found["run"]["runId"])


def runs(address: str) -> dict[str, str]:
    """The status of every run, by its id."""
    found = ask(address, "{ runsOrError { ... on Runs { results { runId status } } } }")["runsOrError"]
    return {run["runId"]: run["status"] for run in found["results"]}
