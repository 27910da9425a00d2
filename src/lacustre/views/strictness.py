"""Which values are empty for want of their focus: they need no guard in a row of nulls."""

from __future__ import annotations

from lacustre.views.ir import (
    ROOT,
    Coalesce,
    Concat,
    Count,
    Exists,
    Filter,
    Literal,
    Logic,
    Map,
    Nothing,
    Present,
    RowIndex,
    Union,
    Value,
    Variable,
)
from lacustre.views.records import Shred, Walk
from lacustre.views.rewrite import operands_of


def is_empty_without_focus(value: Value) -> bool:
    """Whether `value` is empty wherever the focus of a `forEach` around it is."""
    match value:
        case Variable(key=key):
            return key != ROOT
        case Nothing():
            return True
        case Literal() | RowIndex() | Present() | Exists() | Count() | Walk() | Shred() | Concat(strict=False):
            return False
        case Map(source=source) | Filter(source=source):
            return is_empty_without_focus(source)
        case Logic() | Coalesce() | Union():
            return all(map(is_empty_without_focus, operands_of(value)))
        case _:
            return any(map(is_empty_without_focus, operands_of(value)))
