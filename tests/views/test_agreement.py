"""Expressions that random views seldom write, on odd data: the oracle says the same as the compiled view."""

from __future__ import annotations

import duckdb
import pytest

from support.agreement import OnTypedTables, assert_agreement

RESOURCES = [
    {
        "resourceType": "Observation",
        "id": "a",
        "effectiveDateTime": "unknown",
        "valueTime": "noon",
        "component": [{"code": {"text": "n"}}, {"valueInteger": 2}, {"valueString": "x"}],
    },
    {
        "resourceType": "Observation",
        "id": "b",
        "effectiveDateTime": "2015-02-04",
        "valueTime": "12:00:00",
        "component": [{"valueString": "y"}],
    },
]


@pytest.mark.parametrize(
    "path",
    [
        "component.value[0].ofType(integer)",
        "component.value.first().ofType(string)",
        "component.value.last() is string",
        "component.value[-1].ofType(string)",
        "component[-1].code.text",
        "component.value is string",
        "component.value.single().ofType(string)",
        "component.where(value is string).value as string",
        "effective.ofType(dateTime) > @2014",
        "effective.ofType(dateTime) < @2016-01-01T10:00:00Z",
        "effective.ofType(dateTime) = effective.ofType(dateTime)",
        "value.ofType(time) > @T10:00",
        "@2015-02-04T14 < @2015-02-04T15",
        "@2015-02-04T14 = @2015-02-04T14:30",
        "@2015-02-04T14:30 <= @2015-02-04T14:30",
        "1.0 | 1.00",
    ],
)
def test_the_oracle_agrees(path: str) -> None:
    view = {"name": "v", "resource": "Observation", "select": [{"column": [{"name": "c", "path": path}]}]}
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA fhir; SET TimeZone = 'Europe/Paris'")
        assert_agreement(OnTypedTables(connection), view, RESOURCES)
