"""FHIRPath expressions at random: from the grammar, over the elements of real resource types, and mutations of good ones.

Most of them are wrong, in as many ways as can be; what is right is as strange as it gets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from lacustre.fhir.model import FhirModel
from lacustre.fhirpath import FUNCTIONS

LITERALS = (
    *("true", "false", "{}", "0", "1", "2147483647", "2147483648", "007", "1.0", "0.10", "12345678901234567890.5"),
    *("''", "'a'", "'été'", "'it\\'s'", "'\\u0041\\n'", "'%_'", "'" + "x" * 300 + "'"),
    *("@2015", "@2015-02", "@2015-02-04", "@2015-02-30", "@2015T", "@2015-02-04T14", "@2015-02-04T14:30:00.5+02:00"),
    *("@T14", "@T14:30:00", "@T25:00", "4 'mg'", "4 days", "1 year", "1.5 'kg/m2'"),
)
NAMES = (
    "%text",
    "%one",
    "%half",
    "%day",
    "%moment",
    "%rowIndex",
    "%resource",
    "%context",
    "%ucum",
    "%unknown",
    "%`a b`",
)
SPECIALS = ("$this", "$index", "$total")
OPERATORS = (
    *("=", "!=", "~", "!~", "<", "<=", ">", ">=", "+", "-", "*", "/", "div", "mod", "&", "|"),
    *("and", "or", "xor", "implies", "in", "contains"),
)
TYPES = (
    "string",
    "code",
    "Quantity",
    "FHIR.Quantity",
    "System.String",
    "Patient",
    "dateTime",
    "boolean",
    "nothing",
    "Period",
)
NOISE = (
    *"()[]{}.,'`\"%$@|&=<>!~+-*/\\ \t\n;#",
    "é",
    "😀",
    "\u00a0",
    "0",
    "9",
    "and",
    "is",
    "//",
    "/*",
    "'",
    "as",
    "..",
)
CONSTANTS = (
    {"name": "text", "valueString": "a"},
    {"name": "one", "valueInteger": 1},
    {"name": "half", "valueDecimal": 0.5},
    {"name": "day", "valueDate": "1950-06-15"},
    {"name": "moment", "valueInstant": "2010-10-10T12:00:00+02:00"},
)


class Fuzzer:
    """Writes expressions about the elements of resource types; `good` are expressions that hold, to be mutated."""

    def __init__(self, model: FhirModel, good: Sequence[str]) -> None:
        self._model = model
        self._good = good
        self._functions = sorted(FUNCTIONS)

    def expression(self, random: Random, type_name: str) -> str:
        if random.random() < 0.3:
            return mutated(random, random.choice(self._good))
        written = self._expression(random, type_name, random.randint(1, 4))
        return mutated(random, written) if random.random() < 0.15 else written

    def _expression(self, random: Random, type_name: str, depth: int) -> str:
        writers: list[Callable[[], str]] = [lambda: self._path(random, type_name, depth)] * 5
        writers.append(lambda: random.choice(LITERALS))
        if depth > 0:
            writers += [
                lambda: self._binary(random, type_name, depth - 1),
                lambda: self._binary(random, type_name, depth - 1),
                lambda: f"({self._expression(random, type_name, depth - 1)})",
                lambda: f"{random.choice('+-')}{self._expression(random, type_name, depth - 1)}",
                lambda: (
                    f"({self._expression(random, type_name, depth - 1)}) {random.choice(('is', 'as'))} {random.choice(TYPES)}"
                ),
                lambda: f"{random.choice(LITERALS)}{self._steps(random, '', depth - 1)}",
                lambda: f"{random.choice(NAMES)}{self._steps(random, type_name, depth - 1)}",
                lambda: f"{random.choice(SPECIALS)}{self._steps(random, type_name, depth - 1)}",
            ]
        return random.choice(writers)()

    def _binary(self, random: Random, type_name: str, depth: int) -> str:
        left, right = (self._expression(random, type_name, depth) for _ in range(2))
        return f"{left} {random.choice(OPERATORS)} {right}"

    def _path(self, random: Random, type_name: str, depth: int) -> str:
        """A path that starts at an element of the type; its steps mostly exist."""
        step, below = self._element(random, type_name)
        return step + self._steps(random, below, depth)

    def _steps(self, random: Random, type_name: str, depth: int) -> str:
        steps = ""
        for _ in range(random.choice((0, 0, 1, 1, 2, 3))):
            kind = random.random()
            if kind < 0.35 and type_name:
                step, type_name = self._element(random, type_name)
                steps += f".{step}"
            elif kind < 0.45:
                steps += (
                    f"[{self._expression(random, type_name, 0) if random.random() < 0.3 else random.randint(0, 3)}]"
                )
            else:
                steps += f".{self._call(random, type_name, depth)}"
        return steps

    def _element(self, random: Random, type_name: str) -> tuple[str, str]:
        """An element of the type, with the type that it leads to where that is known."""
        if not self._model.has_type(type_name) or random.random() < 0.03:
            return random.choice(("id", "value", "extension", "coding", "code", "family", "`given`", "nowhere")), ""
        elements = list(self._model.type(type_name).elements.values())
        if not elements:
            return random.choice(("extension", "id", "value")), ""
        element = random.choice(elements)
        if not element.choice:
            return element.name, element.types[0]
        type_ = random.choice(element.types)
        return (f"{element.name}.ofType({type_})", type_) if random.random() < 0.8 else (element.name, "")

    def _call(self, random: Random, type_name: str, depth: int) -> str:
        name = random.choice(self._functions)
        function = FUNCTIONS[name]
        count = random.randint(function.least, min(function.most, 3))
        if random.random() < 0.05:
            count = random.randint(0, 4)
        if function.argument == "type" and random.random() < 0.9:
            return f"{name}({', '.join(random.choice(TYPES) for _ in range(count))})"
        below = max(0, depth - 1)
        return f"{name}({', '.join(self._expression(random, type_name, below) for _ in range(count))})"


def mutated(random: Random, text: str) -> str:
    """The text after a few deletions, doublings, swaps and insertions."""
    for _ in range(random.randint(1, 4)):
        start = random.randint(0, len(text))
        end = min(len(text), start + random.randint(0, 6))
        match random.randint(0, 4):
            case 0:
                text = text[:start] + text[end:]
            case 1:
                text = text[:end] + text[start:end] + text[end:]
            case 2:
                text = text[:start] + random.choice(NOISE) + text[start:]
            case 3:
                text = text[:start] + random.choice(OPERATORS) + text[end:]
            case _:
                text = text[:start] + text[start:end][::-1] + text[end:]
    return text
