"""Refresh `[tool.uv] constraint-dependencies`: the exact version of every package of the whole resolution.

The lock file itself names the hosts of package registries and stays out of the repository; with every version
pinned here, any machine resolves to the same packages.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
_BLOCK = re.compile(r"(?ms)^constraint-dependencies = \[.*?^\]\n")


def resolve() -> list[str]:
    """`name==version` of every package for every platform and Python, sorted."""
    subprocess.run(["uv", "lock", "--upgrade", "--quiet"], check=True, cwd=PYPROJECT.parent)
    exported = subprocess.run(
        ["uv", "export", "--all-extras", "--all-groups", "--no-hashes", "--no-emit-project", "--no-annotate",
         "--no-header", "--quiet"],
        check=True, cwd=PYPROJECT.parent, capture_output=True, text=True,
    ).stdout  # fmt: skip
    found = (re.match(r"([A-Za-z0-9._-]+)==([^\s;]+)(?:\s*;\s*(.+))?", line) for line in exported.splitlines())
    return sorted({f"{m[1]}=={m[2]}" + (f" ; {m[3].strip()}" if m[3] and _splits(m[3]) else "") for m in found if m})


def _splits(marker: str) -> bool:
    """Whether a marker chooses between versions by the Python version, and so must stay."""
    return "python_full_version" in marker


def main() -> None:
    text = PYPROJECT.read_text()
    PYPROJECT.write_text(_BLOCK.sub("constraint-dependencies = [\n]\n", text))
    pins = "".join(f'    "{pin.replace(chr(34), chr(39))}",\n' for pin in resolve())
    PYPROJECT.write_text(_BLOCK.sub(lambda _: f"constraint-dependencies = [\n{pins}]\n", text))
    subprocess.run(["uv", "lock", "--quiet"], check=True, cwd=PYPROJECT.parent)


if __name__ == "__main__":
    main()
