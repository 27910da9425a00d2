"""A small hospital behind a bulk server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.bulk_site import Site, bulk_site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with bulk_site(tmp_path, lines_per_file=10) as made:
        yield made
