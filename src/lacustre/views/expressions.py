"""Syntax trees to typed values: names, literals and operators. Functions are in `functions`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import assert_never, cast

from lacustre.errors import Diagnostic
from lacustre.fhir.model import FhirModel
from lacustre.fhirpath import ast, near_hint
from lacustre.views.definition import Constant, FhirPath
from lacustre.views.functions import Invocation, bind_function
from lacustre.views.ir import (
    TRUE,
    Arithmetic,
    ArithmeticOperator,
    Compare,
    CompareLists,
    CompareOperator,
    Concat,
    Exists,
    Guard,
    Literal,
    Logic,
    Negate,
    Nothing,
    Pick,
    Single,
    Union,
    Value,
    Variable,
)
from lacustre.views.navigation import Navigator, RefusedError, nothing_of, refuse_choice
from lacustre.views.rewrite import size_of
from lacustre.views.types import CHOICE, UNKNOWN, Kind, are_comparable, common_type, fhir_type_name, kind_of

_SYSTEMS = {
    "ucum": "http://unitsofmeasure.org",
    "sct": "http://snomed.info/sct",
    "loinc": "http://loinc.org",
}
MAX_SIZE = 5_000
"""Operations that an expression may come to: a filter on a computed value names that value twice."""

_NUMBERS = frozenset({"integer", "integer64", "decimal"})
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

    def on(self, item: Value) -> Scope:
        return replace(self, this=item)


class Binder:
    """Binds the expressions of one view, and collects what is wrong with them in `faults`."""

    def __init__(self, model: FhirModel, root: Variable, constants: tuple[Constant, ...]) -> None:
        self.navigator = Navigator(model)
        self.faults: list[Diagnostic] = []
        self._root = root
        self._constants: Mapping[str, Constant] = {constant.name: constant for constant in constants}

    def bind_path(self, scope: Scope) -> Value:
        """The value of the scope's expression; where a part is at fault, nothing of unknown type."""
        value = self.bind(scope.path.tree, scope)
        if size_of(value) <= MAX_SIZE:
            return value
        message = f"the expression comes to more than {MAX_SIZE} operations"
        self.faults.append(scope.path.fault("expression_too_large", message, scope.path.tree.span))
        return Nothing(UNKNOWN)

    def bind(self, node: ast.Expression, scope: Scope) -> Value:
        """The value of one node; a fault is noted with its place and stands for an unknown value."""
        try:
            return self._bind(node, scope)
        except RefusedError as refused:
            span = refused.span or _place(node)
            self.faults.append(scope.path.fault(refused.code, refused.message, span, refused.hint))
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
            case ast.Special(name="$this"):
                return scope.this
            case ast.Special(name=name):
                raise RefusedError("unsupported_variable", f"{name} is not supported")
            case ast.Quantity():
                raise RefusedError(
                    "unsupported_literal", "quantities are not supported", "compare `.value` and `.code`"
                )
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
            return Nothing(source.type)
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
        if operand.type != UNKNOWN and kind_of(operand.type) not in _NUMBERS:
            raise RefusedError("type_mismatch", f"`{node.sign}` stands before a number, not a {operand.type}")
        if node.sign == "+":
            return operand
        if isinstance(operand, Literal):
            value = operand.value
            return replace(operand, value=_negated(value) if isinstance(value, str) else -value)
        return Negate(operand)

    def _bind_binary(self, node: ast.Binary, scope: Scope) -> Value:
        left, right = self.bind(node.left, scope), self.bind(node.right, scope)
        match node.operator:
            case "=" | "!=":
                return _bind_equality(node, left, right)
            case "<" | "<=" | ">" | ">=":
                _check_ordered(node, left, right)
                operator = cast(CompareOperator, node.operator)
                return Compare(operator, self.single(left, scope), self.single(right, scope))
            case "+" | "-" | "*" | "/" | "&":
                return _bind_arithmetic(node, self.single(left, scope), self.single(right, scope))
            case operator:
                message = f"the operator `{operator}` is not supported"
                raise RefusedError("unsupported_operator", message, span=node.operator_span)

    def _bind_chain(self, node: ast.Chain, scope: Scope) -> Value:
        operands = tuple(self.bind(operand, scope) for operand in node.operands)
        if node.operator != "|":
            return Logic(node.operator, tuple(self.boolean(operand, scope) for operand in operands))
        return _bind_union(operands)

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
        type_ = fhir_type_name(node.type_name)
        try:
            if node.operator == "is":
                return self.is_type(operand, type_, scope)
            return self.navigator.of_type(self.single_or_choice(operand, scope), type_)
        except RefusedError as refused:
            raise RefusedError(refused.code, refused.message, refused.hint, node.type_span) from refused


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


def _negated(decimal: str) -> str:
    return decimal.removeprefix("-") if decimal.startswith("-") else f"-{decimal}"


def _check_comparable(node: ast.Binary, left: Value, right: Value) -> None:
    refuse_choice(left)
    refuse_choice(right)
    if UNKNOWN in (left.type, right.type) or are_comparable(left.type, right.type):
        return
    message, hint = f"{left.type} and {right.type} are not comparable", _literal_hint(left, right)
    for type_ in (left.type, right.type):
        if kind_of(type_) == "complex":
            message, hint = f"values of type {type_} are not compared", "compare its elements"
    raise RefusedError("not_comparable", message, hint, node.operator_span)


def _check_ordered(node: ast.Binary, left: Value, right: Value) -> None:
    _check_comparable(node, left, right)
    if "boolean" in (left.type, right.type):
        raise RefusedError("not_comparable", "booleans have no order", span=node.operator_span)


def _literal_hint(left: Value, right: Value) -> str | None:
    """`'1970-01-01'` where `@1970-01-01` was meant."""
    for literal, other in ((left, right), (right, left)):
        if isinstance(literal, Literal) and literal.type == "string":
            match kind_of(other.type):
                case "date" | "dateTime" | "instant":
                    return f"write @{literal.value}"
                case "time":
                    return f"write @T{literal.value}"
                case "boolean" | "integer" | "decimal":
                    return f"write {literal.value} without quotes"
    return None


def _bind_equality(node: ast.Binary, left: Value, right: Value) -> Value:
    _check_comparable(node, left, right)
    if left.many or right.many:
        return CompareLists(left, right, node.operator == "!=")
    return Compare(cast(CompareOperator, node.operator), left, right)


def _bind_arithmetic(node: ast.Binary, left: Value, right: Value) -> Value:
    kinds = {kind_of(operand.type) for operand in (left, right) if operand.type != UNKNOWN}
    if node.operator in ("+", "&") and kinds == {"text"}:
        return Concat((left, right), strict=node.operator == "+")
    if node.operator == "&" and not kinds:
        return Concat((left, right), strict=False)
    if node.operator != "&" and kinds <= _NUMBERS:
        operator = cast(ArithmeticOperator, node.operator)
        return Arithmetic(_result_type(operator, kinds), operator, left, right)
    types = " and ".join(operand.type or "nothing" for operand in (left, right))
    raise RefusedError("type_mismatch", f"`{node.operator}` does not combine {types}", span=node.operator_span)


def _result_type(operator: ArithmeticOperator, kinds: set[Kind]) -> str:
    if operator == "/" or "decimal" in kinds:
        return "decimal"
    return "integer64" if "integer64" in kinds else "integer"


def _bind_union(operands: tuple[Value, ...]) -> Value:
    type_ = UNKNOWN
    for operand in operands:
        refuse_choice(operand)
        merged = common_type(type_, operand.type)
        if merged is None:
            raise RefusedError("type_mismatch", f"`|` does not combine {type_} and {operand.type}")
        type_ = merged
    if type_ != UNKNOWN and kind_of(type_) == "complex":
        raise RefusedError("unsupported_operator", f"`|` of {type_} values is not supported")
    return Union(type_, operands)
