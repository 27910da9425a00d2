"""FHIRPath expressions of a wanted kind over a focus of a known type, written one draw at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

from hypothesis import strategies as st

from support.fhir_json import Lexeme
from support.strategies import values as v
from support.strategies.paths import SUPERTYPES, Occurring, Path, Step, paths, paths_to
from support.strategies.resources import RESOURCE_TYPES

T = TypeVar("T")
NOTHING: Occurring = {}
Writers: TypeAlias = list[Callable[[], str]]

STRINGS = frozenset(("string", "code", "id", "uri", "canonical"))
CATEGORIES = {
    "string": STRINGS,
    "boolean": frozenset(("boolean",)),
    "integer": frozenset(("integer", "positiveInt")),
    "decimal": frozenset(("decimal",)),
    "date": frozenset(("date",)),
    "dateTime": frozenset(("dateTime",)),
    "instant": frozenset(("instant",)),
    "time": frozenset(("time",)),
}
"""Kinds of values, and the FHIR types that hold them."""

CONSTANTS: dict[str, tuple[str, Any]] = {
    "%text": ("valueString", "a"),
    "%code": ("valueCode", "usual"),
    "%one": ("valueInteger", 1),
    "%half": ("valueDecimal", Lexeme("0.50")),
    "%day": ("valueDate", "1950-06-15"),
    "%moment": ("valueInstant", "2010-10-10T12:00:00+02:00"),
    "%noon": ("valueTime", "12:34:00"),
    "%yes": ("valueBoolean", True),
}

LITERALS: dict[str, tuple[str, ...]] = {
    "string": (*("'" + t.replace("\\", "\\\\").replace("'", "\\'") + "'" for t in v.TEXTS), "%code", "%text"),
    "boolean": ("true", "false", "%yes"),
    "integer": ("0", "1", "42", "(-7)", "%one", "2147483647"),
    "decimal": ("1.0", "0.5", "1.1", "12.345", "0.0000001", "2", "%half"),
    "date": ("%day", "@1950-06"),
    "dateTime": ("@2010-10-10T12:00:00+02:00", "{}"),
    "instant": ("%moment",),
    "time": ("%noon", "@T12:34:00.5"),
}

OPERANDS = LITERALS | {
    "date": ("%day", "@1950", "@1950-06", "@2000-01-01", "@2000-01-01T10:00:00Z"),
    "dateTime": ("%day", "%moment", "@2010-10-10", "@2010-10-10T12", "@2010-10-10T12:00:00+02:00", "@1950T"),
    "instant": ("%moment", "@2010-10-10T08:00:00.123Z", "@2010-10-10", "@2010-10-10T12:00+02:00"),
    "time": ("%noon", "@T12:34:00.5", "@T12:34", "@T23"),
}
"""What values of each kind are compared with, in any precision."""

UNITED = frozenset(("string", "boolean", "integer", "date"))
"""The kinds of values that `|` brings together."""

SLICES = ("0", "1", "2", "0, 1", "1, 2", "1, 0", "-1")
SEPARATORS = ("", "','", "''", "', '")
BOUNDARIES = ("lowBoundary()", "highBoundary()")
PRECISIONS = {
    "decimal": ("0", "1", "2", "31", "32"),
    "date": ("4", "6", "8", "5"),
    "dateTime": ("4", "6", "8", "17", "10"),
    "time": ("2", "4", "6", "9", "3"),
}
"""Arguments of boundary functions, the last of each makes no sense."""
CUTS = (".skip(1)", ".tail()", ".distinct()", ".take(1)", ".where($index = 1)")
"""The first three leave several items."""

PRIMITIVES = frozenset().union(*CATEGORIES.values())
REPEATING = frozenset((*RESOURCE_TYPES, "QuestionnaireResponse.item", "Observation.component", "Extension"))
FILTERS = (".first()", "[0]", ".where(", ".last()", ".where(false)", ".ofType(", *CUTS)
QUANTIFIERS = ("allTrue", "anyTrue", "allFalse", "anyFalse", "isDistinct")
COMBINED = ("union", "combine", "intersect", "exclude")
CHANGES = (
    "trim()",
    "replace('a', 'bb')",
    "replace('', '-')",
    "toChars().join('|')",
    "split('a').last()",
    "substring(1)",
)
COUNTS = ("length()", "indexOf('a')", "indexOf('')", "toChars().count()", "split('a').count()", "toInteger()")
WHOLE = ("ceiling()", "floor()", "truncate()", "round().toInteger()")
PATTERNS = ("'^[A-Z]'", "'a.?b|é'", "'.'", "'(?i)USUAL'", "'[0-9]{2,}'", "''")
CONVERTED = ("Boolean", "Integer", "Decimal", "Date", "DateTime", "Time")
SINGLES = (".first()", "[0]", "[1]", ".last()", "[%one]", ".first().single()")


class Expressions:
    """Writes expressions; the simplest alternative is always the first, for examples to shrink to.

    Of the paths, most lead to something that `occurring` tells of (see `support.strategies.paths`).
    """

    def __init__(self, draw: st.DrawFn, occurring: Occurring = NOTHING, careless: bool = False) -> None:
        self.draw = draw
        self.occurring = occurring
        self.careless = careless or self.chance(5)
        self.wanted = 2 if self.careless else 1
        self.used: set[str] = set()

    def pick(self, options: Sequence[T]) -> T:
        return self.draw(st.sampled_from(options))

    def chance(self, one_in: int) -> bool:
        return self.draw(st.integers(0, one_in - 1)) == one_in - 1

    # Paths

    def pick_path(self, candidates: Sequence[Path]) -> Path:
        """One of the paths, step by step, so that types with many members do not outweigh the others."""
        occurring = [path for path in candidates if path.items(self.occurring) >= self.wanted]
        found = occurring if occurring and not self.chance(8) else list(candidates)
        position = 0
        while len(found) > 1:
            step = self.pick(list(dict.fromkeys(path.steps[position : position + 1] for path in found)))
            found = [path for path in found if path.steps[position : position + 1] == step]
            position += 1
        return found[0]

    def any_path(self, focus: str) -> Path:
        return self.decorate(self.pick_path(paths(focus)))

    def decorate(self, path: Path) -> Path:
        """The path, sometimes with a filter, an index or a cast on one of its steps."""
        if not path.steps or not self.chance(3):
            return path
        index = self.draw(st.integers(0, len(path.steps) - 1))
        step = path.steps[index]
        suffix, many = self.pick(FILTERS), step.many
        if suffix == ".where(":
            suffix = f".where({self.boolean(step.type, 0)})"
        elif suffix == ".ofType(":
            suffix = f".ofType({step.type})" if "." not in step.type else ""
        else:
            many = step.many and suffix in (".where(false)", *CUTS[:3])
        return path.with_step(index, Step(step.text + suffix, step.type, many))

    def single(self, path: Path) -> str:
        """The path cut to one item; careless views keep its several, for the error they make."""
        if not path.many or self.careless:
            return path.text
        suffix = self.pick(SINGLES)
        if "%one" in suffix:
            self.used.add("%one")
        return path.text + suffix

    def read(self, focus: str, kind: str) -> str:
        """A single value read by path, or a literal where the focus has none of that kind."""
        found = paths_to(focus, CATEGORIES[kind])
        return self.single(self.decorate(self.pick_path(found))) if found else self.literal(kind)

    def literal(self, kind: str, literals: Mapping[str, tuple[str, ...]] = LITERALS) -> str:
        literal = self.pick(literals[kind])
        self.used |= {literal} & CONSTANTS.keys()
        return literal

    def operand(self, focus: str, kind: str) -> str:
        """What a value of that kind is compared with: mostly a literal."""
        return self.read(focus, kind) if self.chance(4) else self.literal(kind, OPERANDS)

    def boundary(self, kind: str) -> str:
        function = self.pick(BOUNDARIES)
        return function.replace("()", f"({self.pick(PRECISIONS[kind])})") if self.chance(3) else function

    # Values of each kind

    def value(self, focus: str, kind: str, depth: int) -> str:
        """An expression of that kind with at most one item (but for one in many)."""
        match kind:
            case "boolean":
                return self.boolean(focus, depth)
            case "string":
                return self.string(focus, depth)
            case "integer":
                return self.integer(focus, depth)
            case "decimal":
                return self.decimal(focus, depth)
        text = self.read(focus, kind)
        bounded = kind != "instant" and self.chance(4)
        return f"{text}.{self.boundary(kind)}" if bounded else text

    def boolean(self, focus: str, depth: int) -> str:
        options: Writers = [
            lambda: self.exists(focus),
            lambda: self.equality(focus),
            lambda: self.read(focus, "boolean"),
            lambda: self.ordering(focus),
            lambda: self.text_test(focus),
            lambda: self.type_test(focus),
            lambda: f"{self.any_path(focus).text}.empty()",
        ]
        if depth:
            options += [
                lambda: f"({self.boolean(focus, depth - 1)}).not()",
                lambda: f"({self.boolean(focus, depth - 1)} and {self.boolean(focus, depth - 1)})",
                lambda: f"({self.boolean(focus, depth - 1)} or {self.boolean(focus, depth - 1)})",
                lambda: f"({self.boolean(focus, depth - 1)}).{self.pick(('exists()', 'empty()', 'count() = 1'))}",
                lambda: f"{self.key(focus)}.exists()",
                lambda: f"({self.key(focus)} = {self.key(focus)})",
                lambda: self.quantified(focus),
                lambda: self.membership(focus),
                lambda: self.equivalence(focus),
                lambda: (
                    f"({self.string(focus, depth - 1)}).{self.pick(('matches', 'matchesFull'))}({self.pick(PATTERNS)})"
                ),
                lambda: f"({self.string(focus, depth - 1)}).convertsTo{self.pick(CONVERTED)}()",
                lambda: self.comparison_of_collections(focus),
                lambda: f"({self.boolean(focus, 0)} {self.pick(('xor', 'implies'))} {self.boolean(focus, 0)})",
                lambda: f"iif({', '.join(self.boolean(focus, 0) for _ in range(self.pick((3, 2))))})",
                lambda: f"{self.read(focus, self.readable_kind(focus))}.hasValue()",
            ]
        return self.pick(options)()

    def exists(self, focus: str) -> str:
        path = self.any_path(focus)
        return f"{path.text}.exists({self.boolean(path.type, 0) if self.chance(4) else ''})"

    def equality(self, focus: str) -> str:
        """Also of collections with a single value, which are equal only where they have one item."""
        kind = self.readable_kind(focus)
        found = paths_to(focus, CATEGORIES[kind])
        plural = found and self.chance(3)
        left = self.plural(focus, kind) if plural else self.read(focus, kind)
        right = self.plural(focus, kind) if plural and self.chance(3) else self.operand(focus, kind)
        return f"({left} {self.pick(('=', '!='))} {right})"

    def plural(self, focus: str, kind: str) -> str:
        """A collection of the values of that kind."""
        return self.decorate(self.pick_path(paths_to(focus, CATEGORIES[kind]))).text

    def quantified(self, focus: str) -> str:
        """A question of every item."""
        path = self.any_path(focus)
        if self.chance(2):
            return f"{path.text}.all({self.boolean(path.type, 0)})"
        return f"{path.text}.select({self.boolean(path.type, 0)}).{self.pick(QUANTIFIERS)}()"

    def membership(self, focus: str) -> str:
        """Only of kinds that the focus leads to."""
        kind = self.readable_kind(focus)
        found = paths_to(focus, CATEGORIES[kind])
        many = self.plural(focus, kind) if found else self.literal(kind)
        item = self.read(focus, kind) if self.chance(2) else self.literal(kind)
        return self.pick((f"({item} in {many})", f"({many} contains {item})"))

    def equivalence(self, focus: str) -> str:
        """Of single values, and of collections of texts, integers and booleans."""
        kind = self.readable_kind(focus)
        symbol = self.pick(("~", "!~"))
        if kind in ("string", "boolean", "integer") and paths_to(focus, CATEGORIES[kind]) and self.chance(2):
            return f"({self.plural(focus, kind)} {symbol} {self.plural(focus, kind)})"
        other = self.literal(kind) if self.chance(2) else self.read(focus, kind)
        return f"({self.read(focus, kind)} {symbol} {other})"

    def elements(self, focus: str) -> tuple[str, str]:
        """Two collections of values or elements of one type."""
        found = [path for path in paths(focus) if path.steps or focus not in RESOURCE_TYPES]
        values = [path for path in found if path.type in PRIMITIVES]
        path = self.pick_path(found if self.chance(4) or not values else values)
        return self.decorate(path).text, self.decorate(path).text

    def comparison_of_collections(self, focus: str) -> str:
        left, right = self.elements(focus)
        return self.pick((f"({left} = {right})", f"{left}.subsetOf({right})", f"{left}.supersetOf({right})"))

    def combined_count(self, focus: str) -> str:
        left, right = self.elements(focus)
        return f"{left}.{self.pick(COMBINED)}({right}).count()"

    def repeated_count(self, focus: str) -> str:
        """How many items lie below others of their type."""
        found = {"QuestionnaireResponse": "item", "QuestionnaireResponse.item": "item"}.get(focus, "extension")
        return f"repeat({found}).count()" if focus in REPEATING else self.literal("integer")

    def total(self, focus: str) -> str:
        """A sum over items."""
        path = self.any_path(focus)
        return f"{path.text}.aggregate($total + {self.pick(('1', '$this.exists().toInteger()'))}, 0)"

    def ordering(self, focus: str) -> str:
        kind = self.readable_kind(focus)
        kind = "integer" if kind == "boolean" else kind
        return f"({self.read(focus, kind)} {self.pick(('<', '>', '<=', '>='))} {self.operand(focus, kind)})"

    def readable_kind(self, focus: str) -> str:
        """A kind of values that the focus leads to."""
        return self.pick(self.readable_kinds(focus) or ["string"])

    def readable_kinds(self, focus: str) -> list[str]:
        """The kinds of values that the focus leads to: those that occur, or else all."""
        found = {kind: paths_to(focus, types) for kind, types in CATEGORIES.items()}
        readable = [kind for kind, leading in found.items() if leading]
        occurring = [kind for kind in readable if any(path.items(self.occurring) for path in found[kind])]
        return occurring if occurring and not self.chance(8) else readable

    def text_test(self, focus: str) -> str:
        function = self.pick(("startsWith", "endsWith", "contains"))
        return f"{self.string(focus, 0)}.{function}({self.literal('string')})"

    def type_test(self, focus: str) -> str:
        """`is` on a choice element; careless views ask it of several values."""
        wanted = [path for path in paths(focus, 2) if ".ofType(" in path.text]
        found = [path for path in wanted if self.careless or not path.many]
        if not found:
            return "$this.exists()"
        element, _, rest = self.pick_path(found).text.partition(".ofType(")
        type_ = rest.partition(")")[0]
        return f"({element} is {self.pick((type_, *SUPERTYPES.get(type_, ())))})"

    def string(self, focus: str, depth: int) -> str:
        options: Writers = [lambda: self.read(focus, "string")]
        if depth:
            options += [
                lambda: f"{self.string(focus, depth - 1)}.substring({self.pick(SLICES)})",
                lambda: f"({self.string(focus, depth - 1)}).{self.pick(CHANGES)}",
                lambda: f"({self.string(focus, depth - 1)} + {self.string(focus, depth - 1)})",
                lambda: f"({self.string(focus, depth - 1)} & {self.string(focus, depth - 1)})",
                lambda: f"({self.integer(focus, depth - 1)}).toString()",
                lambda: f"({self.boolean(focus, depth - 1)}).toString()",
                lambda: f"({self.read(focus, self.readable_kind(focus))}).toString()",
                lambda: self.join(focus),
                lambda: f"iif({self.boolean(focus, 0)}, {self.string(focus, 0)}, {self.string(focus, 0)})",
                lambda: f"{self.projection(focus)}.first()",
                lambda: self.key(focus),
                lambda: self.literal("string"),
            ]
        return self.pick(options)()

    def projection(self, focus: str) -> str:
        path = self.any_path(focus)
        return f"{path.text}.select({self.string(path.type, 0)})"

    def join(self, focus: str) -> str:
        found = paths_to(focus, STRINGS)
        if not found:
            return self.literal("string")
        return f"{self.decorate(self.pick_path(found)).text}.join({self.pick(SEPARATORS)})"

    def key(self, focus: str) -> str:
        """The key of the resource, or of one that it refers to."""
        found = paths_to(focus, frozenset(("Reference",)), 2)
        if focus in RESOURCE_TYPES and (not found or self.chance(2)):
            return "getResourceKey()"
        if not found:
            return self.literal("string")
        return f"{self.single(self.pick_path(found))}.getReferenceKey({self.pick(('', *v.TYPES[:2]))})"

    def integer(self, focus: str, depth: int) -> str:
        options: Writers = [
            lambda: self.read(focus, "integer"),
            lambda: f"{self.any_path(focus).text}.count()",
            lambda: self.union_count(focus),
            lambda: "%rowIndex",
        ]
        if depth:
            options += [
                lambda: f"-({self.integer(focus, depth - 1)})",
                lambda: f"({self.integer(focus, 0)} {self.pick('+-*')} {self.integer(focus, depth - 1)})",
                lambda: f"({self.string(focus, depth - 1)}).{self.pick(COUNTS)}",
                lambda: f"({self.decimal(focus, 0)}).{self.pick(WHOLE)}",
                lambda: f"({self.integer(focus, 0)} {self.pick(('div', 'mod'))} {self.integer(focus, depth - 1)})",
                lambda: f"({self.integer(focus, depth - 1)}).abs()",
                lambda: f"{self.read(focus, self.readable_kind(focus))}.toString().length()",
                lambda: f"({self.boolean(focus, depth - 1)}).toInteger()",
                lambda: self.combined_count(focus),
                lambda: self.repeated_count(focus),
                lambda: self.total(focus),
                lambda: f"{self.any_path(focus).text}.select($index).last()",
            ]
        return self.pick(options)()

    def union_count(self, focus: str) -> str:
        """Two collections in one, counted: the order of a union is not defined."""
        kind = self.readable_kind(focus)
        if kind not in UNITED or not paths_to(focus, CATEGORIES[kind]):
            return "(1 | 2 | 1).count()"
        return f"({self.plural(focus, kind)} | {self.plural(focus, kind)}).count()"

    def decimal(self, focus: str, depth: int) -> str:
        options: Writers = [lambda: self.read(focus, "decimal")]
        if depth:
            options += [
                lambda: f"({self.number(focus, depth)} / {self.number(focus, depth)})",
                lambda: f"({self.decimal(focus, depth - 1)} {self.pick('+-*')} {self.number(focus, depth)})",
                lambda: f"-({self.decimal(focus, depth - 1)})",
                lambda: f"({self.decimal(focus, depth - 1)}).{self.pick(('abs()', 'round(1)', 'round()'))}",
                lambda: f"({self.string(focus, 0)}).toDecimal()",
                lambda: f"({self.decimal(focus, 0)} {self.pick(('div', 'mod'))} {self.number(focus, 1)})",
                lambda: f"{self.read(focus, 'decimal')}.{self.boundary('decimal')}",
            ]
        return self.pick(options)()

    def number(self, focus: str, depth: int) -> str:
        write = self.integer if self.chance(2) else self.decimal
        return write(focus, depth - 1)
