from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.ports import free_port
from support.processes import ask, started, wait_until

KEYS = Path(__file__).with_name("asset_keys.txt")


@pytest.fixture
def address(project: Path) -> Iterator[str]:
    """`dagster dev` in the project, on a loopback port."""
    port = free_port()
    command = [str(Path(sys.executable).with_name("dagster")), "dev", "-h", "127.0.0.1", "-p", str(port)]
    environment = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
    with started("dagster", command, project, environment) as server:
        address = f"http://127.0.0.1:{port}"
        wait_until("an answer of `dagster dev`", lambda: ask(address, "{ version }"), server)
        yield address


def test_dagster_dev_serves_the_assets(address: str) -> None:
    answer = ask(address, "{ assetNodes { assetKey { path } isPartitioned } }")
    nodes = answer["assetNodes"]
    assert sorted("/".join(node["assetKey"]["path"]) for node in nodes) == KEYS.read_text().splitlines()
    assert all(node["isPartitioned"] for node in nodes)
