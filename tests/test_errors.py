"""Errors travel between processes whole."""

from __future__ import annotations

import pickle

import pytest

from lacustre.errors import (
    Diagnostic,
    FaultyViewsError,
    InputError,
    LacustreError,
    SqlLibraryError,
    StorageError,
    ViewDefinitionError,
)

FAULT = ViewDefinitionError([Diagnostic("unknown_element", "no nme", "/select/0", "nme", 0, 3, "name?")], "a.json")


@pytest.mark.parametrize(
    "error",
    [
        InputError("code", "what", "hint"),
        StorageError("code", "what", transient=True),
        FAULT,
        FaultyViewsError([FAULT, FAULT]),
        SqlLibraryError(FAULT.diagnostics, "q.sql"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_is_the_same_on_the_other_side(error: LacustreError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert copy.args == error.args
    assert {name: value for name, value in vars(copy).items() if name != "errors"} == {
        name: value for name, value in vars(error).items() if name != "errors"
    }
