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
from lacustre.views.items import Aggregate, Choose, Combine, ComparePairs, Distinct, Equivalent, HasValue
from lacustre.views.records import Shred, Walk
from lacustre.views.rewrite import operands_of


def is_empty_without_focus(value: Value) -> bool:
    """Whether `value` is empty wherever the focus of a `forEach` around it is."""
    match value:
        case Variable(key=key):
            found = key != ROOT
        case Nothing():
            found = True
        case Literal() | RowIndex() | Present() | Exists() | Count() | Walk() | Shred() | Concat(strict=False):
            found = False
        case Equivalent() | HasValue() | Aggregate():
            found = False
        case Choose(then=then, otherwise=otherwise):
            found = is_empty_without_focus(then) and is_empty_without_focus(otherwise)
        case ComparePairs(left=left, right=right):
            found = is_empty_without_focus(left) or is_empty_without_focus(right)
        case Map(source=source) | Filter(source=source) | Distinct(source=source):
            found = is_empty_without_focus(source)
        case Logic() | Coalesce() | Union() | Combine():
            found = all(map(is_empty_without_focus, operands_of(value)))
        case _:
            found = any(map(is_empty_without_focus, operands_of(value)))
    return found
