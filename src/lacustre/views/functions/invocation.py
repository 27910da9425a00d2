"""A call of a FHIRPath function with what it stands on: sources and arguments of the kinds that it takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from lacustre.fhirpath import ast
from lacustre.views.ir import (
    Value,
)
from lacustre.views.navigation import RefusedError
from lacustre.views.types import UNKNOWN, Kind, kind_of

if TYPE_CHECKING:
    from lacustre.views.expressions import Binder, Scope


@dataclass(frozen=True, slots=True)
class Invocation:
    """A call with the value it stands on."""

    binder: Binder
    source: Value
    call: ast.Call
    scope: Scope

    def single(self, *kinds: Kind) -> Value:
        """The source where the function stands on one item, of one of these kinds if any are given."""
        found = self.binder.single(self.source, self.scope)
        self._check_kind(found, kinds, None)
        return found

    def argument(self, index: int, *kinds: Kind) -> Value:
        """An argument, evaluated on the focus of the call: one item, of one of these kinds."""
        node = self.call.arguments[index]
        found = self.binder.single(self.binder.bind(node, self.scope), self.scope)
        self._check_kind(found, kinds, node.span)
        return found

    def collection(self, index: int) -> Value:
        """An argument of any number of items, evaluated on the focus of the call."""
        return self.binder.bind(self.call.arguments[index], self.scope)

    def type_argument(self) -> str:
        """The type that the argument names: `Quantity`, `FHIR.Quantity`."""
        steps: list[str] = []
        node: ast.Expression | None = self.call.arguments[0]
        while isinstance(node, ast.Member):
            steps.insert(0, node.name)
            node = node.source
        if node is not None:
            raise self.refused_argument("type_argument", f"{self.call.name}() takes the name of a type")
        return ".".join(steps)

    def refused_argument(self, code: str, message: str, hint: str | None = None) -> RefusedError:
        return RefusedError(code, message, hint, self.call.arguments[0].span)

    def _check_kind(self, value: Value, kinds: tuple[Kind, ...], span: ast.Span | None) -> None:
        found = kind_of(value.type)
        if value.type == UNKNOWN or not kinds or found in kinds:
            return
        place = "stands on" if span is None else "takes"
        wanted = " or ".join("string" if kind == "text" else kind for kind in kinds)
        hint = "toString() first" if "text" in kinds and found != "complex" else None
        message = f"{self.call.name}() {place} a {wanted}, not a {value.type}"
        raise RefusedError("type_mismatch", message, hint, span)


WRITTEN_AS_TEXT: frozenset[Kind] = frozenset({"text", "decimal", "date", "dateTime", "instant", "time", "integer64"})
"""Kinds that are stored as text, and so are strings already."""

FunctionBinder: TypeAlias = Callable[[Invocation], Value]
