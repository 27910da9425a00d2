"""The page on conformance has each file of official cases with its number of cases."""

from __future__ import annotations

import json
import re

from support.shared import REPOSITORY, shared_dir

_ROW = re.compile(r"^\| (\S+\.json) \| (\d+) \| (\d+) \| (\d*) \|$", re.M)


def test_the_page_is_of_these_cases() -> None:
    page = (REPOSITORY / "docs/reference/conformance.md").read_text()
    shown = {name: (int(cases), int(passed), int(apart or 0)) for name, cases, passed, apart in _ROW.findall(page)}
    found = {}
    for path in shared_dir("conformance", "sql-on-fhir").glob("*.json"):
        cases = json.loads(path.read_text())["tests"]
        experimental = sum("experimental" in case.get("tags", ()) for case in cases)
        found[path.name] = (len(cases), len(cases), experimental)  # that all pass is tests/query/test_conformance.py
    assert shown == found
    assert sum(cases for cases, _, _ in found.values()) == 148
