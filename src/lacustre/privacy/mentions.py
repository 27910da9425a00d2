"""Which values refer to a patient's compartment: exact for a value, and for a column of a file more than enough.

A value is a mention where a key of the compartment is in it as a whole reference; where it is the `reference` of a
Reference and is a key; where it is one of the patient's identifiers in a member named `identifier`. Not searched are
the lake's own columns, which say whose a row is or nothing of anybody, and `id`, which has no slash.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc

from lacustre.privacy.leaves import Leaf
from lacustre.privacy.pages import Doubt, Page, read_entries, read_pages
from lacustre.privacy.subject import Subject

UNSEARCHED = frozenset({"id", "lake_rest.pointer"})
_LAKE_COLUMNS = "lake_"
_REST = "lake_rest.json"
_SIMPLE = r"^[A-Z][A-Za-z]{3,}/[A-Za-z0-9._-]*[A-Za-z0-9_-]$"
"""References that are a key or no mention at all."""
_DOUBTFUL = r"[A-Z][A-Za-z]{3,}/[A-Za-z0-9._-]|\\"
_KEPT_BYTES = 8192
"""Larger dictionaries are hardly ever the same in two files."""


def is_searched(path: str) -> bool:
    """Whether a leaf (`name.given`) may hold mentions."""
    return path not in UNSEARCHED and (not path.startswith(_LAKE_COLUMNS) or path == _REST)


class MentionSearch:
    """Looks for mentions of one patient's compartment."""

    def __init__(self, subject: Subject) -> None:
        self._finder = subject.tokens.finder()
        self._keys = pa.array(sorted(subject.tokens.keys), pa.string())
        self._texts = pa.array(sorted(subject.tokens.texts), pa.string())
        self._key_bytes = {key.encode() for key in subject.tokens.keys}
        self._text_bytes = {text.encode() for text in subject.tokens.texts}
        self._clean: set[tuple[bool, bytes]] = set()

    def is_mention(self, path: str, value: str) -> bool:
        """Whether a value at a path is one."""
        text = value.encode()
        return (
            (path.endswith(".reference") and text in self._key_bytes)
            or ("identifier" in path and text in self._text_bytes)
            or self._finder.mentions(text)
        )

    def rows(self, leaf: Leaf) -> list[int]:
        """The rows of a leaf's mentions."""
        rows: list[int] = []
        if "identifier" in leaf.path:
            rows += leaf.rows_where(pc.is_in(leaf.values, self._texts))
        if leaf.path.endswith(".reference"):
            rows += leaf.rows_where(pc.is_in(leaf.values, self._keys))
            doubtful = pc.invert(pc.match_substring_regex(leaf.values, _SIMPLE))
        else:
            doubtful = pc.match_substring_regex(leaf.values, _DOUBTFUL)
        if doubtful.true_count:
            found = zip(leaf.values.filter(doubtful).to_pylist(), leaf.rows_where(doubtful), strict=True)
            rows += [row for text, row in found if self._finder.mentions(text.encode())]
        return rows

    def suspects(self, opened: IO[bytes], metadata: Any) -> list[str]:
        """The columns of a file (`name.list.element.given`) that may have a mention: of the others it is sure."""
        found: set[str] = set()
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            chunks = [group.column(index) for index in _searched_columns(metadata)]
            found.update(self._suspects([chunk for chunk in chunks if chunk.path_in_schema not in found], opened))
        return sorted(found)

    def _suspects(self, chunks: list[Any], opened: IO[bytes]) -> Iterable[str]:
        places = [_place(chunk) for chunk in chunks]
        first = min((start for start, _ in places), default=0)
        opened.seek(first)
        data = opened.read(max((end for _, end in places), default=0) - first)
        for chunk, (start, end) in zip(chunks, places, strict=True):
            if self._is_suspect(data[start - first : end - first], chunk, chunk.data_page_offset - start):
                yield chunk.path_in_schema

    def _is_suspect(self, data: bytes, chunk: Any, first: int) -> bool:
        """Whether a column chunk may have a mention; what comes before its `first` data page is its dictionary."""
        path = chunk.path_in_schema
        dictionary = "identifier" in path, data[:first]
        at = first if dictionary in self._clean else 0
        try:
            if any(self._page_is_suspect(page, chunk.compression, path) for page in read_pages(data, at)):
                return True
        except Doubt:
            return True
        if first <= _KEPT_BYTES:
            self._clean.add(dictionary)
        return False

    def _page_is_suspect(self, page: Page, compression: str, path: str) -> bool:
        values = page.unpacked(compression)
        if "identifier" not in path and b"/" not in values and b"\\" not in values:
            return False
        return not page.dictionary or self._have_mention(list(read_entries(values)), path)

    def _have_mention(self, values: list[bytes], path: str) -> bool:
        return (
            ("identifier" in path and not self._text_bytes.isdisjoint(values))
            or not self._key_bytes.isdisjoint(values)
            or self._finder.mentions(b"\0".join(values))
        )


def _place(chunk: Any) -> tuple[int, int]:
    """Where a column chunk begins and ends in its file."""
    dictionary = chunk.dictionary_page_offset
    start = chunk.data_page_offset if dictionary is None else min(dictionary, chunk.data_page_offset)
    return start, start + chunk.total_compressed_size


def _searched_columns(metadata: Any) -> list[int]:
    schema = metadata.schema
    columns = [(index, schema.column(index)) for index in range(metadata.num_columns)]
    return [index for index, one in columns if one.physical_type == "BYTE_ARRAY" and is_searched(leaf_path(one.path))]


def leaf_path(column: str) -> str:
    """The path of a leaf (`name.given`) from that of its column (`name.list.element.given`)."""
    return column.replace(".list.element", "")
