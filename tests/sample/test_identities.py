"""The identities of the sample: structurally right, and nobody's."""

from __future__ import annotations

import re
from typing import Any

import pytest

from lacustre.sample.hospital import luhn_key
from lacustre.sample.persons import NirRegister, nir_key

Resource = dict[str, Any]
Latest = dict[str, dict[str, Resource]]

INS_NIR_TEST = "urn:oid:1.2.250.1.213.1.4.10"


# Test identities published by the Agence du numérique en santé.
@pytest.mark.parametrize(("body", "key"), [("2790351215189", "89"), ("2550699999999", "34")])
def test_the_key_of_a_nir(body: str, key: str) -> None:
    assert nir_key(body) == key


# A textbook number, then the stem of a test RPPS of the Agence du numérique en santé.
@pytest.mark.parametrize(("number", "key"), [("7992739871", "3"), ("9970036332", "0")])
def test_the_check_digit_of_luhn(number: str, key: str) -> None:
    assert luhn_key(number) == key


def test_numbers_of_the_same_month_go_on_to_the_next_place() -> None:
    register = NirRegister()
    numbers = [register.next_number("female", "1955-06-01") for _ in range(1001)]
    assert numbers[0].startswith("25506" + "99999" + "001")
    assert numbers[998].startswith("25506" + "99999" + "999")
    assert numbers[999].startswith("25506" + "99998" + "001")
    assert len(set(numbers)) == 1001


def ins_numbers(latest: Latest) -> list[tuple[Resource, str]]:
    return [
        (patient, identifier["value"])
        for patient in latest["Patient"].values()
        for identifier in patient["identifier"]
        if identifier["system"] == INS_NIR_TEST
    ]


def test_ins_numbers_are_valid_and_belong_to_nobody(latest: Latest) -> None:
    found = ins_numbers(latest)
    assert len(found) > 300
    for patient, number in found:
        assert re.fullmatch(r"[12]\d{2}(0[1-9]|1[0-2])9999\d\d{3}\d{2}", number)
        assert number[13:] == nir_key(number[:13])
        assert number[1:3] == patient["birthDate"][2:4]
        if patient.get("gender") in ("male", "female"):
            assert number[0] == ("1" if patient["gender"] == "male" else "2")


def test_an_identifier_belongs_to_one_patient(latest: Latest) -> None:
    keys = [(i["system"], i["value"]) for patient in latest["Patient"].values() for i in patient["identifier"]]
    assert len(keys) == len(set(keys))


def test_a_checked_identity_has_an_ins_and_one_official_identifier(latest: Latest) -> None:
    """Invariants fr-core-1 and fr-core-2 of the French core profiles."""
    statuses = set()
    for patient in latest["Patient"].values():
        status = patient["extension"][0]["extension"][0]["valueCoding"]["code"]
        statuses.add(status)
        official = [i["system"] for i in patient["identifier"] if i.get("use") == "official"]
        assert official == ([INS_NIR_TEST] if status == "VALI" else [])
    assert statuses == {"VALI", "PROV"}


def test_practitioners_have_test_rpps_numbers(latest: Latest) -> None:
    numbers = [p["identifier"][0]["value"] for p in latest["Practitioner"].values()]
    assert len(numbers) == len(set(numbers))
    for number in numbers:
        assert re.fullmatch(r"99700\d{6}", number)
        assert luhn_key(number[:-1]) == number[-1]


def test_telephone_numbers_are_of_the_range_for_fiction(latest: Latest) -> None:
    numbers = [
        contact["value"]
        for patient in latest["Patient"].values()
        for contact in patient.get("telecom", [])
        if contact["system"] == "phone"
    ]
    assert numbers
    assert all(number.startswith("+33 6 39 98 ") for number in numbers)


def test_addresses_have_a_postal_code_and_an_insee_code(latest: Latest) -> None:
    for patient in latest["Patient"].values():
        for address in patient.get("address", []):
            assert re.fullmatch(r"\d{5}", address["postalCode"])
            assert re.fullmatch(r"\d[\dAB]\d{3}", address["extension"][0]["valueCoding"]["code"])


def test_newborns_are_linked_to_their_mothers(latest: Latest) -> None:
    related = latest["RelatedPerson"]
    mothers = {
        link["other"]["reference"].split("/")[1]: patient
        for patient in latest["Patient"].values()
        for link in patient.get("link", [])
    }
    assert related
    assert set(mothers) == set(related)
    for key, person in related.items():
        child = latest["Patient"][person["patient"]["reference"].split("/")[1]]
        assert mothers[key].get("gender", "unknown") in ("female", "unknown")
        assert child["birthDate"] >= "2023-01-01"
        assert child["contact"][0]["name"]["given"] == [mothers[key]["name"][0]["given"][0]]


def test_the_cover_of_a_newborn_belongs_to_the_mother(latest: Latest) -> None:
    children = {person["patient"]["reference"] for person in latest["RelatedPerson"].values()}
    for coverage in latest["Coverage"].values():
        own = coverage["subscriber"] == coverage["beneficiary"]
        assert own == (coverage["beneficiary"]["reference"] not in children)
