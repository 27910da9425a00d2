"""ViewDefinitions over the resources of `support.strategies.resources`, nearly all of them valid.

What the specification leaves open is left out: comparisons of date-times whose precision may differ, the order
of a union, operators whose precedence the editions of FHIRPath disagree on (they are in parentheses), and text
of decimals with an exponent. Views that fail do so because a column that is no collection has several values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, TypeVar

from hypothesis import strategies as st

from support.strategies import values as v
from support.strategies.paths import Path, Step, paths, paths_to, steps

Json: TypeAlias = dict[str, Any]
Column: TypeAlias = tuple[str, str, bool]
"""Name, category or type, collection."""
T = TypeVar("T")

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
"""Kinds of columns, and the FHIR types that such a column reads."""

CONSTANTS: dict[str, tuple[str, Any]] = {
    "%text": ("valueString", "a"),
    "%code": ("valueCode", "usual"),
    "%one": ("valueInteger", 1),
    "%half": ("valueDecimal", v.Lexeme("0.50")),
    "%day": ("valueDate", "1950-06-15"),
    "%moment": ("valueInstant", "2010-10-10T12:00:00+02:00"),
    "%noon": ("valueTime", "12:34:00"),
    "%yes": ("valueBoolean", True),
}


@st.composite
def views(draw: st.DrawFn, resource_type: str) -> Json:
    """A ViewDefinition over one of RESOURCE_TYPES."""
    return ViewWriter(draw).view(resource_type)


class ViewWriter:
    """Writes one view; the simplest alternative is always the first, for examples to shrink to."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.columns = 0
        self.used: set[str] = set()

    def pick(self, options: Sequence[T]) -> T:
        return self.draw(st.sampled_from(options))

    def chance(self, one_in: int) -> bool:
        return self.draw(st.integers(0, one_in - 1)) == one_in - 1

    def constant(self, name: str) -> str:
        self.used.add(name)
        return name

    # Structure

    def view(self, resource_type: str) -> Json:
        view: Json = {
            "resourceType": "ViewDefinition",
            "name": "v",
            "status": "active",
            "resource": resource_type,
        }
        count = self.draw(st.integers(1, 2))
        view["select"] = [self.select(resource_type, depth=2) for _ in range(count)]
        where = [{"path": self.boolean(resource_type, 2)} for _ in range(self.draw(st.integers(0, 1)))]
        if where:
            view["where"] = where
        if self.used:
            view["constant"] = [
                {"name": name[1:], CONSTANTS[name][0]: CONSTANTS[name][1]} for name in sorted(self.used)
            ]
        return view

    def select(self, focus: str, depth: int) -> Json:
        select, inner = self.iteration(focus)
        wanted = self.draw(st.integers(0 if depth else 1, 3))
        if wanted:
            select["column"] = [self.column(inner, self.new_column()) for _ in range(wanted)]
        if depth and (not wanted or self.chance(3)):
            select["select"] = [self.select(inner, depth - 1)]
        if depth and self.chance(4):
            select["unionAll"] = self.union(inner, depth - 1)
        return select

    def union(self, focus: str, depth: int) -> list[Json]:
        """Branches of the same columns, each with its own iteration; sometimes a branch is a union again."""
        columns = [self.new_column() for _ in range(self.draw(st.integers(1, 2)))]
        return [self.branch(focus, columns, depth) for _ in range(self.draw(st.integers(1, 3)))]

    def branch(self, focus: str, columns: list[Column], depth: int) -> Json:
        select, inner = self.iteration(focus)
        if depth and self.chance(5):
            return {**select, "unionAll": [self.branch(inner, columns, depth - 1) for _ in range(2)]}
        return {**select, "column": [self.column(inner, column) for column in columns]}

    def iteration(self, focus: str) -> tuple[Json, str]:
        """The iterating member of a select, if any, and the type of its focus."""
        kind = self.pick(("", "forEach", "forEachOrNull", "repeat"))
        repeats = REPEATS.get(focus)
        if kind == "repeat" and repeats:
            paths_, type_ = self.pick(repeats)
            return {"repeat": list(paths_)}, type_
        candidates = [path for path in paths(focus, 2) if path.steps]
        if kind in {"", "repeat"} or not candidates:
            return {}, focus
        path = self.decorate(self.pick([p for p in candidates if p.many] or candidates))
        return {kind: path.text}, path.type

    # Columns

    def new_column(self) -> Column:
        self.columns += 1
        kind = self.pick((*CATEGORIES, "row_index"))
        return f"c{self.columns}", kind, kind != "row_index" and self.chance(4)

    def column(self, focus: str, column: Column) -> Json:
        name, kind, collection = column
        if collection:
            path, type_ = self.collection(focus, kind)
            return {"name": name, "path": path, "type": type_, "collection": True}
        if kind == "row_index":
            return {"name": name, "path": "%rowIndex", "type": "integer"}
        return {"name": name, "path": self.value(focus, kind, 2), "type": kind}

    def collection(self, focus: str, kind: str) -> tuple[str, str]:
        found = paths_to(focus, CATEGORIES[kind])
        if not found:
            return self.value(focus, kind, 1), kind
        return self.decorate(self.pick(found)).text, kind

    def value(self, focus: str, kind: str, depth: int) -> str:
        """An expression of a kind with at most one item (but for one in many)."""
        match kind:
            case "boolean":
                return self.boolean(focus, depth)
            case "string":
                return self.string(focus, depth)
            case "integer":
                return self.integer(focus, depth)
            case "decimal":
                return self.decimal(focus, depth)
        return self.temporal(focus, kind)

    # Expressions

    def read(self, focus: str, kind: str, otherwise: Callable[[], str]) -> str:
        """A single value read by path; `otherwise` where the focus has none of that kind."""
        found = paths_to(focus, CATEGORIES[kind])
        return self.single(self.decorate(self.pick(found))) if found else otherwise()

    def single(self, path: Path) -> str:
        if not path.many or self.chance(40):
            return path.text
        return path.text + self.pick((".first()", "[0]", ".last()", ".first().single()", self.index()))

    def index(self) -> str:
        return f"[{self.constant('%one')}]" if self.chance(4) else "[1]"

    def decorate(self, path: Path) -> Path:
        """The path with a filter, an index or a cast on one of its steps."""
        if not path.steps or not self.chance(3):
            return path
        index = self.draw(st.integers(0, len(path.steps) - 1))
        step = path.steps[index]
        suffix = self.pick((".first()", "[0]", ".where(", ".last()", ".where(false)", ".ofType("))
        if suffix == ".where(":
            return path.with_step(
                index, Step(f"{step.text}.where({self.criteria(step.type)})", step.type, step.many)
            )
        if suffix == ".ofType(":
            return path.with_step(index, Step(f"{step.text}.ofType({step.type})", step.type, step.many))
        if index and path.steps[index - 1].many:
            return path.with_step(index, Step(step.text + suffix, step.type, True))
        return path.with_step(index, Step(step.text + suffix, step.type, suffix == ".where(false)"))

    def criteria(self, type_: str) -> str:
        return "$this.exists()" if "." in type_ and not steps(type_) else self.boolean(type_, 0)

    def boolean(self, focus: str, depth: int) -> str:
        options: list[Callable[[], str]] = [
            lambda: self.exists(focus),
            lambda: self.equality(focus),
            lambda: self.read(focus, "boolean", lambda: "true"),
            lambda: self.ordering(focus),
            lambda: self.text_test(focus),
            lambda: self.type_test(focus),
            lambda: f"{self.any_path(focus)}.empty()",
        ]
        if depth:
            options += [
                lambda: f"({self.boolean(focus, depth - 1)}).not()",
                lambda: f"({self.boolean(focus, depth - 1)} and {self.boolean(focus, depth - 1)})",
                lambda: f"({self.boolean(focus, depth - 1)} or {self.boolean(focus, depth - 1)})",
                lambda: self.key_test(focus),
            ]
        return self.pick(options)()

    def any_path(self, focus: str) -> str:
        return self.decorate(self.pick(paths(focus))).text

    def exists(self, focus: str) -> str:
        path = self.decorate(self.pick(paths(focus)))
        return f"{path.text}.exists({self.criteria(path.type) if self.chance(4) else ''})"

    def equality(self, focus: str) -> str:
        """Also of collections with a single value, which are equal only where they have one item."""
        kind = self.pick(("string", "integer", "decimal", "date", "boolean", "instant", "time"))
        found = paths_to(focus, CATEGORIES[kind])
        left = self.decorate(self.pick(found)) if found else None
        if left is None:
            return f"{self.literal('string')} {self.pick(('=', '!='))} {self.literal('string')}"
        text = left.text if self.chance(3) else self.single(left)
        return f"{text} {self.pick(('=', '!='))} {self.literal(kind)}"

    def ordering(self, focus: str) -> str:
        kind = self.pick(("decimal", "integer", "date", "instant", "time", "string"))
        operator = self.pick(("<", ">", "<=", ">="))
        return f"{self.read(focus, kind, lambda: self.literal(kind))} {operator} {self.literal(kind)}"

    def literal(self, kind: str) -> str:
        match kind:
            case "string":
                return self.pick(
                    (quote(self.pick(v.TEXTS)), "'usual'", self.constant("%code"), self.constant("%text"))
                )
            case "integer":
                return self.pick(("0", "1", "42", "(-7)", self.constant("%one")))
            case "decimal":
                return self.pick(("1.0", "0.5", "1.1", "12.345", "0.0000001", "2", self.constant("%half")))
            case "boolean":
                return self.pick(("true", "false", self.constant("%yes")))
        return self.constant({"date": "%day", "instant": "%moment", "time": "%noon"}[kind])

    def text_test(self, focus: str) -> str:
        function = self.pick(("startsWith", "endsWith", "contains"))
        return f"{self.string(focus, 0)}.{function}({self.literal('string')})"

    def type_test(self, focus: str) -> str:
        """`is` on a choice element, which is where views use it; elsewhere on any single item."""
        found = [path for path in paths(focus, 2) if not path.many and path.steps and "ofType(" in path.text]
        path = self.pick(found or [Path((), focus)])
        if not found:
            return "$this.exists()"
        base = path.text.partition(".ofType(")[0]
        return f"({base} is {path.text.partition('.ofType(')[2].partition(')')[0]})"

    def key_test(self, focus: str) -> str:
        key = self.reference_key(focus)
        return f"{key}.exists()" if key else self.exists(focus)

    def reference_key(self, focus: str) -> str | None:
        found = paths_to(focus, frozenset(("Reference",)), 2)
        if not found:
            return None
        return f"{self.single(self.pick(found))}.getReferenceKey({self.pick(('', *v.TYPES[:2]))})"

    def string(self, focus: str, depth: int) -> str:
        options: list[Callable[[], str]] = [
            lambda: self.read(focus, "string", lambda: self.literal("string"))
        ]
        if depth:
            options += [
                lambda: (
                    f"{self.string(focus, depth - 1)}.substring({self.pick(('0', '1', '2', '0, 1', '1, 2'))})"
                ),
                lambda: f"({self.string(focus, depth - 1)} + {self.string(focus, depth - 1)})",
                lambda: f"({self.string(focus, depth - 1)} & {self.string(focus, depth - 1)})",
                lambda: f"({self.integer(focus, depth - 1)}).toString()",
                lambda: f"({self.boolean(focus, depth - 1)}).toString()",
                lambda: self.join(focus),
                lambda: self.key(focus),
                lambda: self.literal("string"),
            ]
        return self.pick(options)()

    def join(self, focus: str) -> str:
        found = paths_to(focus, STRINGS)
        if not found:
            return self.literal("string")
        separator = self.pick(("", "','", "''", "', '"))
        return f"{self.decorate(self.pick(found)).text}.join({separator})"

    def key(self, focus: str) -> str:
        return (
            "getResourceKey()"
            if focus[0].isupper() and focus in REPEATS
            else self.reference_key(focus) or "'k'"
        )

    def integer(self, focus: str, depth: int) -> str:
        options: list[Callable[[], str]] = [
            lambda: self.read(focus, "integer", lambda: "1"),
            lambda: f"{self.any_path(focus)}.count()",
            lambda: self.union_count(focus),
        ]
        if depth:
            options += [
                lambda: (
                    f"({self.integer(focus, depth - 1)} {self.pick('+-*')} {self.integer(focus, depth - 1)})"
                ),
                lambda: f"({self.string(focus, depth - 1)}).toInteger()",
                lambda: f"({self.boolean(focus, depth - 1)}).toInteger()",
            ]
        return self.pick(options)()

    def union_count(self, focus: str) -> str:
        """Two collections of text in one, counted: their order in a union is not defined."""
        found = paths_to(focus, STRINGS)
        if not found:
            return "(1 | 2 | 1).count()"
        return f"({self.pick(found).text} | {self.pick(found).text}).count()"

    def decimal(self, focus: str, depth: int) -> str:
        options: list[Callable[[], str]] = [lambda: self.read(focus, "decimal", lambda: "1.5")]
        if depth:
            options += [
                lambda: f"({self.number(focus, depth)} / {self.number(focus, depth)})",
                lambda: f"({self.decimal(focus, depth - 1)} {self.pick('+-*')} {self.number(focus, depth)})",
                lambda: f"{self.read(focus, 'decimal', lambda: '1.50')}.{self.pick(BOUNDARIES)}",
            ]
        return self.pick(options)()

    def number(self, focus: str, depth: int) -> str:
        return self.integer(focus, depth - 1) if self.chance(2) else self.decimal(focus, depth - 1)

    def temporal(self, focus: str, kind: str) -> str:
        found = paths_to(focus, CATEGORIES[kind])
        if not found:
            return self.literal(kind) if kind in {"date", "instant", "time"} else "{}"
        text = self.single(self.decorate(self.pick(found)))
        return f"{text}.{self.pick(BOUNDARIES)}" if kind != "instant" and self.chance(4) else text


BOUNDARIES = ("lowBoundary()", "highBoundary()")

REPEATS: dict[str, tuple[tuple[tuple[str, ...], str], ...]] = {
    "QuestionnaireResponse": (
        (("item",), "QuestionnaireResponse.item"),
        (("item", "answer.item"), "QuestionnaireResponse.item"),
    ),
    "QuestionnaireResponse.item": (
        (("item",), "QuestionnaireResponse.item"),
        (("item", "answer.item"), "QuestionnaireResponse.item"),
        (("answer.item",), "QuestionnaireResponse.item"),
    ),
    "Patient": ((("extension",), "Extension"), (("contact",), "Patient.contact")),
    "Observation": ((("extension",), "Extension"), (("component",), "Observation.component")),
    "Encounter": ((("extension",), "Extension"),),
    "Condition": ((("extension",), "Extension"),),
}
"""What a `repeat` can follow from a type, with the type it gives."""


def quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
