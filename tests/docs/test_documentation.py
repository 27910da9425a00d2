"""The documentation is run: every bash and python block of the README, the tutorials and some guides, top down.

Blocks marked `sh` are not run here: they need a server or do not end (`tests/e2e` and `tests/pipelines` run those).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.shared import REPOSITORY, shared_dir

_BLOCK = re.compile(r"^```(?P<kind>bash|python|(?:json|sql) file=(?P<file>\S+))\n(?P<text>.*?)^```$", re.M | re.S)
_NOT_HERE = ("pip install", "uv run pytest")
HOW_TO = ["docs/howto/authoring.md", "docs/howto/queries.md", "docs/howto/types.md", "docs/howto/views.md"]
"""The guides whose commands need nothing but Lacustre."""
PAGES = [
    "README.md",
    *HOW_TO,
    *(str(path.relative_to(REPOSITORY)) for path in sorted(REPOSITORY.glob("docs/tutorial/*.md"))),
]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder that looks like a clone with `shared` beside it."""
    shared = shared_dir()
    (tmp_path / "shared").symlink_to(shared, target_is_directory=True)
    folder = tmp_path / "clone"
    folder.mkdir()
    return folder


def execute(command: list[str], folder: Path) -> None:
    paths = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": paths}
    environment.pop("LACUSTRE_LAKE", None)
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("page", PAGES)
def test_every_block_runs(page: str, clone: Path) -> None:
    ran = 0
    for block in _BLOCK.finditer((REPOSITORY / page).read_text()):
        if block["file"]:
            target = clone / block["file"]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block["text"])
        elif block["kind"] == "python":
            execute([sys.executable, "-c", block["text"]], clone)
            ran += 1
        else:
            lines = [line for line in block["text"].splitlines() if not line.startswith(_NOT_HERE)]
            script = "\n".join(lines).replace("uv run ", "")
            execute(["bash", "-euo", "pipefail", "-c", script], clone)
            ran += 1
    assert ran >= 3


def test_ci_runs_what_the_readme_promises() -> None:
    script = (REPOSITORY / ".ci/run").read_text()
    readme = (REPOSITORY / "README.md").read_text()
    assert "pip install uv && uv run lacustre demo" in readme
    for command in ("uv run lacustre demo", "uv run pytest"):
        assert command in readme
        assert command in script


def test_the_readme_is_short() -> None:
    assert len((REPOSITORY / "README.md").read_text().splitlines()) <= 150


def test_links_lead_somewhere() -> None:
    for page in [*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md")]:
        for link in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_the_cli_reference_is_of_this_cli(tmp_path: Path) -> None:
    made = tmp_path / "cli.md"
    command = [sys.executable, "-m", "typer", "lacustre.cli.app", "utils", "docs", "--name", "lacustre"]
    execute([*command, "--output", str(made)], tmp_path)
    assert made.read_text() == (REPOSITORY / "docs/reference/cli.md").read_text(), "run `uv run just docs`"
