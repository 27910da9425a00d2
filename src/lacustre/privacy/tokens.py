"""What identifies a patient, and where it occurs in text.

Keys (`Observation/123`) are found as whole references in any text, also absolute ones and those with a version. Ids
and texts (identifiers, telephone, full name) are found as whole words. What is short, or what somebody else has too,
would be found where it is not the patient's, and is counted as left out instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_REFERENCE = re.compile(rb"(?<![A-Za-z])[A-Z][A-Za-z]{3,}/[A-Za-z0-9._-]+")
_USUAL_ID = re.compile(r"[A-Za-z0-9._-]*[A-Za-z0-9_-]")
_ESCAPE = re.compile(rb"\\u([0-9a-fA-F]{4})")
_WORD = re.compile(rb"[A-Za-z0-9\x80-\xff]")
_ID_WORD = re.compile(rb"[A-Za-z0-9._-]{8,}")
MIN_TEXT = 8
"""Shorter texts are not searched for."""


def distinctive(word: str) -> bool:
    """Whether a word is unlikely to mean something else elsewhere: not short, and not of letters alone."""
    return len(word) >= MIN_TEXT and any(letter.isdigit() or letter == "@" for letter in word)


@dataclass(frozen=True, slots=True)
class Tokens:
    """What to look for; `patient_key` is the lake's own number of the patient, `left_out` counts what is ambiguous.

    `keys` are of all resources of the compartment, `ids` those of their ids that are long and nobody else's.
    """

    keys: frozenset[str]
    ids: frozenset[str]
    texts: frozenset[str]
    patient_key: int
    left_out: int = 0

    def finder(self) -> TokenFinder:
        return TokenFinder(self)

    def __len__(self) -> int:
        return len(self.keys) + len(self.ids) + len(self.texts) + 1


class TokenFinder:
    """Finds tokens in bytes."""

    def __init__(self, tokens: Tokens) -> None:
        usual = {key for key in tokens.keys if _USUAL_ID.fullmatch(key.partition("/")[2])}
        self._keys = {key.encode() for key in usual}
        self._ids = {one.encode() for one in tokens.ids}
        self._texts = [text.encode() for text in sorted({*tokens.texts, *(tokens.keys - usual)})]
        stored = tokens.patient_key.to_bytes(8, "little", signed=True)
        self.key_bytes = (stored, stored[::-1])

    def __contains__(self, data: bytes) -> bool:
        return any(self._in(form) for form in forms(data))

    def mentions(self, data: bytes) -> bool:
        """Whether a key is referred to; other tokens do not count."""
        return any(self._refers(form) for form in forms(data))

    def _in(self, data: bytes) -> bool:
        return self._refers(data) or self._names_id(data) or any(_has_word(data, text) for text in self._texts)

    def _names_id(self, data: bytes) -> bool:
        return not self._ids.isdisjoint(word.strip(b".") for word in _ID_WORD.findall(data))

    def _refers(self, data: bytes) -> bool:
        if b"/" not in data:
            return False
        found = set(_REFERENCE.findall(data))
        if not self._keys.isdisjoint(found):
            return True
        return b"." in data and not self._keys.isdisjoint({name.rstrip(b".") for name in found})


def forms(data: bytes) -> Iterable[bytes]:
    """The bytes, and, where they may be JSON with escapes, what these stand for."""
    yield data
    if b"\\" in data:
        yield _ESCAPE.sub(_character, data.replace(b"\\/", b"/"))


def _character(match: re.Match[bytes]) -> bytes:
    return chr(int(match[1], 16)).encode(errors="replace")


def _has_word(data: bytes, text: bytes) -> bool:
    at = data.find(text)
    while at >= 0:
        end = at + len(text)
        if not _WORD.match(data[at - 1 : at] if at else b"") and not _WORD.match(data[end : end + 1]):
            return True
        at = data.find(text, at + 1)
    return False
