"""Fixtures that several folders of tests use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from lacustre import Lake
from lacustre.sample import SampleExport, generate_sample
from lacustre.views.catalog import starter_views
from support.s3 import bucket, proxy

__all__ = ["bucket", "proxy"]  # fixtures

SAMPLE_PATIENTS = 400

# the same examples in every run; `--hypothesis-profile long --hypothesis-seed 7` tries many others
settings.register_profile("suite", derandomize=True, database=None, deadline=None, print_blob=True)
settings.register_profile(
    "long", max_examples=2_000, database=None, deadline=None, print_blob=True, suppress_health_check=list(HealthCheck)
)
settings.load_profile("suite")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files of few tests go first: each of those takes long, and at the end one process would wait for another's."""
    tests_of = Counter(item.path for item in items)
    items.sort(key=lambda item: tests_of[item.path])


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The user's copies and memory of checked files are left alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LACUSTRE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


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
