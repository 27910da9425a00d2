"""Comparison of the rows that a view gave with the rows of the oracle or of a conformance case."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, TypeAlias

from support.fhir_json import Lexeme

Row: TypeAlias = Mapping[str, Any]


def unmatched(expected: Sequence[Row], actual: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """The expected rows that are missing and the actual rows too many; the order of rows does not matter."""
    missing, left = [], list(actual)
    for row in expected:
        position = next((i for i, other in enumerate(left) if same_row(row, other)), None)
        if position is None:
            missing.append(row)
        else:
            del left[position]
    return missing, left


def same_row(expected: Row, actual: Row) -> bool:
    return expected.keys() == actual.keys() and all(same(expected[name], actual[name]) for name in expected)


def same(expected: Any, actual: Any) -> bool:
    """Whether a value of SQL stands for a value of FHIR.

    A decimal that was only read keeps its spelling where SQL has text; a computed one is a number, nearly equal.
    An instant may be a `datetime`, base64 text `bytes`. Lists are compared in order; null is not an empty list.
    """
    match expected, actual:
        case (list(), list()):
            return len(expected) == len(actual) and all(map(same, expected, actual))
        case (bool(), _) | (_, bool()) | (None, _) | (_, None):
            return expected is actual
        case (Lexeme(), str()):
            return expected.text == actual
        case (Decimal() | int(), str() | int() | float() | Decimal()):
            return same_number(expected, actual)
        case (str(), datetime()):
            return datetime.fromisoformat(expected) == actual
        case (str(), bytes()):
            return base64.b64decode(expected) == actual
    return bool(expected == actual)


def same_number(expected: Decimal | int, actual: str | float | Decimal) -> bool:
    try:
        number = Decimal(str(actual))
    except InvalidOperation:
        return False
    if isinstance(expected, int) and isinstance(actual, int):
        return expected == actual
    return expected == number or math.isclose(expected, number, rel_tol=1e-9, abs_tol=1e-15)
