"""ViewDefinitions over the resources of `support.strategies.resources`, nearly all of them valid.

What the specifications leave open is left out: the order of a union, operators whose precedence differs between
editions of FHIRPath (they are in parentheses). Views that fail do so because there are several values where one
is allowed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

from hypothesis import strategies as st

from support.strategies.expressions import CATEGORIES, CONSTANTS, NOTHING, Expressions
from support.strategies.paths import Occurring, occurring_paths, paths, paths_to
from support.strategies.resources import RESOURCE_TYPES, resource_sets

Json: TypeAlias = dict[str, Any]
Column: TypeAlias = tuple[str, str, bool]
"""Name, kind of value, collection."""

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


class Case(NamedTuple):
    resources: list[Json]
    view: Json


@st.composite
def views(draw: st.DrawFn, resource_type: str) -> Json:
    """A ViewDefinition over one of RESOURCE_TYPES, as JSON."""
    return ViewWriter(draw).view(resource_type)


@st.composite
def cases(draw: st.DrawFn, most_resources: int = 3, careless: bool = False) -> Case:
    """Resources of one type, and a view over them, most of whose paths lead to something.

    A careless view leaves several values where one is allowed.
    """
    resource_type = draw(st.sampled_from(RESOURCE_TYPES))
    found = draw(resource_sets(resource_type, most_resources))
    return Case(found, ViewWriter(draw, occurring_paths(found), careless).view(resource_type))


FAULTS = (
    *("nosuch()", "%nosuch", "$that", "first(1)", "where()", "exists(true, true)", "substring()", "ofType()"),
    *("1 +", "$this.", "($this", "'open", "true)", "$this $this", "@@", "1 ~~ 1", "%", "iif(true, 1"),
)
"""Expressions that are wrong wherever they stand."""


@st.composite
def faulty_cases(draw: st.DrawFn) -> Case:
    """As `cases`, with one of the view's expressions replaced by a fault."""
    found, view = draw(cases(1))
    owner, key = draw(st.sampled_from(list(places(view))))
    owner[key] = draw(st.sampled_from(FAULTS))
    return Case(found, view)


def places(part: Any) -> Iterator[tuple[Any, Any]]:
    """Where the expressions of a view stand: objects and lists, with the key or index in them."""
    for key, value in part.items() if isinstance(part, dict) else enumerate(part):
        if key in EXPRESSIONS:
            yield (value, 0) if isinstance(value, list) else (part, key)
        elif isinstance(value, dict | list):
            yield from places(value)


EXPRESSIONS = ("path", "forEach", "forEachOrNull", "repeat")


class ViewWriter(Expressions):
    """Writes one view; the simplest alternative is always the first, for examples to shrink to."""

    def __init__(self, draw: st.DrawFn, occurring: Occurring = NOTHING, careless: bool = False) -> None:
        super().__init__(draw, occurring, careless)
        self.columns = 0

    def view(self, resource_type: str) -> Json:
        view: Json = {"resourceType": "ViewDefinition", "name": "v", "status": "active"}
        view["resource"] = resource_type
        count = self.draw(st.integers(1, 2))
        view["select"] = [self.select(resource_type, depth=2) for _ in range(count)]
        if self.chance(4):
            view["where"] = [{"path": self.boolean(resource_type, 2)} for _ in range(self.pick((1, 2)))]
        if self.used:
            view["constant"] = [
                {"name": name[1:], CONSTANTS[name][0]: CONSTANTS[name][1]} for name in sorted(self.used)
            ]
        return view

    def select(self, focus: str, depth: int) -> Json:
        select, inner = self.iteration(focus)
        wanted = self.draw(st.integers(0 if depth else 1, 3))
        if wanted:
            select["column"] = [self.column(inner, self.new_column(inner)) for _ in range(wanted)]
        if depth and (not wanted or self.chance(3)):
            select["select"] = [self.select(inner, depth - 1)]
        if depth and self.chance(4):
            select["unionAll"] = self.union(inner, depth - 1)
        return select

    def union(self, focus: str, depth: int) -> list[Json]:
        """Branches of the same columns, each with its own iteration; now and then one is a union again."""
        columns = [self.new_column(focus) for _ in range(self.draw(st.integers(1, 2)))]
        return [self.branch(focus, columns, depth) for _ in range(self.draw(st.integers(1, 3)))]

    def branch(self, focus: str, columns: Sequence[Column], depth: int) -> Json:
        select, inner = self.iteration(focus)
        if depth and self.chance(5):
            return {**select, "unionAll": [self.branch(inner, columns, depth - 1) for _ in range(2)]}
        return {**select, "column": [self.column(inner, column) for column in columns]}

    def iteration(self, focus: str) -> tuple[Json, str]:
        """The iterating member of a select, if any, and the type of its focus."""
        kind = self.pick(("", "", "forEachOrNull", "forEach", "", "repeat"))
        if kind == "repeat" and focus in REPEATS:
            followed, type_ = self.pick(REPEATS[focus])
            return {"repeat": list(followed)}, type_
        candidates = [path for path in paths(focus, 2) if path.steps]
        if kind in {"", "repeat"} or not candidates:
            return {}, focus
        if self.chance(8):
            return {kind: self.pick(("$this", f"where({self.boolean(focus, 1)})"))}, focus
        plural = [path for path in candidates if path.many]
        path = self.decorate(self.pick_path(plural if plural and not self.chance(5) else candidates))
        return {kind: path.text}, path.type

    def new_column(self, focus: str) -> Column:
        self.columns += 1
        kind = self.pick((*self.readable_kinds(focus) * 2, "integer", "boolean", "row_index"))
        return f"c{self.columns}", kind, kind != "row_index" and self.chance(4)

    def column(self, focus: str, column: Column) -> Json:
        name, kind, collection = column
        if kind == "row_index":
            return {"name": name, "path": "%rowIndex", "type": "integer"}
        found = paths_to(focus, CATEGORIES[kind])
        extra = {"collection": True} if collection else {}
        if found and (collection or (self.careless and self.chance(2))):
            path = self.plural(focus, kind)
            return {"name": name, "path": path, "type": kind, **extra}
        return {"name": name, "path": self.value(focus, kind, 2), "type": kind, **extra}
