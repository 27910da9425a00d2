"""Items that several columns of a view read from, such as the first coding whose system, code and display are wanted.

Each is worked out once: DuckDB would find copies while it runs, but it parses and binds them one by one, which is most
of the time of a small view.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from lacustre.views.ir import Filter, Map, Member, Pick, Single, Value, Variable
from lacustre.views.items import Aggregate, Alike, ComparePairs, Distinct, Position
from lacustre.views.records import Shred, Walk
from lacustre.views.rewrite import rebuild, walk

_NOT_SHARED = (Single, Aggregate, Alike, ComparePairs, Distinct, Shred, Walk)
"""What may stop the query, and so stays where it is; and what has variables of other kinds."""


def share_items(values: Sequence[Value | None]) -> tuple[list[Value | None], dict[str, Value]]:
    """The values, read from variables where several read members of one item; and the items by variable."""
    items = [_item_of(value) for value in values]
    keys = [None if item is None else _with_plain_names(item) for item in items]
    often = [key for key, count in Counter(key for key in keys if key is not None).items() if count > 1]
    names = {key: f"c_{number}" for number, key in enumerate(often, 1)}
    found: dict[str, Value] = {}
    read: list[Value | None] = []
    for value, item, key in zip(values, items, keys, strict=True):
        if value is None or item is None or key not in names:
            read.append(value)
            continue
        found.setdefault(names[key], item)
        read.append(_read_from(value, item, Variable(names[key], item.type)))
    return read, found


def _item_of(value: Value | None) -> Value | None:
    """The item whose member a value is, if it is picked from what is made or chosen of a list."""
    item = value
    while isinstance(item, Member):
        item = item.source
    if item is value or not isinstance(item, Pick) or not isinstance(item.source, Map | Filter):
        return None
    return None if any(isinstance(part, _NOT_SHARED) for part in walk(item)) else item


def _read_from(value: Value, item: Value, variable: Variable) -> Value:
    return variable if value == item else rebuild(value, lambda source: _read_from(source, item, variable))


def _with_plain_names(item: Value) -> Value:
    """The same with variables named by their place, so that what is alike is equal."""
    bound = [part.item.key for part in walk(item) if isinstance(part, Map | Filter)]
    return _renamed(item, {key: f"x_{number}" for number, key in enumerate(bound)})


def _renamed(value: Value, names: Mapping[str, str]) -> Value:
    match rebuild(value, lambda operand: _renamed(operand, names)):
        case Variable(key=key) | Position(key=key) as found:
            return replace(found, key=names.get(key, key))
        case Map(item=item) | Filter(item=item) as found:
            return replace(found, item=replace(item, key=names[item.key]))
        case found:
            return found
