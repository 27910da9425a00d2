"""The sample that the tests of this folder read, made once."""

from __future__ import annotations

import json
from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest

from lacustre.sample import SampleExport

Resource = dict[str, Any]


@pytest.fixture(scope="session")
def lines(sample_export: SampleExport) -> dict[str, list[Resource]]:
    """Every line of the export by resource type, in the order of the files; decimals keep their digits."""
    found: dict[str, list[Resource]] = defaultdict(list)
    for path in sorted(sample_export.folder.glob("*.ndjson")):
        for line in path.read_text(encoding="utf-8").splitlines():
            resource = json.loads(line, parse_float=Decimal)
            found[resource["resourceType"]].append(resource)
    return dict(found)


@pytest.fixture(scope="session")
def latest(lines: dict[str, list[Resource]]) -> dict[str, dict[str, Resource]]:
    """The latest version of every resource, by type and id."""
    found: dict[str, dict[str, Resource]] = defaultdict(dict)
    for resource_type, resources in lines.items():
        for resource in sorted(resources, key=lambda r: int(r["meta"]["versionId"])):
            found[resource_type][resource["id"]] = resource
    return dict(found)
