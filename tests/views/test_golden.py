"""Views and the SQL they compile to, side by side.

The table of each holds what the view reads. After a change that is meant, `LACUSTRE_WRITE_GOLDEN=1` writes the
files anew: read the difference before you keep it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lacustre.fhir.model import load_model
from lacustre.views.compile import compile_view
from lacustre.views.model import load_view

FOLDER = Path(__file__).parent / "golden"
VIEWS = sorted(FOLDER.glob("*.json"))


def shape_of_paths(paths: tuple[str, ...]) -> dict[str, dict]:  # type: ignore[type-arg]
    shape: dict[str, dict] = {}  # type: ignore[type-arg]
    for path in paths:
        place = shape
        for name in path.split("."):
            place = place.setdefault(name, {})
    return shape


def test_there_are_golden_views() -> None:
    assert len(VIEWS) >= 12


@pytest.mark.parametrize("path", VIEWS, ids=lambda path: path.stem)
def test_the_sql_is_the_golden_one(path: Path) -> None:
    view, model = load_view(path), load_model()
    compiled = compile_view(view, model, shape_of_paths(compile_view(view, model, {}).paths))
    golden = path.with_suffix(".sql")
    if os.environ.get("LACUSTRE_WRITE_GOLDEN"):
        golden.write_text(compiled.sql + "\n", encoding="utf-8")
    assert compiled.sql + "\n" == golden.read_text(encoding="utf-8")
