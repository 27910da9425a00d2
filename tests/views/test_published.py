"""ViewDefinitions that others published run unmodified over real data, or are refused for a fault that they have."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripts.published_views import PAGE, Published, errors_of, run_published, write_page

from support.shared import shared_dir

REFUSED = {"diagnostic_report_flat_view.json": "unknown_element"}
"""DiagnosticReport.conclusion is a string: it has no `coding`."""


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> list[Published]:
    shared_dir("view_definitions")
    return run_published(shared_dir(), tmp_path_factory.mktemp("published"))


def test_all_of_them_run_but_those_that_are_at_fault(published: list[Published]) -> None:
    assert len(published) >= 42
    assert {view.path.name: first_code(view) for view in published if view.refused} == REFUSED
    for view in published:
        if not view.refused:
            assert not any(errors_of(found) for found in view.results.values()), view.path


def first_code(view: Published) -> str:
    assert view.refused is not None
    return next(finding.code for finding in view.refused.findings if finding.level == "error")


def test_a_refusal_names_the_place_in_the_file(published: list[Published]) -> None:
    for view in published:
        for finding in view.refused.findings if view.refused else ():
            if finding.level == "error":
                line = Path(view.path).read_text(encoding="utf-8").splitlines()[finding.diagnostic.line - 1]
                assert finding.diagnostic.expression
                assert finding.diagnostic.expression in line


def test_most_of_them_find_something(published: list[Published]) -> None:
    rows = [sum(found.rows or 0 for found in view.results.values()) for view in published]
    assert sum(count > 0 for count in rows) >= 33


def test_the_page_is_current(published: list[Published]) -> None:
    assert PAGE.read_text(encoding="utf-8") == write_page(published), "run scripts/published_views.py"
