"""The key of a reference in SQL against the reading of references elsewhere."""

from __future__ import annotations

from functools import cache

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lacustre.fhir.references import parse_reference
from lacustre.views.duckdb import sql
from lacustre.views.duckdb.references import reference_key

REFERENCES = [
    "Patient/1",
    "Patient/A-b.c_d",
    "Group/1",
    "Patient/1/_history/2",
    "Patient/1/_history/",
    "http://h.org/fhir/Patient/1",
    "HTTPS://h.org/Patient/1/_history/7",
    "ftp://h.org/Patient/1",
    "http://h.org/?x=Patient/1",
    "Patient/",
    "/Patient/1",
    "Patient/1/",
    "Patient/1/2",
    "patient/1",
    "Patient2/1",
    "Patient/1#x",
    "Patient/1|2",
    "Patient/1?x",
    "Patient/1 2",
    "Patient?identifier=1",
    "#p1",
    "urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7",
    "",
]


@cache
def statements() -> tuple[duckdb.DuckDBPyConnection, dict[str | None, str]]:
    reference = sql.column("r", "t")
    return duckdb.connect(), {type_: reference_key(reference, type_).sql("duckdb") for type_ in (None, "Patient")}


def key(reference: str, type_: str | None) -> str | None:
    connection, found = statements()
    row = connection.execute(f"SELECT {found[type_]} FROM (VALUES (?)) AS t(r)", [reference]).fetchone()
    assert row is not None
    return row[0]


def expected(reference: str, type_: str | None) -> str | None:
    parsed = parse_reference(reference)
    return parsed.id if parsed is not None and type_ in (None, parsed.type) else None


@pytest.mark.parametrize("reference", REFERENCES)
@pytest.mark.parametrize("type_", [None, "Patient"])
def test_listed_references(reference: str, type_: str | None) -> None:
    assert key(reference, type_) == expected(reference, type_)


PARTS = ("Patient", "Group", "/", "1", "a-b", "_history", "http://h", "#", "?", "|", " ", "p", ".", "urn:", "\u00e9")


@given(st.lists(st.sampled_from(PARTS), max_size=6).map("".join))
def test_assembled_references(reference: str) -> None:
    for type_ in (None, "Patient"):
        assert key(reference, type_) == expected(reference, type_)
