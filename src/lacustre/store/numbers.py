"""Numbers keep their JSON text: 1.10 stays 1.10, 1E2 stays 1E2, thirty digits stay thirty.

Fast JSON readers turn numbers into doubles. Before they see a block, every number that is an object member, or an
item of a list that is one, is quoted and marked with a leading U+FDD0, a code point that Unicode reserves for use
inside a process. A number where text belongs thus stays recognisable. Should the pattern ever match inside a
string, the quote it inserts ends that string before the mark, which no JSON reader accepts, so the line fails and
goes the exact way.
"""

from __future__ import annotations

import struct

import pyarrow as pa
import pyarrow.compute as pc

MARK = "\ufdd0"
MARK_BYTES = MARK.encode()

_LEXEME = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
_MEMBER = rf'(":[ \t]*\[?[ \t]*)({_LEXEME}(?:[ \t]*,[ \t]*{_LEXEME})*)'
_QUOTED = rf'\1"{MARK}\2"'
_ADDED = len(_QUOTED.encode()) - len(r"\1\2")


class Number(str):
    """The text of a JSON number."""

    __slots__ = ()


def quote_numbers(text: bytes | memoryview) -> tuple[pa.Buffer, int]:
    """The text with its numbers quoted and marked, and how many; line feeds stay where they are.

    All numbers of a list become one: `[1, 2]` is `["\ufdd01, 2"]`.
    """
    quoted = pc.replace_substring_regex(as_array(text, pa.large_binary()), _MEMBER, _QUOTED)
    size = pc.binary_length(quoted)[0].as_py()
    return quoted.buffers()[2].slice(0, size), (size - len(text)) // _ADDED


def as_array(text: bytes | memoryview, kind: pa.DataType) -> pa.Array:
    """The text, which is not copied, as the one value of an array of a large binary or string type."""
    offsets = pa.py_buffer(struct.pack("=qq", 0, len(text)))
    return pa.Array.from_buffers(kind, 1, [None, offsets, pa.py_buffer(text)])
