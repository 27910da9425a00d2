"""The values in nested columns, each leaf as one array, with the rows that they are in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True, slots=True)
class Leaf:
    """The values at a path (`name.given`), also nulls; `find_rows` gives the number of the row of each."""

    path: str
    values: Any
    find_rows: Callable[[], Any]

    @property
    def is_text(self) -> bool:
        kind = self.values.type
        return any(
            is_kind(kind)
            for is_kind in (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
        )

    def rows_where(self, mask: Any) -> list[int]:
        """The rows of the values for which the mask is true."""
        found: list[int] = self.find_rows().filter(mask).to_pylist() if mask.true_count else []
        return found


def leaves(batch: pa.RecordBatch, first: int = 0) -> Iterator[Leaf]:
    """Every leaf of every column that is not null throughout; rows are counted from `first`."""

    def rows() -> Any:
        return pa.array(range(first, first + batch.num_rows), pa.int64())

    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        yield from _below(name, column, rows)


def _below(path: str, array: Any, rows: Callable[[], Any]) -> Iterator[Leaf]:
    kind = array.type
    if array.null_count == len(array):
        return
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        yield from _below(path, pc.list_flatten(array), lambda: rows().take(pc.list_parent_indices(array)))
    elif pa.types.is_struct(kind):
        for field, values in zip(kind, array.flatten(), strict=True):
            yield from _below(f"{path}.{field.name}", values, rows)
    else:
        yield Leaf(path, array, rows)
