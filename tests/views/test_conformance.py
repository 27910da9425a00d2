"""All official cases of SQL on FHIR, in every FHIR version that their files name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb
import pytest

from lacustre.errors import DataError
from lacustre.fhir.model import load_model
from lacustre.views.compile import compile_view
from lacustre.views.conformance import Case, Outcome, Suite, read_suites, run_case
from lacustre.views.model import parse_view
from support.shared import shared_dir
from support.typed_tables import load_tables


def suites() -> tuple[Suite, ...]:
    return read_suites(shared_dir("conformance", "sql-on-fhir"))


def cases() -> list[object]:
    try:
        found = suites()
    except (pytest.skip.Exception, pytest.fail.Exception):
        return []  # test_the_suite_is_complete says why
    return [
        pytest.param(suite, version, case, id=f"{suite.file}: {case.title} ({version})")
        for suite in found
        for version in suite.fhir_versions
        for case in suite.cases
    ]


def run(view: Mapping[str, object], resources: Sequence[str], version: str) -> Outcome:
    model = load_model(version)
    with duckdb.connect() as connection:
        shapes = load_tables(connection, resources, model)
        definition = parse_view(view)
        compiled = compile_view(definition, model, shapes.get(definition.resource, {}))
        try:
            result = connection.execute(compiled.sql)
            rows = result.fetchall()
        except duckdb.InvalidInputException as error:
            assert "LACUSTRE:" in str(error), error
            raise DataError("view_contradicts_data", str(error)) from error
        found = connection.execute(f"DESCRIBE {compiled.sql}").fetchall()
    assert [(name, type_) for name, type_, *_ in found] == [(c.name, c.sql_type) for c in compiled.columns]
    return Outcome(tuple((column.name, column.type) for column in compiled.columns), rows)


def test_the_suite_is_complete() -> None:
    found = suites()
    assert len(found) == 22
    assert sum(len(suite.cases) for suite in found) == 148


@pytest.mark.parametrize(("suite", "version", "case"), cases())
def test_case(suite: Suite, version: str, case: Case) -> None:
    assert run_case(case, suite.resources, lambda view, lines: run(view, lines, version)) is None
