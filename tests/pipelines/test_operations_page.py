from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from support.shared import REPOSITORY

PAGE = REPOSITORY / "docs" / "howto" / "operations.md"
_BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```$", re.M | re.S)


def test_every_block_runs(project: Path) -> None:
    """In a clone with one view and no suite: what the blocks do is the same, in a tenth of the time."""
    for name in ("view_definitions", "quality"):
        (project / name).unlink()
    for name in ("view_definitions/patient", "quality/expectations"):
        (project / name).mkdir(parents=True)
    view = "view_definitions/patient/patient.json"
    (project / view).write_bytes((REPOSITORY / view).read_bytes())
    blocks = [(match[1], match[2]) for match in _BLOCK.finditer(PAGE.read_text())]
    assert len(blocks) >= 7
    for kind, text in blocks:
        execute(kind, text, project)
    assert not (project / ".dagster").exists()


def execute(kind: str, text: str, folder: Path) -> None:
    command = [sys.executable, "-c", text] if kind == "python" else ["bash", "-euo", "pipefail", "-c", text]
    found = {name: value for name, value in os.environ.items() if not name.startswith("LACUSTRE_")}
    paths = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**found, "PATH": paths, "DAGSTER_HOME": str(folder)}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, f"{text}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
