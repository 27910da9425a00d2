"""Syntax trees to typed values: names, literals and operators. Functions are in `functions`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import assert_never

from lacustre.errors import Diagnostic, InputError
from lacustre.fhir.model import FhirModel
from lacustre.fhirpath import ast, near_hint
from lacustre.views.arithmetic import bind_arithmetic, negate
from lacustre.views.definition import Constant, FhirPath
from lacustre.views.equality import unite
from lacustre.views.functions import Invocation, bind_function
from lacustre.views.functions.quantities import bind_quantity
from lacustre.views.ir import (
    TRUE,
    Exists,
    Guard,
    Literal,
    Logic,
    Nothing,
    Pick,
    Single,
    Value,
    Variable,
)
from lacustre.views.items import Resolved
from lacustre.views.navigation import Navigator, RefusedError, nothing_of, refuse_choice, unresolved
from lacustre.views.operators import bind_comparison, bind_equality, bind_equivalence, bind_logic, bind_membership
from lacustre.views.rewrite import size_of, walk
from lacustre.views.types import CHOICE, UNKNOWN, kind_of

_SYSTEMS = {
    "ucum": "http://unitsofmeasure.org",
    "sct": "http://snomed.info/sct",
    "loinc": "http://loinc.org",
}
MAX_SIZE = 5_000
"""Operations that an expression may come to: a filter on a computed value names that value twice."""

_SIGNED = frozenset({"integer", "integer64", "decimal", "quantity"})
_MAX_INTEGER = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Scope:
    """Where an expression is evaluated.

    `this` is `$this`, `context` what the whole expression stands on, `row_index` the value of `%rowIndex`.
    `label` names the expression in run-time errors. A `lenient` scope takes an unknown element for an empty
    one: the paths of `repeat` stand on items of several types.
    """

    path: FhirPath
    this: Value
    context: Value
    row_index: Value
    label: str
    lenient: bool = False
    index: Value | None = None
    total: Value | None = None

    def on(self, item: Value, index: Value | None, total: Value | None = None) -> Scope:
        """The scope of what is asked of an item at a position; `total` is what came of the items before."""
        return replace(self, this=item, index=index, total=total or self.total)


class Binder:
    """Binds the expressions of one view; collects what is wrong with them in `faults`, and doubts in `warnings`."""

    def __init__(self, model: FhirModel, root: Variable, constants: tuple[Constant, ...]) -> None:
        self.navigator = Navigator(model)
        self.faults: list[Diagnostic] = []
        self.warnings: list[Diagnostic] = []
        self._root = root
        self._constants: Mapping[str, Constant] = {constant.name: constant for constant in constants}

    @property
    def container(self) -> Literal:
        """The type of the rows' resources, by which functions know what local references (`#x`) are of."""
        return Literal("uri", self._root.type)

    def bind_path(self, scope: Scope) -> Value:
        """The value of the scope's expression; where a part is at fault, nothing of unknown type."""
        value = self.bind(scope.path.tree, scope)
        if size_of(value) <= MAX_SIZE:
            return self._without_targets(value, scope)
        message = f"the expression comes to more than {MAX_SIZE} operations"
        self.faults.append(scope.path.fault("expression_too_large", message, scope.path.tree.span))
        return Nothing(UNKNOWN)

    def _without_targets(self, value: Value, scope: Scope) -> Value:
        """`value`, unless it asks of what a reference refers to more than the text tells."""
        if not any(isinstance(part, Resolved) for part in walk(value)):
            return value
        refused = unresolved("the resource")
        self.faults.append(scope.path.fault(refused.code, refused.message, scope.path.tree.span, refused.hint))
        return Nothing(UNKNOWN)

    def bind(self, node: ast.Expression, scope: Scope) -> Value:
        """The value of one node; a fault is noted with its place and stands for an unknown value."""
        try:
            return self._bind(node, scope)
        except RefusedError as refused:
            span = refused.span or _place(node)
            self.faults.append(scope.path.fault(refused.code, refused.message, span, refused.hint))
            return Nothing(UNKNOWN)
        except InputError as error:  # the model has no such type: it is one of FHIRPath's own
            self.faults.append(scope.path.fault(error.code, error.message, _place(node), error.hint))
            return Nothing(UNKNOWN)

    def single(self, value: Value, scope: Scope) -> Value:
        """`value` where one item at most is needed: more is an error when the view runs."""
        refuse_choice(value)
        return Single(value, scope.label) if value.many else value

    def boolean(self, value: Value, scope: Scope) -> Value:
        """A value as an operand of logic: a single item that is no boolean counts as true (FHIRPath §4.5)."""
        single = self.single(value, scope)
        if single.type in ("boolean", UNKNOWN):
            return single
        return Guard(Exists(single), TRUE)

    def _bind(self, node: ast.Expression, scope: Scope) -> Value:
        match node:
            case ast.Literal() | ast.Quantity() | ast.EmptySet() | ast.Constant() | ast.Special():
                found = self._bind_leaf(node, scope)
            case ast.Member():
                found = self._bind_member(node, scope)
            case ast.Call():
                found = self._bind_call(node, scope)
            case ast.Indexer():
                found = self._bind_indexer(node, scope)
            case ast.Polarity():
                found = self._bind_polarity(node, scope)
            case ast.Binary():
                found = self._bind_binary(node, scope)
            case ast.Chain():
                found = self._bind_chain(node, scope)
            case ast.TypeTest():
                found = self._bind_type_test(node, self.bind(node.operand, scope), scope)
            case _:
                assert_never(node)
        return found

    def _bind_leaf(
        self,
        node: ast.Literal | ast.Quantity | ast.EmptySet | ast.Constant | ast.Special,
        scope: Scope,
    ) -> Value:
        match node:
            case ast.Literal():
                return _bind_literal(node)
            case ast.EmptySet():
                return Nothing(UNKNOWN)
            case ast.Constant():
                return self._bind_constant(node, scope)
            case ast.Special():
                return _bind_special(node, scope)
            case ast.Quantity():
                return bind_quantity(node)
            case _:
                assert_never(node)

    def _bind_constant(self, node: ast.Constant, scope: Scope) -> Value:
        match node.name:
            case "rowIndex":
                return scope.row_index
            case "resource" | "rootResource":
                return self._root
            case "context":
                return scope.context
            case name if name in _SYSTEMS:
                return Literal("uri", _SYSTEMS[name])
            case name if name.startswith(("vs-", "ext-")):
                return Literal("uri", _canonical(name))
            case name:
                constant = self._constants.get(name)
        if constant is None:
            hint = near_hint(name, [*self._constants, "rowIndex", "resource", "context"])
            raise RefusedError("undefined_constant", f"no constant %{name} is defined", hint)
        return Literal(constant.type, constant.value)

    def _bind_member(self, node: ast.Member, scope: Scope) -> Value:
        source = scope.this if node.source is None else self.bind(node.source, scope)
        if node.source is None and self._names_type_of(source, node.name):
            return source
        try:
            return self.navigator.member(source, node.name)
        except RefusedError as refused:
            if scope.lenient and refused.code == "unknown_element":
                return Nothing(UNKNOWN)
            raise

    def _names_type_of(self, value: Value, name: str) -> bool:
        """`Patient.name` on a Patient: a path may start with the type it stands on."""
        model = self.navigator.model
        return name[0].isupper() and value.type not in (UNKNOWN, CHOICE) and model.is_a(value.type, name)

    def _bind_call(self, node: ast.Call, scope: Scope) -> Value:
        source = scope.this if node.source is None else self.bind(node.source, scope)
        return bind_function(Invocation(self, source, node, scope))

    def _bind_indexer(self, node: ast.Indexer, scope: Scope) -> Value:
        source = self.bind(node.source, scope)
        index = self.bind(node.index, scope)
        if index.type == UNKNOWN:
            return nothing_of(source)
        if not isinstance(index, Literal) or kind_of(index.type) != "integer":
            raise RefusedError("index_not_fixed", "an index is an integer or a constant", span=node.index.span)
        position = int(index.value)
        return nothing_of(source) if position < 0 else self.pick(source, position)

    def pick(self, source: Value, index: int) -> Value:
        """The item of `source` at `index` (-1 is the last)."""
        if isinstance(source, Guard):
            return Guard(source.condition, self.pick(source.value, index))
        if not source.many:
            return source if index in (0, -1) else nothing_of(source)
        if source.type == CHOICE:
            return self.navigator.choice_of_one(source, lambda owners: Pick(owners, index))
        return Pick(source, index)

    def _bind_polarity(self, node: ast.Polarity, scope: Scope) -> Value:
        operand = self.single(self.bind(node.operand, scope), scope)
        if operand.type != UNKNOWN and kind_of(operand.type) not in _SIGNED:
            raise RefusedError("type_mismatch", f"`{node.sign}` stands before a number, not a {operand.type}")
        return operand if node.sign == "+" else negate(operand)

    def _bind_binary(self, node: ast.Binary, scope: Scope) -> Value:
        left, right = self.bind(node.left, scope), self.bind(node.right, scope)
        match node.operator:
            case "=" | "!=":
                return bind_equality(self, node, left, right)
            case "~" | "!~":
                return bind_equivalence(self, node, left, right)
            case "<" | "<=" | ">" | ">=":
                return bind_comparison(self, node, left, right, scope)
            case "in" | "contains":
                return bind_membership(self, node, left, right, scope)
            case "xor" | "implies":
                return bind_logic(self, node, left, right, scope)
            case "+" | "-" | "*" | "/" | "&" | "div" | "mod":
                return bind_arithmetic(node, self.single(left, scope), self.single(right, scope))
            case operator:
                message = f"the operator `{operator}` is not supported"
                raise RefusedError("unsupported_operator", message, span=node.operator_span)

    def _bind_chain(self, node: ast.Chain, scope: Scope) -> Value:
        operands = tuple(self.bind(operand, scope) for operand in node.operands)
        if node.operator != "|":
            return Logic(node.operator, tuple(self.boolean(operand, scope) for operand in operands))
        return unite(self.navigator, operands, "`|`")

    def single_or_choice(self, value: Value, scope: Scope) -> Value:
        """As `single`, for the operators that a choice element may stand before."""
        if value.type != CHOICE:
            return self.single(value, scope)
        return self.navigator.choice_of_one(value, lambda owners: Single(owners, scope.label))

    def is_type(self, value: Value, type_: str, scope: Scope) -> Value:
        """Whether the only item of a value is of a type."""
        single = value if value.type == CHOICE else self.single(value, scope)
        return self.single(self.navigator.is_type(single, type_), scope)

    def _bind_type_test(self, node: ast.TypeTest, operand: Value, scope: Scope) -> Value:
        if node.beside is not None:
            message = f"`{node.operator}` beside `{node.beside}` is not supported"
            hint = "set parentheses: editions of FHIRPath differ"
            raise RefusedError("unsupported_operator", message, hint, node.span)
        try:
            if node.operator == "is":
                return self.is_type(operand, node.type_name, scope)
            return self.navigator.of_type(self.single_or_choice(operand, scope), node.type_name)
        except RefusedError as refused:
            raise RefusedError(refused.code, refused.message, refused.hint, node.type_span) from refused


def _bind_special(node: ast.Special, scope: Scope) -> Value:
    found = {"$this": scope.this, "$index": scope.index, "$total": scope.total}[node.name]
    if found is None:
        raise RefusedError("unsupported_variable", f"there is no {node.name} here")
    return found


def _canonical(name: str) -> str:
    """What `%vs-[name]` and `%ext-[name]` stand for (FHIR, §FHIRPath)."""
    prefix, _, rest = name.partition("-")
    kind = "ValueSet" if prefix == "vs" else "StructureDefinition"
    return f"http://hl7.org/fhir/{kind}/{rest}"


def _place(node: ast.Expression) -> ast.Span:
    return node.name_span if isinstance(node, ast.Member | ast.Call) else node.span


def _bind_literal(node: ast.Literal) -> Value:
    match node.kind:
        case "boolean":
            return Literal("boolean", node.text == "true")
        case "integer":
            if int(node.text) > _MAX_INTEGER:
                raise RefusedError("integer_too_large", f"an integer is at most {_MAX_INTEGER}", "write a decimal")
            return Literal("integer", int(node.text))
        case "string" | "decimal" | "date" | "dateTime" | "time":
            return Literal(node.kind, node.text)
        case _:
            assert_never(node.kind)
