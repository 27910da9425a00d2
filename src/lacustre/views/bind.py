"""ViewDefinition to typed view: every semantic fault of the view is found, and reported at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from math import prod

from lacustre.errors import (
    Diagnostic,
    FhirPathTypeError,
    UnsupportedFunctionError,
    ViewDefinitionError,
)
from lacustre.fhir.model import FhirModel
from lacustre.fhirpath import near_hint
from lacustre.views.ansi import ANSI_TAG, can_hold, known_ansi_types, read_ansi_type
from lacustre.views.bound import BoundColumn, BoundSelect, BoundView, Each, Iteration, Repeat, When
from lacustre.views.definition import Column, FhirPath, Select, ViewDefinition
from lacustre.views.definition import Iteration as PathIteration
from lacustre.views.expressions import Binder, Scope
from lacustre.views.ir import (
    ROOT,
    Choice,
    Literal,
    Nothing,
    RowIndex,
    Single,
    Union,
    Value,
    Variable,
)
from lacustre.views.rewrite import leads_down, unguarded, walk
from lacustre.views.types import (
    CHOICE,
    SPEC,
    UNKNOWN,
    SqlType,
    Typing,
    can_be_put_out,
    default_type,
    fhir_type_of,
    kind_of,
)

MAX_BRANCHES = 400
"""Branches of the SQL union that a view may come to: the product of its sibling unions."""

_UNSUPPORTED = frozenset(
    {"unknown_function", "unsupported_function", "unsupported_operator", "unsupported_literal"}
    | {"unsupported_variable"}
)
_NOT_OF_TYPES = frozenset(
    {"undefined_constant", "fhir_version", "unknown_resource", "union_mismatch", "too_many_branches"} | {"ansi_type"}
)


@dataclass(frozen=True, slots=True)
class Focus:
    """What a select stands on, with the value of `%rowIndex` there and whether a `repeat` is around it."""

    item: Value
    row_index: RowIndex
    in_repeat: bool = False


def bind_view(view: ViewDefinition, model: FhirModel, typing: Typing = SPEC) -> BoundView:
    """The typed form of a view over one FHIR release; what the view says of its types goes before `typing`.

    Raises UnsupportedFunctionError or FhirPathTypeError where all faults are of that kind, else
    ViewDefinitionError; each carries every fault of the view.
    """
    _check_target(view, model)
    return _ViewBinder(view, model, typing).bind()


def _check_target(view: ViewDefinition, model: FhirModel) -> None:
    faults = []
    if view.fhir_versions and not any(_is_version(name, model) for name in view.fhir_versions):
        message = f"the view is for FHIR {', '.join(view.fhir_versions)}, the data are FHIR {model.version}"
        faults.append(Diagnostic("fhir_version", message, "/fhirVersion"))
    if view.resource not in model.resource_types:
        message = f"{view.resource} is not a resource type of FHIR {model.release}"
        hint = near_hint(view.resource, model.resource_types)
        faults.append(Diagnostic("unknown_resource", message, "/resource", hint=hint))
    if faults:
        raise ViewDefinitionError(faults, view.source)


def _is_version(name: str, model: FhirModel) -> bool:
    return name in (model.version, model.release) or model.version.startswith(f"{name}.")


def _error_class(faults: Iterable[Diagnostic]) -> type[ViewDefinitionError]:
    codes = {fault.code for fault in faults}
    if codes <= _UNSUPPORTED:
        return UnsupportedFunctionError
    return ViewDefinitionError if codes & (_UNSUPPORTED | _NOT_OF_TYPES) else FhirPathTypeError


class _ViewBinder:
    def __init__(self, view: ViewDefinition, model: FhirModel, typing: Typing) -> None:
        self._view = view
        self._typing = typing.overridden(view.types, view.partial_dates)
        self._root = Variable(ROOT, view.resource)
        self._binder = Binder(model, self._root, view.constants)
        self._faults = self._binder.faults
        self._warnings: list[Diagnostic] = []

    def bind(self) -> BoundView:
        focus = Focus(self._root, RowIndex(ROOT))
        where = tuple(self._where(clause.path, index) for index, clause in enumerate(self._view.where))
        selects = tuple(self._select(select, focus) for select in self._view.selects)
        if prod(map(_branches, selects)) > MAX_BRANCHES:
            message = f"the unions of the view multiply to more than {MAX_BRANCHES} branches"
            self._faults.append(Diagnostic("too_many_branches", message, "/select"))
        if self._faults:
            faults = tuple(dict.fromkeys(self._faults))
            raise _error_class(faults)(faults, self._view.source)
        return BoundView(self._view.name, self._view.resource, where, selects, self._all_warnings(), self._typing)

    def _all_warnings(self) -> tuple[Diagnostic, ...]:
        return tuple(dict.fromkeys([*self._warnings, *self._binder.warnings]))

    def _scope(self, path: FhirPath, focus: Focus, label: str, *, lenient: bool = False) -> Scope:
        return Scope(path, focus.item, focus.item, focus.row_index, label, lenient)

    def _fault(self, path: FhirPath, code: str, message: str, hint: str | None = None) -> Value:
        self._faults.append(path.fault(code, message, path.tree.span, hint))
        return Nothing(UNKNOWN)

    def _where(self, path: FhirPath, index: int) -> Value:
        scope = self._scope(path, Focus(self._root, RowIndex(ROOT)), f"where {index + 1}")
        value = self._binder.bind_path(scope)
        if value.type not in ("boolean", UNKNOWN):
            found = "a choice of types" if value.type == CHOICE else value.type
            message = f"a where is a boolean, this is {found}"
            return self._fault(path, "where_not_boolean", message, "compare it, or ask exists()")
        return Single(value, scope.label) if value.many else value

    def _select(self, select: Select, focus: Focus) -> BoundSelect:
        iteration: Iteration | None = None
        if select.iteration is not None:
            iteration, focus = self._iteration(select.iteration, focus)
        bound = BoundSelect(
            iteration,
            tuple(self._column(column, focus) for column in select.columns),
            tuple(self._select(nested, focus) for nested in select.selects),
            tuple(self._select(branch, focus) for branch in select.union),
        )
        self._check_union(select, bound)
        return bound

    def _iteration(self, iteration: PathIteration, focus: Focus) -> tuple[Iteration, Focus]:
        if iteration.kind == "repeat":
            return self._repeat(iteration.paths, focus)
        or_null = iteration.kind == "forEachOrNull"
        path = iteration.paths[0]
        source = self._items(path, focus)
        condition, base = unguarded(source)
        if base == self._root:
            return When(condition, or_null), Focus(base, RowIndex(ROOT))
        variable = self._binder.navigator.new_variable("e", source.type)
        return Each(variable, source, or_null), Focus(variable, RowIndex(variable.key), focus.in_repeat)

    def _items(self, path: FhirPath, focus: Focus, *, lenient: bool = False) -> Value:
        source = self._binder.bind_path(self._scope(path, focus, path.pointer, lenient=lenient))
        if source.type == CHOICE:
            message = "the items may be of several types"
            return self._fault(path, "choice_unresolved", message, "add ofType(…)")
        if focus.in_repeat and any(isinstance(part, RowIndex) for part in walk(source)):
            message = "%rowIndex is not supported in a path below a repeat"
            return self._fault(path, "unsupported_variable", message)
        return source

    def _repeat(self, paths: tuple[FhirPath, ...], focus: Focus) -> tuple[Iteration, Focus]:
        seeds = tuple(self._items(path, focus, lenient=True) for path in paths)
        item = self._binder.navigator.new_variable("x", _known_type(seeds))
        below = Focus(item, focus.row_index, in_repeat=True)
        steps = tuple(self._items(path, below, lenient=True) for path in paths)
        self._check_repeat(paths, seeds, steps, item)
        variable = self._binder.navigator.new_variable("e", item.type)
        return Repeat(variable, seeds, item, steps), Focus(variable, RowIndex(variable.key), in_repeat=True)

    def _check_repeat(
        self, paths: tuple[FhirPath, ...], seeds: tuple[Value, ...], steps: tuple[Value, ...], item: Variable
    ) -> None:
        types = dict.fromkeys(value.type for value in (*seeds, *steps) if value.type != UNKNOWN)
        for path, seed, step in zip(paths, seeds, steps, strict=True):
            if seed.type == step.type == UNKNOWN:
                message = "the path leads nowhere"
                self._warnings.append(path.fault("repeat_path_empty", message, path.tree.span))
            elif not leads_down(step, item):
                message = "the path does not lead to elements of its item, so it would never end"
                self._fault(path, "repeat_endless", message, "begin with an element of the item")
        if len(types) > 1:
            message = f"the paths of a repeat lead to one type, not to {' and '.join(types)}"
            self._fault(paths[0], "repeat_types", message)
        for type_ in types:
            if kind_of(type_) != "complex":
                self._fault(paths[0], "repeat_types", f"a repeat runs over elements, not over {type_} values")

    def _column(self, column: Column, focus: Focus) -> BoundColumn:
        scope = self._scope(column.path, focus, f"column {column.name}")
        value = self._binder.bind_path(scope)
        type_ = self._column_type(column, value)
        if value.many and not column.collection:
            if _least_items(value) > 1:
                hint = "set collection to true, or take first()"
                value = self._fault(column.path, "collection_not_single", "the path yields several values", hint)
            else:
                value = Single(value, scope.label, valued=True)
        sql = self._sql_type(column, value, type_)
        return BoundColumn(column.name, value, type_, sql, column.collection, column.description, column.tags)

    def _column_type(self, column: Column, value: Value) -> str:
        declared = column.type
        if declared is not None and not self._is_known(declared):
            message = f"{declared} is not a FHIR type"
            self._faults.append(Diagnostic("unknown_type", message, f"{column.pointer}/type"))
            return declared
        if isinstance(value, Choice) or value.type == CHOICE:
            self._fault(column.path, "choice_unresolved", "the value may be of several types", "add ofType(…)")
        elif value.type != UNKNOWN and kind_of(value.type) == "complex":
            hint = "select its elements"
            self._fault(column.path, "complex_column", f"a column cannot hold a {value.type}", hint)
        elif declared is not None and not _fits(value, declared):
            hint = f"declare {value.type}"
            self._fault(column.path, "column_type", f"the path yields {value.type}, not {declared}", hint)
        return declared or fhir_type_of(value.type) or "string"

    def _sql_type(self, column: Column, value: Value, type_: str) -> SqlType:
        """The SQL type of a column's values: that of its tag `ansi/type`, else that of its FHIR type."""
        default = default_type(type_, self._typing.mode)
        tagged = {tag.value: tag.pointer for tag in column.tags if tag.name == ANSI_TAG}
        if not tagged:
            return default
        (name, pointer), *others = tagged.items()
        found = read_ansi_type(name)
        if others:
            message = f"{column.name} has several types: {', '.join(tagged)}"
            self._faults.append(Diagnostic("ansi_type", message, others[0][1], hint="keep one tag ansi/type"))
        elif found is None:
            message = f"{name!r} is not a type that a column can have"
            self._faults.append(Diagnostic("ansi_type", message, f"{pointer}/value", hint=known_ansi_types(name)))
        elif kind_of(held := value.type or type_) != "complex" and not can_hold(held, found):
            message = f"values of type {held} cannot be {name}"
            hint = f"leave the tag out for {default.name}, or make another value of it in the path"
            self._faults.append(Diagnostic("ansi_type", message, f"{pointer}/value", hint=hint))
        return found or default

    def _is_known(self, declared: str) -> bool:
        """Whether a declared type is one of the release, or a primitive of another (integer64 in R4)."""
        return kind_of(declared) != "complex" or self._binder.navigator.model.has_type(declared.partition(".")[0])

    def _check_union(self, select: Select, bound: BoundSelect) -> None:
        if not bound.union:
            return
        first = list(bound.union[0].output())
        for branch, definition in zip(bound.union[1:], select.union[1:], strict=True):
            for expected, found in zip(first, branch.output(), strict=True):
                if expected.sql_type != found.sql_type:
                    types = f"{_described(found)} here, {_described(expected)} in the first branch"
                    message = f"{found.name} is {types}"
                    self._faults.append(Diagnostic("union_mismatch", message, definition.pointer))


def _fits(value: Value, declared: str) -> bool:
    """Whether a value fits a column's type; FHIRPath has no literal of type instant, so a full dateTime is one."""
    is_moment = isinstance(value, Literal) and value.type == "dateTime" and len(str(value.value)) > len("2000-01-01")
    return can_be_put_out(value.type, declared) or (is_moment and declared == "instant")


def _known_type(values: Iterable[Value]) -> str:
    return next((value.type for value in values if value.type != UNKNOWN), UNKNOWN)


def _least_items(value: Value) -> int:
    """How many items a value has at the least, as far as can be said without data."""
    if isinstance(value, Literal):
        return 1
    operands = value.operands if isinstance(value, Union) else ()
    return len({_identity(operand) for operand in operands if isinstance(operand, Literal)})


def _identity(literal: Literal) -> object:
    """The same for literals that `|` may take for one; moments with a time of day and quantities may all be equal."""
    text = str(literal.value)
    match kind_of(literal.type):
        case "integer" | "integer64" | "decimal":
            return Decimal(text)
        case "quantity":
            return "quantity"
        case "time":
            return text.rstrip("0").rstrip(".") if "." in text else text
        case "dateTime" | "instant":
            return text if len(text) <= len("2000-01-01") else "T"
        case _:
            return literal.value


def _branches(select: BoundSelect) -> int:
    nested = prod(map(_branches, select.selects))
    return nested * (sum(map(_branches, select.union)) if select.union else 1)


def _described(column: BoundColumn) -> str:
    found = f"a collection of {column.type}" if column.collection else f"a {column.type}"
    return f"{found} ({column.sql_type})"
