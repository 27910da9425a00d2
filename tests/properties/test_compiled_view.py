"""A compiled view equals the oracle: on generated resources and views, over typed tables and over whole lakes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from lacustre.errors import ViewDefinitionError
from support.agreement import ZONE, OnLakes, OnTypedTables, assert_agreement, outcome, verdict
from support.oracle import OracleError, Table
from support.strategies import Case, cases, faulty_cases


def examples(count: int) -> settings:
    """The same `count` examples in every run; in the long profile many more, by its seed.

    Only the long profile shrinks a failing example, which may take an hour and much memory.
    """
    if settings.get_current_profile_name() == "long":
        return settings(max_examples=settings().max_examples * count // 200)
    return settings(
        max_examples=count,
        phases=[Phase.explicit, Phase.generate],
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(scope="module")
def typed_tables() -> Iterator[OnTypedTables]:
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute(f"SET TimeZone = '{ZONE.key}'; CREATE SCHEMA fhir")
        yield OnTypedTables(connection)


def test_over_typed_tables(typed_tables: OnTypedTables) -> None:
    seen: Counter[str] = Counter()

    @examples(200)
    @given(cases())
    def check(case: Case) -> None:
        expected = assert_agreement(typed_tables, case.view, case.resources)
        seen.update(properties_of(expected))

    check()
    assert seen["rows"] >= 200
    assert seen["values"] >= 400
    assert seen["refused"] <= 10, "the cases are to be of what is supported"


def test_several_values_where_one_is_allowed(typed_tables: OnTypedTables) -> None:
    seen: Counter[str] = Counter()

    @examples(150)
    @given(cases(careless=True))
    def check(case: Case) -> None:
        seen.update(properties_of(assert_agreement(typed_tables, case.view, case.resources)))

    check()
    assert seen["faults"] >= 3
    assert seen["refused"] <= 6


def properties_of(expected: Table | OracleError | None) -> Counter[str]:
    if expected is None:
        return Counter(refused=1)
    if isinstance(expected, OracleError):
        return Counter(faults=1)
    values = sum(value not in (None, []) for row in expected.rows for value in row.values())
    return Counter(rows=len(expected.rows), values=values)


def test_over_lakes(tmp_path: Path) -> None:
    seen: Counter[str] = Counter()

    @examples(25)
    @given(cases())
    def check(case: Case) -> None:
        seen.update(properties_of(assert_agreement(OnLakes(tmp_path), case.view, case.resources)))

    check()
    assert seen["refused"] <= 2


def test_what_is_wrong_whatever_the_data(typed_tables: OnTypedTables) -> None:
    @examples(100)
    @given(faulty_cases())
    def check(case: Case) -> None:
        assert isinstance(verdict(case.view, [], lazy=True), OracleError), case.view
        assert isinstance(outcome(typed_tables, case.view, case.resources), ViewDefinitionError), case.view

    check()
