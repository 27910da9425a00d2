"""Lacustre under real Dagster processes: the code server, the daemon and a web server, each by itself."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from support.bulk_server import BulkServer
from support.ports import free_port
from support.processes import ADD_PARTITION, Server, ask, launch, runs, started, wait_until
from support.shared import REPOSITORY

BIN = Path(sys.executable).parent
TENANT = "chu-a"
_EVENTS = """
query Events($run: ID!) {
  logsForRun(runId: $run) { ... on EventConnection { events { ... on MessageEvent { message } } } }
}
"""
_SENSOR = """
mutation Start($name: String!) {
  startSensor(sensorSelector: {
    repositoryLocationName: "lacustre", repositoryName: "__repository__", sensorName: $name
  }) { __typename }
}
"""


class DagsterSite:
    """A project folder with one view and no suite, and servers that can be killed one by one."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self._stack = folder, stack
        self.servers: dict[str, Server] = {}
        self.ports = {"code": free_port(), "web": free_port()}
        make_project(folder)
        server = f"{{host: 127.0.0.1, port: {self.ports['code']}, location_name: lacustre}}"
        (folder / "workspace.yaml").write_text(f"load_from:\n  - grpc_server: {server}\n")
        found = {name: value for name, value in os.environ.items() if not name.startswith("LACUSTRE_")}
        self.environment = {**found, "DAGSTER_HOME": str(folder), "DAGSTER_DISABLE_TELEMETRY": "1"}
        make_state(folder, self.environment)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.ports['web']}"

    def start(self, *names: str) -> None:
        """Start the code server, the web server and the daemon, or those that are named, and wait for answers."""
        code, web = str(self.ports["code"]), str(self.ports["web"])
        commands = {
            "code": [*_DAGSTER, "code-server", "start", "-m", "pipelines.definitions", "-h", "127.0.0.1", "-p", code],
            "web": [str(BIN / "dagster-webserver"), "-w", "workspace.yaml", "-h", "127.0.0.1", "-p", web],
            "daemon": [str(BIN / "dagster-daemon"), "run", "-w", "workspace.yaml"],
        }
        for name in names or commands:
            if name == "daemon" and "web" in self.servers:
                # a daemon that finds no code looks again a minute later
                self.wait("the code server", lambda: "Started Dagster code server" in self.log("code"))
            running = started(name, commands[name], self.folder, self.environment)
            self.servers[name] = self._stack.enter_context(running)
        self.wait("an answer with the assets", lambda: ask(self.address, "{ assetNodes { id } }")["assetNodes"])

    def log(self, name: str) -> str:
        return self.servers[name].log.read_text()

    def kill(self, *names: str) -> None:
        for name in names or tuple(self.servers):
            self.servers.pop(name).kill()

    def wait(self, what: str, holds: Any, seconds: float = 120) -> Any:
        return wait_until(what, holds, *self.servers.values(), seconds=seconds)

    def add_tenant(self) -> None:
        ask(self.address, ADD_PARTITION, partition=TENANT)

    def launch(self, job: str, config: Mapping[str, Any] | None = None) -> str:
        return launch(self.address, job, TENANT, config)

    def start_sensor(self, name: str) -> None:
        assert ask(self.address, _SENSOR, name=name)["startSensor"]["__typename"] == "Sensor"

    def runs(self) -> dict[str, str]:
        return runs(self.address)

    def messages(self, run: str) -> list[str]:
        events = ask(self.address, _EVENTS, run=run)["logsForRun"]["events"]
        return [event["message"] for event in events if event.get("message")]

    def worker(self, run: str) -> int:
        """The id of the process that executes a run."""
        found = re.search(r"Started process for run \(pid: (\d+)\)", "\n".join(self.messages(run)))
        assert found is not None
        return int(found[1])

    def export_from(self, server: BulkServer) -> None:
        config = self.folder / "bulk_exports" / f"{TENANT}.toml"
        config.parent.mkdir()
        config.write_text(f'url = "{server.url}"\nfolder = "../exports/{TENANT}"\npoll_seconds = 0.2\n')


_DAGSTER = [str(BIN / "dagster")]
_VIEW = "view_definitions/patient/patient.json"


def make_state(folder: Path, environment: Mapping[str, str]) -> None:
    """One process makes the tables of Dagster's state: several that start at once would, and leave them broken."""
    command = [*_DAGSTER, "instance", "migrate"]
    subprocess.run(command, cwd=folder, env=dict(environment), check=True, capture_output=True, timeout=120)


def make_project(folder: Path) -> None:
    """The repository's code location with one view, no suite, and sensors that do not let a test wait."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(REPOSITORY / "pipelines", folder / "pipelines", ignore=ignored)
    for name in ("pyproject.toml", "dagster.yaml"):
        shutil.copy(REPOSITORY / name, folder / name)
    (folder / _VIEW).parent.mkdir(parents=True)
    shutil.copy(REPOSITORY / _VIEW, folder / _VIEW)
    defs = folder / "pipelines" / "defs"
    _replace(defs / "arrivals" / "defs.yaml", "attributes:", "attributes:\n  interval_seconds: 2")
    _replace(defs / "reaper.py", "minimum_interval_seconds=30", "minimum_interval_seconds=2")


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
