"""Where the material that the repository does not contain is found: real data, conformance cases, definitions."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def shared_dir(*parts: str) -> Path:
    """The shared folder, or a path below it: `$LACUSTRE_SHARED`, else `shared` beside the clone.

    Skips the test where it is absent, and fails instead in CI, where it must be.
    """
    root = Path(os.environ.get("LACUSTRE_SHARED", REPOSITORY.parent / "shared"))
    path = root.joinpath(*parts)
    if not path.exists():
        message = f"{path} is not here: set LACUSTRE_SHARED to the folder with the shared test material"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return path
