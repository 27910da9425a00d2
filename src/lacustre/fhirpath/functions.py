"""The functions that FHIRPath 2 and SQL on FHIR name, with their arity.

The registry knows more than the compiler supports: a name that is here but not compiled is reported as
unsupported, a name that is not here as unknown, with near names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import Literal, TypeAlias

ArgumentKind: TypeAlias = Literal["value", "criteria", "type"]


@dataclass(frozen=True, slots=True)
class Function:
    """`argument` says how the arguments are read: evaluated, per item of the input, or as a type name."""

    name: str
    least: int
    most: int
    argument: ArgumentKind = "value"

    def accepts(self, count: int) -> bool:
        return self.least <= count <= self.most

    @property
    def arity(self) -> str:
        if self.least == self.most:
            return f"{self.least} argument" + ("" if self.least == 1 else "s")
        return f"{self.least} to {self.most} arguments"


_PLAIN = """
    empty:0 not:0 allTrue:0 anyTrue:0 allFalse:0 anyFalse:0 subsetOf:1 supersetOf:1 count:0 distinct:0
    isDistinct:0 single:0 first:0 last:0 tail:0 skip:1 take:1 intersect:1 exclude:1 union:1 combine:1
    iif:2-3 toBoolean:0 convertsToBoolean:0 toInteger:0 convertsToInteger:0 toDate:0 convertsToDate:0
    toDateTime:0 convertsToDateTime:0 toDecimal:0 convertsToDecimal:0 toQuantity:0-1 convertsToQuantity:0-1
    toString:0 convertsToString:0 toTime:0 convertsToTime:0 indexOf:1 substring:1-2 startsWith:1 endsWith:1
    lastIndexOf:1 contains:1 upper:0 lower:0 replace:2 matches:1 matchesFull:1 replaceMatches:2 length:0
    toChars:0 split:1 join:0-1 trim:0 encode:1 decode:1 escape:1 unescape:1 abs:0 ceiling:0 exp:0 floor:0
    ln:0 log:1 power:1 round:0-1 sqrt:0 truncate:0 toLong:0 convertsToLong:0 yearOf:0 monthOf:0 dayOf:0
    hourOf:0 minuteOf:0 secondOf:0 millisecondOf:0 timezoneOffsetOf:0 dateOf:0 timeOf:0 children:0
    descendants:0 trace:1-2 now:0 timeOfDay:0 today:0 lowBoundary:0-1 highBoundary:0-1 precision:0 type:0
    sort:0-9 extension:1 hasValue:0 getValue:0 resolve:0 htmlChecks:0 memberOf:1 subsumes:1 subsumedBy:1
    elementDefinition:0 slice:2 checkModifiers:1 conformsTo:1 getResourceKey:0 comparable:1
"""
_CRITERIA = "all:1 where:1 exists:0-1 select:1 repeat:1 aggregate:1-2 defineVariable:1-2"
_TYPES = "ofType:1 is:1 as:1 getReferenceKey:0-1"


def _read(table: str, argument: ArgumentKind) -> Iterable[tuple[str, Function]]:
    for entry in table.split():
        name, _, arity = entry.partition(":")
        least, _, most = arity.partition("-")
        yield name, Function(name, int(least), int(most or least), argument)


FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    dict([*_read(_PLAIN, "value"), *_read(_CRITERIA, "criteria"), *_read(_TYPES, "type")])
)
"""Every function by name (FHIRPath 2.0.0 §5, FHIR's additional functions, SQL on FHIR's two keys)."""


def near_names(name: str, known: Iterable[str], limit: int = 3) -> tuple[str, ...]:
    """The known names that `name` may have meant, the nearest first; letter case does not count."""
    by_fold = {candidate.casefold(): candidate for candidate in sorted(known, reverse=True)}
    matches = get_close_matches(name.casefold(), by_fold, n=limit, cutoff=0.6)
    return tuple(by_fold[match] for match in matches)


def near_hint(name: str, known: Iterable[str]) -> str | None:
    """`did you mean …?`, or nothing where no name is near."""
    names = near_names(name, known)
    return f"did you mean {' or '.join(f'`{near}`' for near in names)}?" if names else None
