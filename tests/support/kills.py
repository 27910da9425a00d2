"""A workshop whose forks can be killed at a point of their own, and what is looked for afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.shared import REPOSITORY
from support.workshop import SHIM, Content, Workshop, workshop

SOURCE = REPOSITORY / "tests" / "support" / "kill_shim.c"


def strange(found: Content, *allowed: Content) -> list[str]:
    """The tables and views with another content than in any of the `allowed` contents."""
    names = found.keys() | {name for content in allowed for name in content}
    return [name for name in sorted(names) if found.get(name) not in [content.get(name) for content in allowed]]


@contextmanager
def deadly_workshop(folder: Path) -> Iterator[Workshop]:
    """Compile the shim into `folder` and start a workshop with it, whose commands work in one process.

    Skips where that is not possible, but not in CI.
    """
    if (sys.platform != "linux" or shutil.which("gcc") is None) and not os.environ.get("CI"):
        pytest.skip("processes are killed at their n-th write on Linux, with gcc")
    shim = folder / "kill_shim.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", shim, SOURCE, "-ldl", "-lpthread"], check=True)
    with workshop(folder, LD_PRELOAD=str(shim), LACUSTRE_PROCESSES="1", **{SHIM: str(shim)}) as shop:
        yield shop
