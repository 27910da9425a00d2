"""The values that resources hold and that views ask for: few enough to meet, odd enough to hurt.

The first value of each tuple is the one that examples shrink to.
"""

from __future__ import annotations

from hypothesis import strategies as st

from support.fhir_json import Lexeme

TEXTS = (
    *("a", "b", "A", "ab", "usual", "1", "-7", "007", "true", "a b", "a,b"),
    *("x'y", 'q"t', "a%_", "\\n", "é", "e\u0301", "😀a"),
)
"""Quotes, numbers in disguise, combining and astral characters, LIKE wildcards, backslashes, separators."""

CODES = ("usual", "official", "old", "home")
URLS = ("http://example.org/x", "http://example.org/y")
SYSTEMS = ("http://loinc.org", "urn:oid:1.2.3")

DECIMALS = (
    *("1", "1.0", "1.10", "0.5", "-0.5", "2", "100.00", "12.345", "0.0"),
    *("1E-7", "1.5E1", "98765432109876.543"),
)
INTEGERS = (0, 1, 2, 42, -7, 2147483647)

DATES = ("2000-01-01", "1950", "1950-06", "1950-06-15", "2000-02-29", "2024-02", "1999-12-31")
INSTANTS = (
    "2010-10-10T10:00:00Z",
    "2010-10-10T12:00:00+02:00",
    "2010-10-10T12:00:00.123+02:00",
    "2010-10-09T23:59:59.999-05:00",
    "1999-12-31T23:59:59-12:00",
)
LOOSE = ("2010-10-10T10:00Z", "2010-10-10 10:00:00Z", "unknown")
"""Texts that FHIR does not allow as a dateTime, one of them with a meaning."""

TIMES = ("12:34:00", "00:00:00", "23:59:59.999", "12:34:00.500", "12:34:00.5")

IDENTIFIERS = ("p1", "p2", "A-1.b", "0")
TYPES = ("Patient", "Practitioner", "Organization")

REFERENCES = (
    *(f"{type_}/{id_}" for type_ in TYPES for id_ in IDENTIFIERS[:2]),
    "Patient/A-1.b",
    "Patient/p1/_history/2",
    "https://ehr.example.org/fhir/Patient/p1",
    "http://ehr.example.org/Practitioner/p2/_history/1",
    "#c1",
    "urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7",
    "Patient?identifier=http://example.org/x|p1",
)


def texts() -> st.SearchStrategy[str]:
    return st.sampled_from(TEXTS)


def codes() -> st.SearchStrategy[str]:
    return st.sampled_from(CODES)


def urls() -> st.SearchStrategy[str]:
    return st.sampled_from(URLS)


def decimals() -> st.SearchStrategy[int | Lexeme]:
    """Numbers as `support.fhir_json.loads` gives them: an integer where JSON has no point and no exponent."""
    return st.sampled_from(DECIMALS).map(lambda text: int(text) if text.isdigit() else Lexeme(text))


def integers() -> st.SearchStrategy[int]:
    return st.sampled_from(INTEGERS)


def dates() -> st.SearchStrategy[str]:
    return st.sampled_from(DATES)


def instants() -> st.SearchStrategy[str]:
    return st.sampled_from(INSTANTS)


def date_times() -> st.SearchStrategy[str]:
    return st.sampled_from(DATES) | instants() | st.sampled_from(LOOSE)


def times() -> st.SearchStrategy[str]:
    return st.sampled_from(TIMES)
