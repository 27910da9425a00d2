"""Regular expressions, read strictly: only what means the same to everyone, written as RE2 has it.

FHIRPath §5.6.9 wants what most engines share: Unicode, case-sensitive, `.` matching line ends too. `\\d`, `\\w`, `\\s`
and `\\b` are those of ASCII. What RE2 cannot do (lookaround, backreferences), and what engines do differently, is
refused where it stands.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

_MAX_REPEAT = 1000
_MAX_NESTING = 40
_MAX_WEIGHT = 10_000
"""Single characters that a pattern may come to, its repetitions multiplied out; RE2 has memory for twice as many."""

_PROPERTY_WEIGHT = 40
_PROPERTIES = """
    C Cc Cf Co L Ll Lm Lo Lt Lu M Mc Me Mn N Nd Nl No P Pc Pd Pe Pf Pi Po Ps S Sc Sk Sm So Z Zl Zp Zs
    Arabic Cyrillic Greek Han Hebrew Hiragana Katakana Latin
"""
"""The general categories of Unicode, and the scripts that patterns may name."""

_POSIX = "alnum alpha ascii blank cntrl digit graph lower print punct space upper word xdigit"
_COUNTS = re.compile(r"\{(\d{1,9})(,(\d{0,9}))?\}")
_NAMED = re.compile(r"\(\?P?<([A-Za-z_][A-Za-z0-9_]*)>")
_POSIX_CLASS = re.compile(r"\[:(\^?)([a-z]+):\]")
_FLAGS = re.compile(r"\(\?([ims]+)([:)])")
_CODE_POINT = re.compile(r"x\{([0-9A-Fa-f]{1,6})\}|x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})")
_PROPERTY = re.compile(r"([pP])(?:\{\^?([A-Za-z]+)\}|([A-Z]))")
_SPECIAL = frozenset(r"\.+*?()[]{}|^$")
_REFUSED_GROUPS = (
    ("(?=", "lookahead"),
    ("(?!", "lookahead"),
    ("(?<=", "lookbehind"),
    ("(?<!", "lookbehind"),
    ("(?>", "atomic groups"),
    ("(?P=", "backreferences"),
    ("(?(", "conditions"),
    ("(?#", "comments"),
)


class PatternError(ValueError):
    """What is wrong with a pattern; `position` is the offset into it."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.message = message
        self.position = position


@dataclass(frozen=True, slots=True)
class Pattern:
    """`text` is the pattern for RE2, `groups` the names of its groups (None for one without).

    `sometimes_empty` where it matches the empty text and others: engines disagree on how often it then matches.
    """

    text: str
    groups: tuple[str | None, ...]
    sometimes_empty: bool


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of a pattern, with its shortest and longest match (the longest counts to one), and its size."""

    text: str
    least: int = 1
    most: int = 1
    weight: int = 1
    repeats: int = 1


_NOTHING = _Piece("", 0, 0, 0)


def read_pattern(text: str) -> Pattern:
    """The pattern of a FHIRPath regular expression. Raises PatternError."""
    reader = _Reader(text)
    piece = reader.alternatives(0)
    if reader.position < len(text):
        reader.fail("a group that is closed but not opened")
    if piece.weight > _MAX_WEIGHT:
        raise PatternError("a pattern that repeats too much", 0)
    return Pattern(piece.text, tuple(reader.groups), piece.least == 0 and piece.most > 0)


def read_substitution(text: str, pattern: Pattern) -> str:
    """The replacement that RE2 takes for `$1`, `${1}`, `${name}`, `$&` and `$$`. Raises PatternError."""
    return re.sub(r"\\|\$(?:\$|&|\{([^}]*)\}|(\d+))?", lambda found: _substituted(found, pattern), text)


def _substituted(found: re.Match[str], pattern: Pattern) -> str:
    match found.group():
        case "\\":
            return r"\\"
        case "$" | "$$":
            return "$"
        case "$&":
            return r"\0"
    name = found.group(1) if found.group(1) is not None else found.group(2)
    number = _group_number(name, pattern)
    if number is None or number > len(pattern.groups):
        raise PatternError(f"there is no group {name}", found.start())
    if number > 9:
        raise PatternError("only the first nine groups can be substituted", found.start())
    return f"\\{number}"


def _group_number(name: str, pattern: Pattern) -> int | None:
    if name.isascii() and name.isdigit():
        return int(name)
    return pattern.groups.index(name) + 1 if name in pattern.groups else None


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self.position = 0
        self.groups: list[str | None] = []

    def fail(self, message: str) -> NoReturn:
        raise PatternError(message, self.position)

    def _next(self, length: int = 1) -> str:
        return self._text[self.position : self.position + length]

    def _take(self, text: str) -> bool:
        found = self._text.startswith(text, self.position)
        self.position += len(text) if found else 0
        return found

    def _match(self, form: re.Pattern[str]) -> re.Match[str] | None:
        found = form.match(self._text, self.position)
        self.position = found.end() if found else self.position
        return found

    def alternatives(self, depth: int) -> _Piece:
        if depth > _MAX_NESTING:
            self.fail("a pattern nested too deeply")
        branches = [self._sequence(depth)]
        while self._take("|"):
            branches.append(self._sequence(depth))
        if len(branches) == 1:
            return branches[0]
        return _Piece(
            "|".join(branch.text for branch in branches),
            min(branch.least for branch in branches),
            max(branch.most for branch in branches),
            sum(branch.weight for branch in branches),
            max(branch.repeats for branch in branches),
        )

    def _sequence(self, depth: int) -> _Piece:
        pieces = []
        while self._next() not in ("", "|", ")"):
            pieces.append(self._quantified(self._atom(depth)))
        return _Piece(
            "".join(piece.text for piece in pieces),
            min(1, sum(piece.least for piece in pieces)),
            min(1, sum(piece.most for piece in pieces)),
            sum(piece.weight for piece in pieces),
            max((piece.repeats for piece in pieces), default=1),
        )

    def _quantified(self, piece: _Piece) -> _Piece:
        start = self.position
        counts = self._counts()
        if counts is None:
            return piece
        if piece.most == 0:
            raise PatternError("a repetition of what is empty", start)
        if self._next() == "+":
            self.fail("possessive repetitions are not supported")
        lazy = "?" if self._take("?") else ""
        if self._next() in ("*", "+", "?") or _COUNTS.match(self._text, self.position):
            self.fail("a repetition of a repetition")
        least, most, written = counts
        factor = max(least, most or least, 1)
        repeats = piece.repeats * (factor if written.startswith("{") else 1)
        if repeats > _MAX_REPEAT:
            raise PatternError(f"a repetition of more than {_MAX_REPEAT} times", start)
        text = f"{piece.text}{written}{lazy}"
        return _Piece(text, min(piece.least, least), 0 if most == 0 else 1, piece.weight * factor, repeats)

    def _counts(self) -> tuple[int, int | None, str] | None:
        """The least and the most times (None for any number), and how RE2 writes them."""
        for sign, least, most in (("*", 0, None), ("+", 1, None), ("?", 0, 1)):
            if self._take(sign):
                return least, most, sign
        found = self._match(_COUNTS)
        if found is None:
            return None
        least = int(found[1])
        most = least if found[2] is None else int(found[3]) if found[3] else None
        if most is not None and most < least:
            self.fail("a repetition whose counts are in the wrong order")
        return least, most, found.group()

    def _atom(self, depth: int) -> _Piece:
        character = self._next()
        if character == "(":
            return self._group(depth)
        if character == "[":
            return self._class()
        if character in ("*", "+", "?") or _COUNTS.match(self._text, self.position):
            self.fail("a repetition of nothing")
        self.position += 1
        if character == "\\":
            return self._escape()
        if character in ("^", "$"):
            return _Piece(character, 0, 0)
        return _Piece(character if character == "." else _quoted(character))

    def _group(self, depth: int) -> _Piece:
        for opening, what in _REFUSED_GROUPS:
            if self._next(len(opening)) == opening:
                self.fail(f"{what} are not supported" if what.endswith("s") else f"{what} is not supported")
        flags = self._match(_FLAGS)
        if flags is not None and flags[2] == ")":
            return _Piece(flags.group(), 0, 0)
        if flags is not None:
            return self._closed(flags.group(), depth)
        if self._take("(?:"):
            return self._closed("(?:", depth)
        named = self._match(_NAMED)
        if named is None and self._next(2) == "(?":
            self.fail("an unknown kind of group")
        if named is None:
            self.position += 1
        elif named[1] in self.groups:
            self.fail(f"two groups named {named[1]}")
        self.groups.append(named[1] if named else None)
        return self._closed(f"(?P<{named[1]}>" if named else "(", depth)

    def _closed(self, opening: str, depth: int) -> _Piece:
        inner = self.alternatives(depth + 1)
        if not self._take(")"):
            self.fail("a group that is not closed")
        return _Piece(f"{opening}{inner.text})", inner.least, inner.most, inner.weight + 2, inner.repeats)

    def _escape(self) -> _Piece:
        """What follows a backslash, outside a class."""
        character = self._next()
        if character in ("b", "B", "A", "z") and character:
            self.position += 1
            return _Piece(f"\\{character}", 0, 0)
        if character.isdigit() or character == "k":
            self.fail("backreferences are not supported")
        return self._shared_escape()

    def _shared_escape(self) -> _Piece:
        """What may follow a backslash inside a class and outside."""
        character = self._next()
        point = self._match(_CODE_POINT)
        if point is not None:
            return _Piece(_quoted(self._character(int(point[1] or point[2] or point[3], 16))))
        unicode = self._match(_PROPERTY)
        if unicode is not None:
            return self._property(unicode)
        if character and character in "dDwWsStrnf":
            self.position += 1
            return _Piece(f"\\{character}")
        if not character or (character.isascii() and character.isalnum()):
            self.fail(f"an unknown escape \\{character}")
        self.position += 1
        return _Piece(_quoted(character))

    def _character(self, code: int) -> str:
        if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            self.fail("a code point that is no character")
        return chr(code)

    def _property(self, found: re.Match[str]) -> _Piece:
        name = found[2] or found[3]
        if name not in _PROPERTIES.split() or "^" in found.group():
            self.fail(f"an unknown property of characters, {name}")
        return _Piece(f"\\{found[1]}{{{name}}}", weight=_PROPERTY_WEIGHT)

    def _class(self) -> _Piece:
        start = self.position
        self.position += 1
        parts = ["[", "^" if self._take("^") else ""]
        weight = 1
        if self._next() == "]":
            self.fail("a class that begins with ], which is written \\]")
        while not self._take("]"):
            if not self._next():
                raise PatternError("a class that is not closed", start)
            piece = self._class_item()
            parts.append(piece.text)
            weight += piece.weight - 1
        return _Piece("".join([*parts, "]"]), weight=weight)

    def _class_item(self) -> _Piece:
        posix = self._match(_POSIX_CLASS)
        if posix is not None:
            if posix[2] not in _POSIX.split():
                self.fail(f"an unknown class of characters, {posix[2]}")
            return _Piece(posix.group())
        if self._next(2) in ("&&", "--", "~~"):
            self.fail("operations on classes are not supported")
        low, piece = self._class_character()
        if self._next() != "-" or self._next(2) == "-]":
            return piece
        self.position += 1
        high, end = self._class_character()
        if low is None or high is None or high < low:
            self.fail("a range that has no order")
        return _Piece(f"{piece.text}-{end.text}")

    def _class_character(self) -> tuple[str | None, _Piece]:
        """One character of a class, or (None) an escape that stands for several."""
        if self._take("\\"):
            piece = self._shared_escape()
            single = _unquoted(piece.text)
            return single, piece
        character = self._next()
        if not character:
            self.fail("a class that is not closed")
        if character == "[":
            self.fail("a [ in a class, which is written \\[")
        self.position += 1
        return character, _Piece(_quoted(character) if character in "^-" or character in _SPECIAL else character)


def _quoted(character: str) -> str:
    return f"\\{character}" if character in _SPECIAL or character in "-&~" else character


_CONTROLS = {r"\t": "\t", r"\r": "\r", r"\n": "\n", r"\f": "\f"}


def _unquoted(text: str) -> str | None:
    """The character that an escape stands for, or None where it stands for several."""
    if len(text) == 1:
        return text
    if text in _CONTROLS:
        return _CONTROLS[text]
    return text[1] if len(text) == 2 and not text[1].isalpha() else None
