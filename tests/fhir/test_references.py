"""References and patient keys."""

from __future__ import annotations

import doctest

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lacustre.fhir import references
from lacustre.fhir.references import Reference, parse_reference, patient_key, patient_key_sql


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("Patient/123", Reference("Patient", "123")),
        ("Patient/a-B.9", Reference("Patient", "a-B.9")),
        ("Patient/123/_history/2", Reference("Patient", "123", "2")),
        ("http://h/Patient/1", Reference("Patient", "1", None, "http://h")),
        ("https://h:8443/a/fhir/Patient/1", Reference("Patient", "1", None, "https://h:8443/a/fhir")),
        ("HTTPS://h/fhir/Patient/1", Reference("Patient", "1", None, "HTTPS://h/fhir")),
        ("http://h/fhir/Patient/1/_history/v-3", Reference("Patient", "1", "v-3", "http://h/fhir")),
        ("http://h/fhir/Patient/Patient/1", Reference("Patient", "1", None, "http://h/fhir/Patient")),
        ("Patient/" + "x" * 64, Reference("Patient", "x" * 64)),
        ("Patient/ipp_0042", Reference("Patient", "ipp_0042")),
        ("Patient/é", Reference("Patient", "é")),
    ],
)
def test_literal_references(text: str, reference: Reference) -> None:
    assert parse_reference(text) == reference


@pytest.mark.parametrize(
    "text",
    [
        "",
        "#p1",
        "#",
        "Patient",
        "Patient/",
        "/Patient/1",
        "patient/1",
        "Patient/1/",
        "Patient/1/_history",
        "Patient/1/_history/",
        "Patient/1/name",
        "Patient/1#p",
        "Patient?identifier=http://sys|1",
        "Patient/?identifier=1",
        "Patient/1?x=y",
        "urn:uuid:2f1f7b2e-4a0e-4f5e-9a43-1f7f8f3f0f00",
        "urn:oid:1.2.3",
        "http://h/ValueSet/x|1.0",
        "http://Patient/1",
        "http:///Patient/1",
        "ftp://h/Patient/1",
        "https://h/fhir?x=/Patient/1",
        " Patient/1",
        "Patient/1\n",
        "Patient/a b",
    ],
)
def test_what_names_no_resource(text: str) -> None:
    assert parse_reference(text) is None


ids = st.text(st.characters(codec="ascii", categories=("L", "N"), include_characters="-."), min_size=1, max_size=64)


@given(
    type_=st.sampled_from(["Patient", "Observation", "List"]),
    id_=ids,
    version=st.none() | ids,
    base=st.none() | st.sampled_from(["http://h", "https://ehr.example.org:443/r4/fhir"]),
)
def test_parse_is_the_inverse_of_writing(type_: str, id_: str, version: str | None, base: str | None) -> None:
    text = f"{base}/" * bool(base) + f"{type_}/{id_}" + f"/_history/{version}" * bool(version)
    assert parse_reference(text) == Reference(type_, id_, version, base)


def test_patient_keys_are_pinned() -> None:
    assert patient_key("default", "123") == 7341104519423405547
    assert patient_key("default", "1") != patient_key("other", "1")


@settings(max_examples=60)
@given(tenant=st.text(), id_=st.text())
@example(tenant="default", id_="123")
@example(tenant="", id_="")
@example(tenant="hôpital", id_="é'\"😀")
def test_duckdb_gives_the_same_key(tenant: str, id_: str) -> None:
    query = f"SELECT {patient_key_sql('?', '?')} AS k"
    key = patient_key(tenant, id_)
    assert -(2**63) <= key < 2**63
    with duckdb.connect() as connection:
        relation = connection.execute(query, [tenant, id_])
        assert relation.description[0][1] == duckdb.sqltypes.BIGINT
        assert relation.fetchall() == [(key,)]


def test_duckdb_keys_of_a_column() -> None:
    with duckdb.connect() as connection:
        rows = connection.execute(
            f"SELECT id, {patient_key_sql(chr(39) + 't' + chr(39), 'id')} "
            "FROM (SELECT 'p' || i AS id FROM range(1000) r(i)) p UNION ALL "
            f"SELECT NULL, {patient_key_sql(chr(39) + 't' + chr(39), 'NULL')}"
        ).fetchall()
    assert all(key == (None if id_ is None else patient_key("t", id_)) for id_, key in rows)
    assert len({key for _, key in rows}) == 1001
    assert any(key < 0 for _, key in rows if key is not None)


def test_docstrings() -> None:
    result = doctest.testmod(references)
    assert result.failed == 0 and result.attempted >= 5
