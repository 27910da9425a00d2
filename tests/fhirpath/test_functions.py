"""The registry of function names, and the names that are offered for a misspelt one."""

from __future__ import annotations

import pytest

from lacustre.fhirpath import FUNCTIONS, near_hint, near_names


@pytest.mark.parametrize(
    ("name", "accepted", "refused", "argument"),
    [
        ("where", {1}, {0, 2}, "criteria"),
        ("exists", {0, 1}, {2}, "criteria"),
        ("substring", {1, 2}, {0, 3}, "value"),
        ("ofType", {1}, {0, 2}, "type"),
        ("getReferenceKey", {0, 1}, {2}, "type"),
        ("join", {0, 1}, {2}, "value"),
        ("iif", {2, 3}, {1, 4}, "value"),
    ],
)
def test_arity(name: str, accepted: set[int], refused: set[int], argument: str) -> None:
    function = FUNCTIONS[name]
    assert function.argument == argument
    assert all(map(function.accepts, accepted))
    assert not any(map(function.accepts, refused))


def test_arity_is_said_in_words() -> None:
    assert FUNCTIONS["first"].arity == "0 arguments"
    assert FUNCTIONS["where"].arity == "1 argument"
    assert FUNCTIONS["substring"].arity == "1 to 2 arguments"


def test_near_names_ignore_case_and_come_nearest_first() -> None:
    assert near_names("startswith", FUNCTIONS)[0] == "startsWith"
    assert near_names("frist", FUNCTIONS)[0] == "first"
    assert near_names("zzzz", FUNCTIONS) == ()


def test_near_hint() -> None:
    assert near_hint("famly", ["family", "given"]) == "did you mean `family`?"
    assert near_hint("qqq", ["family"]) is None
