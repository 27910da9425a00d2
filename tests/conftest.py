"""Fixtures that several folders of tests use."""

from __future__ import annotations

import pytest

from lacustre import Lake
from lacustre.sample import SampleExport, generate_sample
from lacustre.views.catalog import starter_views

SAMPLE_PATIENTS = 400


@pytest.fixture(scope="session")
def sample_export(tmp_path_factory: pytest.TempPathFactory) -> SampleExport:
    """A small sample export."""
    return generate_sample(tmp_path_factory.mktemp("sample") / "export", patients=SAMPLE_PATIENTS)


@pytest.fixture(scope="session")
def sample_lake(sample_export: SampleExport) -> Lake:
    """A lake with the sample loaded and the starter views built; tests only read it."""
    lake = Lake.open(sample_export.folder.parent / "lake")
    lake.load(sample_export.folder)
    lake.build_views(definitions=starter_views())
    return lake
