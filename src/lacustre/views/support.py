"""What of FHIRPath is compiled, as tables for the documentation: functions by chapter, operators, the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from lacustre.fhirpath import FUNCTIONS
from lacustre.views.functions import CHAPTERS, FUNCTION_BINDERS

_NOTES: Mapping[str, str] = MappingProxyType(
    {
        "all": "what is not known to be true of an item is not true",
        "repeat": "over elements, as deep as the table goes; the projection leads down, to one type",
        "select": "the results of all items are of one type",
        "where": "keeps what is true; `$index` counts from 0",
        "skip": "of a number that is written in the view or is a constant",
        "take": "of a number that is written in the view or is a constant",
        "union": "of items that have a common type",
        "combine": "of items that have a common type",
        "intersect": "distinct items, by `=`",
        "exclude": "keeps order and duplicates",
        "aggregate": "the total is one primitive value of one type",
        "iif": "both results of one type; after a path, results that do not stand on the item",
        "trace": "gives its input and logs nothing",
        "extension": "by URL; of primitives too",
        "hasValue": "false for several items and for elements",
        "getValue": "a value of a system type",
        "resolve": "only `getResourceKey()`, `id`, `is` and `ofType` of the result, from the reference's text",
        "getResourceKey": "the id",
        "getReferenceKey": "relative and absolute references, and `#contained` ones",
        "ofType": "FHIR's types for elements, the system's for literals and results",
        "as": "as `ofType`, of one item",
        "is": "`active is boolean` is true, `active is Boolean` false: elements are of FHIR's types",
        "type": "`name` and `namespace`; not of backbone elements",
        "matches": "a pattern of RE2 that is written in the view or is a constant",
        "matchesFull": "a pattern of RE2 that is written in the view or is a constant",
        "replaceMatches": "a pattern of RE2 that is written in the view or is a constant, and never matches nothing",
        "encode": "a form that is written in the view or is a constant",
        "decode": "a form that is written in the view or is a constant",
        "escape": "a form that is written in the view or is a constant",
        "unescape": "not of `html`",
        "join": "of what is text when stored; of nothing it is empty",
        "round": "to a number of places that is written in the view or is a constant",
        "power": "not of integers of 64 bits",
        "toQuantity": "without a unit to convert to",
        "convertsToQuantity": "without a unit to convert to",
        "now": "one moment for all rows of a run; the build warns that the view tells what held then",
        "today": "as `now()`, in the tenant's time zone",
        "timeOfDay": "as `now()`, in the tenant's time zone",
        "lowBoundary": "of numbers, quantities, dates and times",
        "highBoundary": "of numbers, quantities, dates and times",
    }
)


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator with an expression that shows it, which compiles on a Patient."""

    symbol: str
    example: str
    note: str = ""


OPERATORS: tuple[Operator, ...] = (
    Operator(
        "=, !=", "name[0] = name[1]", "elements member by member; items of types that are never equal are refused"
    ),
    Operator(
        "~, !~", "gender ~ 'Male'", "of primitives and quantities; of several texts, integers or booleans in any order"
    ),
    Operator(
        "<, <=, >, >=",
        "birthDate < @1950",
        "empty where the precision does not decide; quantities that measure the same",
    ),
    Operator("in, contains", "gender in ('male' | 'female')", "what is not known to be equal is not in a collection"),
    Operator("and, or, xor, implies", "active implies gender.exists()", "three-valued"),
    Operator(
        "is, as",
        "deceased is boolean",
        "beside `|` or a comparison only in parentheses: editions of the grammar differ",
    ),
    Operator("|", "name.given | name.family", "of items that have a common type; the first of equal items"),
    Operator("+, -, *, /", "multipleBirth.ofType(integer) / 2", "decimal, not binary; dates and quantities"),
    Operator("div, mod", "7 div 2", "empty for a divisor of 0"),
    Operator("&", "name.family.first() & ','", "empty is `''`"),
    Operator("[ ]", "name[0]", "an index that is written in the view or is a constant"),
    Operator("$this, $index, $total", "name.where($index = 0)", "in the functions that run over items"),
    Operator(
        "%resource, %context",
        "name.where(%resource.active)",
        "and `%rootResource`, `%rowIndex`, `%ucum`, `%sct`, `%loinc`, `%vs-…`, `%ext-…`",
    ),
)
"""The operators and variables that are compiled."""


@dataclass(frozen=True, slots=True)
class FunctionRow:
    name: str
    arity: str
    note: str


def supported_functions() -> Iterator[tuple[str, tuple[FunctionRow, ...]]]:
    """The functions that are compiled, by chapter."""
    for module in CHAPTERS:
        title = (module.__doc__ or "").splitlines()[0].partition(":")[0].rstrip(".")
        yield title, tuple(_row(name) for name in sorted(module.BINDERS))


def refused_functions() -> tuple[FunctionRow, ...]:
    """The functions that FHIRPath and FHIR name and that are refused by name."""
    return tuple(_row(name) for name in sorted(FUNCTIONS.keys() - FUNCTION_BINDERS.keys()))


def _row(name: str) -> FunctionRow:
    return FunctionRow(name, FUNCTIONS[name].arity, _NOTES.get(name, ""))
