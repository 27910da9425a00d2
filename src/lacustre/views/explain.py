"""The stages of a compiled view as text to read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, TypeAlias

from lacustre.views import ir, items, records
from lacustre.views.bound import BoundSelect, BoundView, Each, Iteration, Repeat, When
from lacustre.views.compile import CompiledView
from lacustre.views.ir import Value
from lacustre.views.plan import Branch, Keep, Plan, PlannedColumn, Step

Stage: TypeAlias = Literal["ir", "plan", "sql"]


def explain_view(view: CompiledView, stage: Stage) -> str:
    """What one stage of the compiler made of a view."""
    match stage:
        case "ir":
            return explain_bound(view.ir)
        case "plan":
            return explain_plan(view.plan)
        case "sql":
            return view.sql


def explain_bound(view: BoundView) -> str:
    """The typed values of a view, select by select."""
    return "\n".join(_explain_bound(view))


def explain_plan(plan: Plan) -> str:
    """The branches of a plan, each with its steps and columns."""
    return "\n".join(_explain_plan(plan))


def describe(value: Value) -> str:
    """A typed value in a notation close to Python's."""
    return _DESCRIPTIONS[type(value)](value)


def _explain_bound(view: BoundView) -> Iterator[str]:
    yield f"view {view.name} of {view.resource}"
    for condition in view.where:
        yield f"  where {describe(condition)}"
    for select in view.selects:
        yield from _indented(_explain_select(select))


def _explain_select(select: BoundSelect) -> Iterator[str]:
    yield "select" if select.iteration is None else _explain_iteration(select.iteration)
    for column in select.columns:
        many = "*" if column.collection else ""
        yield f"  {column.name}: {column.type}{many} = {describe(column.value)}"
    for nested in select.selects:
        yield from _indented(_explain_select(nested))
    for branch in select.union:
        yield "  union all"
        yield from _indented(_indented(_explain_select(branch)))


def _explain_iteration(iteration: Iteration) -> str:
    match iteration:
        case Each(variable=variable, source=source, or_null=or_null):
            word = "for each or null" if or_null else "for each"
            return f"{word} {variable.key}: {variable.type} in {describe(source)}"
        case When(condition=condition, or_null=or_null):
            return f"{'when or null' if or_null else 'when'} {describe(condition)}"
        case Repeat(variable=variable, seeds=seeds, item=item, steps=steps):
            below = f"below {item.key}: {_listed(steps)}"
            return f"repeat {variable.key}: {variable.type} from {_listed(seeds)}, {below}"


def _explain_plan(plan: Plan) -> Iterator[str]:
    yield f"plan over {plan.resource}"
    for condition in plan.where:
        yield f"  where {describe(condition)}"
    if not plan.branches:
        yield f"  empty, with {', '.join(column.name for column in plan.output)}: the table lacks what is needed"
    for number, branch in enumerate(plan.branches, start=1):
        yield f"  branch {number}"
        yield from _indented(_indented(_explain_branch(branch)))


def _explain_branch(branch: Branch) -> Iterator[str]:
    yield from map(_explain_step, branch.steps)
    yield from map(_explain_column, branch.columns)


def _explain_step(step: Step) -> str:
    if isinstance(step, Keep):
        return f"keep {describe(step.condition)}"
    words = [f"unnest {step.variable.key} in {describe(step.source)}"]
    words += ["or null"] if step.or_null else []
    words += [f"within {step.within}"] if step.within else []
    words += ["indexed"] if step.indexed else []
    return ", ".join(words)


def _explain_column(column: PlannedColumn) -> str:
    value = "null" if column.value is None else describe(column.value)
    return f"{column.name} = {value}" + (f" within {column.within}" if column.within else "")


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"  {line}" for line in lines)


def _listed(values: Iterable[Value]) -> str:
    return ", ".join(map(describe, values))


def _infix(operator: str, operands: Iterable[Value]) -> str:
    return f"({f' {operator} '.join(map(describe, operands))})"


def _shredded(levels: Iterable[records.Level]) -> str:
    return "; ".join(
        f"{level.item.key} in {describe(level.source)} as {{{_fields(level.fields)}}}"
        + (f" then ({_shredded(level.below)})" if level.below else "")
        for level in levels
    )


def _fields(fields: Iterable[records.Field]) -> str:
    return ", ".join(f"{field.name}: {describe(field.value)}" for field in fields)


_DESCRIPTIONS: dict[type[object], Callable[[Any], str]] = {
    ir.Variable: lambda v: v.key,
    ir.RowIndex: lambda v: f"index({v.key})",
    ir.Present: lambda v: f"present({v.key})",
    ir.Literal: lambda v: repr(v.value) if isinstance(v.value, str) else str(v.value).lower(),
    ir.Nothing: lambda _: "{}",
    ir.Member: lambda v: f"{describe(v.source)}.{v.name}",
    ir.Choice: lambda v: f"{describe(v.source)}.{v.element}[x]",
    ir.Map: lambda v: f"[{describe(v.body)} for {v.item.key} in {describe(v.source)}]",
    ir.Filter: lambda v: f"[{v.item.key} in {describe(v.source)} if {describe(v.criteria)}]",
    ir.Guard: lambda v: f"({describe(v.value)} if {describe(v.condition)})",
    ir.Coalesce: lambda v: f"first_of({_listed(v.options)})",
    ir.Pick: lambda v: f"{describe(v.source)}[{v.index}]",
    ir.Single: lambda v: f"single({describe(v.source)})",
    ir.Exists: lambda v: f"{'empty' if v.negated else 'exists'}({describe(v.source)})",
    ir.Count: lambda v: f"count({describe(v.source)})",
    ir.Compare: lambda v: _infix(v.operator, (v.left, v.right)),
    ir.CompareLists: lambda v: _infix("!=" if v.negated else "=", (v.left, v.right)),
    ir.Logic: lambda v: _infix(v.operator, v.operands),
    ir.Not: lambda v: f"not({describe(v.operand)})",
    ir.Arithmetic: lambda v: _infix(v.operator, (v.left, v.right)),
    ir.Negate: lambda v: f"-{describe(v.operand)}",
    ir.Concat: lambda v: _infix("+" if v.strict else "&", v.operands),
    ir.Union: lambda v: _infix("|", v.operands),
    ir.Join: lambda v: f"join({describe(v.source)}, {describe(v.separator)})",
    ir.Apply: lambda v: f"{v.function}({_listed((v.source, *v.arguments))})",
    ir.Split: lambda v: f"split({describe(v.source)}, {describe(v.separator)})",
    ir.Clock: lambda v: f"clock({v.type})",
    items.Position: lambda v: f"position({v.key})",
    items.Total: lambda v: v.key,
    items.Slice: lambda v: f"{describe(v.source)}[{v.start}:{'' if v.end is None else v.end}]",
    items.Combine: lambda v: f"combine({_listed(v.operands)})",
    items.Distinct: lambda v: f"distinct({describe(v.source)} by {describe(v.same)})",
    items.ComparePairs: lambda v: f"{_infix('!=' if v.negated else '=', (v.left, v.right))} by {describe(v.same)}",
    items.Alike: lambda v: f"alike({describe(v.left)}, {describe(v.right)})",
    items.Identical: lambda v: f"identical({describe(v.left)}, {describe(v.right)})",
    items.Choose: lambda v: f"({describe(v.then)} if {describe(v.condition)} else {describe(v.otherwise)})",
    items.Equivalent: lambda v: _infix("~", (v.left, v.right)),
    items.HasValue: lambda v: f"has_value({describe(v.source)})",
    items.Aggregate: lambda v: f"reduce({_listed((v.source, v.initial, v.body))})",
    items.Resolved: lambda v: f"resolved({describe(v.source)})",
    records.Companion: lambda v: f"companion({describe(v.source)})",
    records.Stored: lambda v: f"stored({describe(v.source)})",
    records.Pair: lambda v: f"pair({describe(v.value)}, {describe(v.companion)})",
    records.Zip: lambda v: f"pairs({describe(v.values)}, {describe(v.companions)})",
    records.PairValues: lambda v: f"values({describe(v.source)})",
    records.Walk: lambda v: f"walk({_listed((*v.seeds, *v.steps))})",
    records.Shred: lambda v: f"<{_shredded(v.levels)}>",
}
