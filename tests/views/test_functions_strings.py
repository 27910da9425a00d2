"""String functions over stored strings, against Python's."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lacustre.errors import FhirPathTypeError, UnsupportedFunctionError
from lacustre.views.patterns import PatternError, read_pattern
from support.stored import S, T, U, found, texts
from support.view_runs import evaluate, run_view

WHITE_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
WHITE_SPACE += "\u2028\u2029\u202f\u205f\u3000"
ODD = [
    "",
    "a",
    "abcabc",
    "A,B,,C,",
    "ébène",
    "e\u0301 combined",
    "😀b👨\u200d👩\u200d👧",
    "  x\t\n",
    "\u00a0\u3000x y\u2003",
    "\ufeffx\u200b",
    "line\nbreak\r\n",
    'it\'s "quoted" <b>&amp;</b>',
    "back\\slash $1 ${x}",
    "%_'",
    "\x01\x1f\x7f",
    "x" * 20_000 + "😀",
]


def length(text: str) -> int:
    return len(text)


def part(start: int, count: int | None = None) -> Callable[[str], str | None]:
    def cut(text: str) -> str | None:
        if not 0 <= start < len(text):
            return None
        return text[start:] if count is None else text[start : start + max(count, 0)]

    return cut


def in_json(text: str) -> str:
    """As DuckDB writes it, which has capital letters in code points."""
    written = json.dumps(text, ensure_ascii=False)[1:-1]
    return re.sub(r"\\u00[0-9a-f]{2}", lambda point: point[0][:2] + point[0][2:].upper(), written)


UNARY: list[tuple[str, Callable[[str], Any]]] = [
    (f"{S}.length()", length),
    (f"{S}.indexOf('b')", lambda text: text.find("b")),
    (f"{S}.indexOf('')", lambda text: 0),
    (f"{S}.indexOf('😀')", lambda text: text.find("😀")),
    (f"{S}.substring(1)", part(1)),
    (f"{S}.substring(1, 2)", part(1, 2)),
    (f"{S}.substring(0, 0)", part(0, 0)),
    (f"{S}.substring(0, -1)", part(0, -1)),
    (f"{S}.substring(-1)", part(-1)),
    (f"{S}.substring(2147483647)", part(2147483647)),
    (f"{S}.substring(1, 2147483647)", part(1, 2147483647)),
    (f"{S}.substring({S}.length() - 2)", lambda text: part(len(text) - 2)(text)),
    (f"{S}.startsWith('')", lambda text: True),
    (f"{S}.endsWith('c')", lambda text: text.endswith("c")),
    (f"{S}.contains('e\u0301')", lambda text: "e\u0301" in text),
    (f"{S}.trim()", lambda text: text.strip(WHITE_SPACE)),
    (f"{S}.replace('b', '')", lambda text: text.replace("b", "")),
    (f"{S}.replace('', '-')", lambda text: text.replace("", "-")),
    (f"{S}.replace('', '')", lambda text: text),
    (f"{S}.replace('a', '$1\\\\')", lambda text: text.replace("a", "$1\\")),
    (f"{S}.toChars().count()", length),
    (f"{S}.toChars().join('')", lambda text: text or None),
    (f"{S}.split(',').count()", lambda text: len(text.split(","))),
    (f"{S}.split(',').last()", lambda text: text.split(",")[-1]),
    (f"{S}.split('bc').join('|')", lambda text: "|".join(text.split("bc"))),
    (f"{S}.encode('hex')", lambda text: text.encode().hex()),
    (f"{S}.encode('base64')", lambda text: base64.b64encode(text.encode()).decode()),
    (f"{S}.encode('urlbase64')", lambda text: base64.urlsafe_b64encode(text.encode()).decode()),
    (f"{S}.encode('hex').decode('hex') = {S}", lambda text: True),
    (f"{S}.encode('base64').decode('base64') = {S}", lambda text: True),
    (f"{S}.encode('urlbase64').decode('urlbase64') = {S}", lambda text: True),
    (f"{S}.escape('json')", in_json),
    (f"{S}.escape('json').unescape('json') = {S}", lambda text: True),
    (f"{S}.escape('html')", lambda text: html.escape(text).replace("&#x27;", "&#39;")),
    (f"{S}.matches('.b')", lambda text: bool(re.search(".b", text, re.DOTALL))),
    (f"{S}.matches('e.b')", lambda text: bool(re.search("e.b", text, re.DOTALL))),
    (f"{S}.matches('^[a-z]+$')", lambda text: bool(re.fullmatch("[a-z]+", text))),
    (f"{S}.matches('\\\\s')", lambda text: bool(re.search(r"[ \t\n\r\f]", text))),
    (f"{S}.matchesFull('[^,]*')", lambda text: "," not in text),
    (f"{S}.matchesFull('(?i)ABCabc')", lambda text: text.lower() == "abcabc"),
    (f"{S}.matches('\\\\p{{Lu}}')", lambda text: any(c.isupper() for c in text)),
    (f"{S}.matches('')", lambda text: True),
    (f"{S}.replaceMatches('[bc]', '<$&>')", lambda text: re.sub("[bc]", r"<\g<0>>", text)),
    (f"{S}.replaceMatches('(?<one>a)(b)', '${{one}}$2\\\\$$')", lambda text: re.sub("(a)(b)", r"\1\2\\$", text)),
    (f"{S}.replaceMatches('', 'x')", lambda text: text),
    (f"{S}.replaceMatches('^', '> ')", lambda text: f"> {text}"),
    (f"{S} + '!'", lambda text: f"{text}!"),
    (f"{S} & '!'", lambda text: f"{text}!"),
]


@pytest.mark.parametrize(("path", "expected"), UNARY, ids=[path for path, _ in UNARY])
def test_a_function_of_a_stored_string(path: str, expected: Callable[[str], Any]) -> None:
    rows = found([texts(value) for value in [*ODD, None]], path)
    assert [value for (value,) in rows[:-1]] == [expected(text) for text in ODD]
    assert rows[-1] == (0 if path.endswith(".count()") else "!" if path.endswith("& '!'") else None,)


PLAIN_CASE = st.text(st.sampled_from("aZ09 éÉñàÀœŒøØабвЖЯλΩ😀-_"), max_size=12)
ANY_TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=12)
SHORT = st.text("ab,\n😀e\u0301\\$", max_size=8)


@settings(max_examples=15)
@given(
    st.lists(st.tuples(SHORT, st.text("ab,😀", max_size=2), st.text("xb$\\1", max_size=3)), min_size=10, max_size=40)
)
def test_functions_of_stored_arguments(rows: list[tuple[str, str, str]]) -> None:
    paths = [f"{S}.indexOf({T})", f"{S}.contains({T})", f"{S}.startsWith({T})", f"{S}.endsWith({T})"]
    paths += [f"{S}.replace({T}, {U})", f"{S}.split({T}).count()"]
    expected = [
        (s.find(t), t in s, s.startswith(t), s.endswith(t), s.replace(t, u), len(s.split(t)) if t else 0)
        for s, t, u in rows
    ]
    assert found([texts(*row) for row in rows], *paths) == expected


@settings(max_examples=15)
@given(st.lists(ANY_TEXT, min_size=10, max_size=40))
def test_any_characters(values: list[str]) -> None:
    paths = [f"{S}.length()", f"{S}.trim()", f"{S}.escape('json')", f"{S}.encode('hex')", f"{S}.replace('', '|')"]
    paths += [f"{S}.escape('json').unescape('json')", f"{S}.encode('base64').decode('base64')"]
    expected = [
        (
            len(text),
            text.strip(WHITE_SPACE),
            in_json(text),
            text.encode().hex(),
            text.replace("", "|"),
            text,
            text,
        )
        for text in values
    ]
    assert found([texts(value) for value in values], *paths) == expected


@settings(max_examples=10)
@given(st.lists(PLAIN_CASE, min_size=10, max_size=40))
def test_letter_case(values: list[str]) -> None:
    rows = found([texts(value) for value in values], f"{S}.upper()", f"{S}.lower()")
    assert rows == [(text.upper(), text.lower()) for text in values]


@pytest.mark.parametrize(
    ("encoding", "text", "decoded"),
    [
        ("hex", "c3a9", "é"),
        ("hex", "C3A9", "é"),
        ("hex", "c3a", None),
        ("hex", "zz", None),
        ("hex", "ff", None),
        ("hex", "", ""),
        ("base64", "w6k=", "é"),
        ("base64", "w6k", None),
        ("base64", "w6k-", None),
        ("base64", "/w==", None),
        ("urlbase64", "c3ViamVjdHM_X2Q=", "subjects?_d"),
        ("urlbase64", "c3ViamVjdHM/X2Q=", None),
    ],
)
def test_decoding_what_may_not_be_well_formed(encoding: str, text: str, decoded: str | None) -> None:
    assert found([texts(text), texts("x")], f"{S}.decode('{encoding}')")[0] == (decoded,)


@pytest.mark.parametrize(
    ("text", "expected"),
    [(r"a\"b", 'a"b'), (r"\u00e9\ud83d\ude00", "é😀"), (r"\ud83d", None), ('"', None), ("a\nb", None), (r"\x", None)],
)
def test_unescaping_what_may_be_no_json(text: str, expected: str | None) -> None:
    assert found([texts(text), texts("x")], f"{S}.unescape('json')")[0] == (expected,)


ALIKE = [
    r"a+b?",
    r"\d{2,3}",
    r"[^\W\d]+",
    r"(?:ab|c)*d",
    r"(a|b)+?c",
    r"\bab\b",
    r"[a-c\-\]]",
    r"\.",
    r"\x41|\u00e9",
    r"(?i)éA",
    r"a{2}|b{1,}",
    r"[[:digit:]]".replace("[:digit:]", "0-9"),
    r"^a|b$",
    r"\A.\z",
]


@settings(max_examples=25)
@given(st.lists(st.text("abcdAB 01é-].\n", max_size=10), min_size=10, max_size=30))
def test_patterns_match_as_those_of_python(values: list[str]) -> None:
    paths = [f"{S}.matches('{pattern.replace(chr(92), chr(92) * 2)}')" for pattern in ALIKE]
    rows = found([texts(value) for value in values], *paths)
    for value, row in zip(values, rows, strict=True):
        for pattern, truth in zip(ALIKE, row, strict=True):
            strict = pattern.replace("$", r"\Z").replace(r"\z", r"\Z")
            assert truth is bool(re.search(strict, value, re.DOTALL | re.ASCII)), (pattern, value)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(?=a)", "lookahead"),
        ("(?!a)", "lookahead"),
        ("(?<=a)b", "lookbehind"),
        ("(?<!a)b", "lookbehind"),
        (r"(a)\1", "backreferences"),
        (r"(?<n>a)\k<n>", "backreferences"),
        ("(?>a)", "atomic"),
        ("a*+", "possessive"),
        ("a{1001}", "more than 1000"),
        ("(a{100}){11}", "more than 1000"),
        (r"\p{L}{900}", "repeats too much"),
        (r"\p{Klingon}", "property"),
        (r"\Z", "unknown escape"),
        ("[a-z&&[^b]]", "operations"),
        ("[]a]", "begins with"),
        ("[z-a]", "no order"),
        ("[[:nope:]]", "class of characters"),
        ("(", "not closed"),
        ("[a", "not closed"),
        (")", "not opened"),
        ("*", "nothing"),
        ("a**", "repetition of a repetition"),
        ("(?<n>a)(?<n>b)", "two groups"),
        ("\\", "unknown escape"),
        (r"\ud83d", "no character"),
        ("(" * 60 + ")" * 60, "nested"),
    ],
)
def test_a_pattern_that_is_refused(pattern: str, message: str) -> None:
    with pytest.raises(PatternError, match=message):
        read_pattern(pattern)


@pytest.mark.parametrize(
    "path",
    [
        f"{S}.matches('(?=a)')",
        f"{S}.matches({T})",
        f"{S}.matchesFull({T})",
        f"{S}.replaceMatches('x*', '-')",
        f"{S}.replaceMatches('(a)', '$2')",
        f"{S}.replaceMatches('(a)', '${{b}}')",
        f"{S}.replaceMatches('a', {T})",
        f"{S}.unescape('html')",
        f"{S}.encode({T})",
    ],
)
def test_what_is_not_supported(path: str) -> None:
    with pytest.raises(UnsupportedFunctionError) as refused:
        found([texts("a", "b")], path)
    [fault] = refused.value.diagnostics
    assert fault.start is not None


@pytest.mark.parametrize(
    "path",
    [
        f"{S}.encode('rot13')",
        f"{S}.escape('sql')",
        f"{S}.split('')",
        f"{S}.length().upper()",
        "5.trim()",
        "'a'.indexOf(1)",
        "'a'.replace('b', 2)",
        "@2015.length()",
    ],
)
def test_wrong_kinds_are_type_errors(path: str) -> None:
    with pytest.raises(FhirPathTypeError):
        found([texts("a", "b")], path)


@pytest.mark.parametrize(
    "path",
    [
        "{}.length()",
        "'a'.indexOf({})",
        "{}.indexOf('a')",
        "'a'.replace({}, 'b')",
        "'a'.replace('b', {})",
        "'a'.matches({})",
        "{}.matches('a')",
        "{}.replaceMatches('a', 'b')",
        "'a'.replaceMatches({}, 'b')",
        "{}.trim()",
        "{}.upper()",
        "{}.encode('hex')",
        "'a'.split({})",
        "{}.split(',')",
        "{}.toChars()",
    ],
)
def test_nothing_gives_nothing(path: str) -> None:
    patient = {"resourceType": "Patient", "id": "p"}
    assert evaluate(f"({path}).empty()", patient) is True


def test_lists_of_parts() -> None:
    rows = found([texts("a,,b"), texts(""), texts(None)], f"{S}.split(',')", f"{S}.toChars()", collection=True)
    assert rows == [(["a", "", "b"], ["a", ",", ",", "b"]), ([""], []), ([], [])]


def test_many_strings_are_an_error_and_each_of_them_is_not() -> None:
    name = {"resourceType": "Patient", "id": "p", "name": [{"given": ["ab", "c"]}]}
    assert evaluate("name.given.where(length() > 1).first()", name) == "ab"
    assert evaluate("name.given.select(upper())", name, collection=True) == ["AB", "C"]


def test_nested_calls_stay_small() -> None:
    """A function that names its source twice does not double it with every level."""
    path = S
    for _ in range(20):
        path = f"{path}.substring({path}.length() - 2)" if len(path) < 2000 else f"{path}.trim()"
    assert found([texts("abcdef")], path) == [("ef",)]


def test_joining_with_a_stored_separator() -> None:
    component = "component.value.ofType(string)"
    rows = found([texts("a", "b"), texts(None), texts("", "")], f"{component}.join({S})", f"{component}.join({T})")
    assert rows == [("aab", "abb"), (None, None), ("", "")]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("component[0].value.ofType(string).split(',')", [("a", 0), ("b", 1)]),
        ("component.value.ofType(string).select(split(','))", [("a", 0), ("b", 1), ("c", 2)]),
        ("'x,y'.split(',')", [("x", 0), ("y", 1)]),
    ],
)
def test_rows_for_each_part(path: str, expected: list[tuple[str, int]]) -> None:
    columns = [{"name": "part", "path": "$this"}, {"name": "position", "path": "%rowIndex"}]
    view = {"resource": "Observation", "select": [{"forEach": path, "column": columns}]}
    assert [tuple(row.values()) for row in run_view(view, [texts("a,b", "c")])] == expected
