"""FHIR JSON that keeps the spelling of its numbers: `1.10` stays `1.10`, `1E-7` stays `1E-7`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any


class Lexeme(Decimal):
    """A decimal number with the text it had in JSON."""

    text: str

    def __new__(cls, text: str) -> Lexeme:
        number = super().__new__(cls, text)
        number.text = text
        return number

    def __repr__(self) -> str:
        return f"Lexeme({self.text!r})"


def loads(text: str | bytes) -> Any:
    return json.loads(text, parse_float=Lexeme)


def dumps(value: object) -> str:
    """Compact JSON; a Lexeme is written as it was read, another Decimal in plain digits."""
    if isinstance(value, Lexeme):
        return value.text
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{json.dumps(k)}:{dumps(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(dumps, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
