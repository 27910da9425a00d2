"""The column tag `ansi/type`: names of SQL types as the ANSI standard writes them, and which values they can hold.

Source: SQL on FHIR 3.0.0-ballot, ViewDefinition, "Type hinting with tags"; ISO/IEC 9075-2, data types and CAST.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, TypeAlias

from lacustre.fhirpath import near_hint
from lacustre.views.types import NATIVE_DECIMAL, SqlType, kind_of

ANSI_TAG = "ansi/type"

Family: TypeAlias = Literal["text", "binary", "boolean", "number", "date", "moment", "time"]

_MAX_PRECISION = 38
_MICROSECONDS = "6"
_DOUBLE_DIGITS = 53
_REAL_DIGITS = 24
_PRECISE = re.compile(r"\(\s*(\d{1,9})\s*(?:,\s*(\d{1,9})\s*)?\)")
_TEXTS = (
    *("CHARACTER VARYING", "CHAR VARYING", "VARCHAR", "CHARACTER LARGE OBJECT", "CHAR LARGE OBJECT", "CLOB"),
    *("NATIONAL CHARACTER VARYING", "NATIONAL CHAR VARYING", "NCHAR VARYING", "NVARCHAR", "TEXT"),
)
_FIXED_TEXTS = ("CHARACTER", "CHAR", "NATIONAL CHARACTER", "NATIONAL CHAR", "NCHAR")
_BINARIES = ("BINARY", "BINARY VARYING", "VARBINARY", "BINARY LARGE OBJECT", "BLOB")
_DECIMALS = ("DECIMAL", "DEC", "NUMERIC")
_PLAIN: Mapping[str, str] = MappingProxyType(
    {
        "BOOLEAN": "BOOLEAN",
        "SMALLINT": "SMALLINT",
        "INTEGER": "INTEGER",
        "INT": "INTEGER",
        "BIGINT": "BIGINT",
        "REAL": "FLOAT",
        "DOUBLE PRECISION": "DOUBLE",
        "DOUBLE": "DOUBLE",
        "DATE": "DATE",
    }
)
_TIMES: Mapping[str, str] = MappingProxyType(
    {
        "TIME": "TIME",
        "TIME WITHOUT TIME ZONE": "TIME",
        "TIMESTAMP": "TIMESTAMP",
        "TIMESTAMP WITHOUT TIME ZONE": "TIMESTAMP",
        "TIMESTAMP WITH TIME ZONE": "TIMESTAMP WITH TIME ZONE",
    }
)
_KNOWN = (*_PLAIN, *_TIMES, *_TEXTS, *_FIXED_TEXTS, *_BINARIES, *_DECIMALS, "FLOAT")
_FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "VARCHAR": "text",
        "BLOB": "binary",
        "BOOLEAN": "boolean",
        "DATE": "date",
        "TIME": "time",
        "TIMESTAMP": "moment",
        "TIMESTAMP WITH TIME ZONE": "moment",
    }
)
_HOLDERS: Mapping[str, frozenset[Family]] = MappingProxyType(
    {
        "boolean": frozenset({"boolean", "text"}),
        "integer": frozenset({"number", "text"}),
        "integer64": frozenset({"number", "text"}),
        "decimal": frozenset({"number", "text"}),
        "date": frozenset({"date", "moment", "text"}),
        "dateTime": frozenset({"date", "moment", "text"}),
        "instant": frozenset({"date", "moment", "text"}),
        "time": frozenset({"time", "text"}),
        "text": frozenset({"text"}),
    }
)
_OF_STRINGS: frozenset[Family] = frozenset({"text", "boolean", "number", "date", "moment", "time"})


def family_of(type_: SqlType) -> Family:
    """What kind of values a SQL type has; every type that is not in the list is of numbers."""
    return _FAMILIES.get(type_.name, "number")


def read_ansi_type(text: str) -> SqlType | None:
    """The SQL type that a tag names, or None for one that is not known or that DuckDB cannot be exact about.

    `DECIMAL` alone is as wide as decimals of native types, `DECIMAL(p)` has no fraction, `CHAR` is `CHAR(1)`.
    Times are held to the microsecond, so that no other precision can be asked for.
    """
    words = " ".join(text.upper().split())
    found = _PRECISE.search(words)
    first, second = found.groups() if found else (None, None)
    name = " ".join(_PRECISE.sub(" ", words, count=1).split())
    if name in _DECIMALS:
        return _decimal(first, second)
    return None if second is not None else _of_one_precision(name, first)


def known_ansi_types(near: str) -> str:
    """A hint: the names that are like one that is not known, else how some are written."""
    name = " ".join(_PRECISE.sub(" ", near.upper()).split())
    return (None if name in _KNOWN else near_hint(name, _KNOWN)) or "such as DATE, DECIMAL(18,6), VARCHAR(64)"


def can_hold(fhir_type: str, type_: SqlType) -> bool:
    """Whether values of a FHIR type can be of a SQL type at all, as CAST of the standard has it.

    Codes, uris and their like are texts only; a `string` may be anything that its form says.
    """
    kind, family = kind_of(fhir_type), family_of(type_)
    if fhir_type == "base64Binary":
        return family in ("binary", "text")
    return family in (_OF_STRINGS if fhir_type == "string" else _HOLDERS.get(kind, frozenset()))


def _decimal(precision: str | None, scale: str | None) -> SqlType | None:
    if precision is None:
        return SqlType(NATIVE_DECIMAL)
    digits, fraction = int(precision), int(scale or 0)
    if not (1 <= digits <= _MAX_PRECISION and fraction <= digits):
        return None
    return SqlType(f"DECIMAL({digits},{fraction})")


def _of_one_precision(name: str, size: str | None) -> SqlType | None:
    if name in _TIMES:
        return SqlType(_TIMES[name]) if size in (None, _MICROSECONDS) else None
    if name in _PLAIN:
        return SqlType(_PLAIN[name]) if size is None else None
    if name == "FLOAT":
        return _float(int(size or _DOUBLE_DIGITS))
    length = 1 if size is None and name in _FIXED_TEXTS else size
    if name in _BINARIES:
        return _of_length("BLOB", length)
    return _of_length("VARCHAR", length) if name in (*_TEXTS, *_FIXED_TEXTS) else None


def _float(digits: int) -> SqlType | None:
    """FLOAT with so many binary digits."""
    if not 1 <= digits <= _DOUBLE_DIGITS:
        return None
    return SqlType("FLOAT" if digits <= _REAL_DIGITS else "DOUBLE")


def _of_length(name: str, length: str | int | None) -> SqlType | None:
    most = None if length is None else int(length)
    return None if most == 0 else SqlType(name, most)
