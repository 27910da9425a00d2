from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from support.shared import REPOSITORY

with warnings.catch_warnings():
    # Dagster's own imports warn about other packages' deprecations
    warnings.simplefilter("ignore")
    import dagster as dg
    from pipelines.definitions import defs

from lacustre.sample import SampleExport, generate_sample


@pytest.fixture(scope="session")
def definitions() -> dg.Definitions:
    return defs()


@pytest.fixture(scope="session")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of exports with one tenant, and a folder that is none."""
    folder = tmp_path_factory.mktemp("exports")
    generate_sample(folder / "chu-test", patients=15)
    (folder / "Not a tenant").mkdir()
    return folder


@pytest.fixture(scope="session")
def other_export(tmp_path_factory: pytest.TempPathFactory) -> SampleExport:
    return generate_sample(tmp_path_factory.mktemp("other") / "export", patients=18)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The repository's root as `dagster` sees it, without writing into it."""
    for name in ("pyproject.toml", "dagster.yaml", "pipelines", "view_definitions", "quality", "deploy"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    return tmp_path
