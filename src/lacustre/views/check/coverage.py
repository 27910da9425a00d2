"""What a view asks of a table that the table does not have, and which of its columns are never filled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from lacustre.errors import Diagnostic
from lacustre.fhir.model import FhirModel, FhirType
from lacustre.fhir.shape import Shape
from lacustre.fhirpath import ast, near_names
from lacustre.views.check.definition import CheckedDefinition
from lacustre.views.check.expressions import BoundExpression, nodes
from lacustre.views.check.findings import CheckedColumn, Level
from lacustre.views.definition import FhirPath
from lacustre.views.paths import Path, shape_at

_SHOWN = 8
"""Elements that a hint names."""

Judged = tuple[Level, Diagnostic]


@dataclass(frozen=True, slots=True)
class Absent:
    """An element that no resource of a table has: below which path, its name, and what is there beside it.

    Of a choice element `types` are those that an expression asks for; it is absent where none of them occurs.
    """

    above: Path
    element: str
    types: tuple[str, ...]
    choice: bool
    beside: tuple[str, ...]

    def message(self, resource: str) -> str:
        path = ".".join((*self.above, self.element))
        of_type = f" of type {' or '.join(self.types[:3])}" if self.choice and self.types else ""
        return f"no {resource} of the lake has {path}{of_type}"

    def hint(self) -> str | None:
        """What there is instead; of a table, which has many elements, only what has a like name."""
        if not self.beside:
            return None
        where = f"`{'.'.join(self.above)}`" if self.above else "the table"
        return f"{where} has {_listed(self.beside)}"


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")


def absent_elements(reads: Iterable[Path], resource: str, shape: Shape, model: FhirModel) -> tuple[Absent, ...]:
    """The elements of these JSON paths that no resource of the shape has, the shortest paths first."""
    asked: dict[tuple[Path, str], list[str]] = {}
    for path in sorted(reads, key=lambda path: (len(path), path)):
        for index, name in enumerate(path):
            above = path[:index]
            members = asked.setdefault((above, _element_of(above, name, resource, model)), [])
            if name not in members:
                members.append(name)
            if name not in shape_at(above, shape):
                break
    return tuple(
        _absent(above, element, tuple(members), shape_at(above, shape), resource, model)
        for (above, element), members in asked.items()
        if not any(name in shape_at(above, shape) for name in members)
    )


def _element_of(above: Path, member: str, resource: str, model: FhirModel) -> str:
    owner = _type_at(above, resource, model)
    return owner.members[member][0].name if owner and member in owner.members else member


def _absent(
    above: Path, element: str, members: tuple[str, ...], there: Shape, resource: str, model: FhirModel
) -> Absent:
    owner = _type_at(above, resource, model)
    if owner is None or element not in owner.elements:
        return Absent(above, element, (), False, _near(element, above, there))
    known = owner.elements[element]
    if not known.choice:
        return Absent(above, element, (), False, _near(element, above, there))
    others = tuple(f"{element}.ofType({type_})" for name, type_ in known.json_names if name in there)
    types = tuple(owner.members[name][1] for name in members if not name.startswith("_"))
    return Absent(above, element, types, True, others or _near(element, above, there))


def _near(element: str, above: Path, there: Shape) -> tuple[str, ...]:
    """What there is, the names that are like the one that is not there first."""
    names = [name for name in there if not name.startswith("_") and name != "id"]
    near = near_names(element, names)
    return (*near, *(name for name in names if name not in near)) if above else near


def _type_at(path: Path, resource: str, model: FhirModel) -> FhirType | None:
    found = model.type(resource)
    for name in path:
        if name not in found.members:
            return None
        found = model.type(found.members[name][1])
    return found


def check_coverage(
    checked: CheckedDefinition, columns: Mapping[str, CheckedColumn], rows: int, shape: Shape, model: FhirModel
) -> Iterator[Judged]:
    """What is said of expressions and columns that the data do not fill.

    A select whose items never occur is named once, its columns are not.
    """
    assert checked.view is not None
    resource = checked.view.resource
    silent: list[str] = []
    empty = rows == 0
    if empty:
        message = f"the view has no row, of the {resource} resources that there are"
        yield "warning", Diagnostic("view_without_rows", message, "/name", hint="look at its where and forEach")
    for expression in checked.expressions:
        absent = absent_elements(expression.reads, resource, shape, model)
        if any(expression.path.pointer.startswith(pointer) for pointer in silent):
            continue
        if expression.iteration is not None and absent:
            silent.append(f"{expression.iteration[1].pointer}/")
            yield "warning", _never_iterated(expression, absent[0], resource)
        elif expression.column is not None:
            yield from _judge_column(expression, absent, columns, resource, counted=not empty)
        else:
            yield from (
                ("warning" if empty else "note", _path_absent(expression.path, one, resource)) for one in absent
            )


def _never_iterated(expression: BoundExpression, absent: Absent, resource: str) -> Diagnostic:
    assert expression.iteration is not None
    kind = expression.iteration[0]
    effect = "its columns are null" if kind == "forEachOrNull" else "it gives no row"
    return _fault(expression.path, "select_never_filled", f"{absent.message(resource)}: {effect}", absent)


def _judge_column(
    expression: BoundExpression,
    absent: tuple[Absent, ...],
    columns: Mapping[str, CheckedColumn],
    resource: str,
    *,
    counted: bool,
) -> Iterator[Judged]:
    assert expression.column is not None
    name = expression.column[0].name
    never = counted and columns[name].filled == 0
    if never and absent:
        yield (
            "warning",
            _fault(
                expression.path,
                "column_never_filled",
                f"{name} is never filled: {absent[0].message(resource)}",
                absent[0],
            ),
        )
    elif never:
        message = f"{name} is never filled, though the data have what its path names"
        hint = "look at the criteria of its path"
        yield "warning", expression.path.fault("column_never_filled", message, expression.path.tree.span, hint)
    else:
        yield from (("note", _path_absent(expression.path, one, resource)) for one in absent)


def _path_absent(path: FhirPath, absent: Absent, resource: str) -> Diagnostic:
    return _fault(path, "path_never_filled", absent.message(resource), absent)


def _fault(path: FhirPath, code: str, message: str, absent: Absent) -> Diagnostic:
    return path.fault(code, message, _span_of(path, absent), absent.hint())


def _span_of(path: FhirPath, absent: Absent) -> ast.Span:
    """The step that the expression takes to the absent element; the whole where it takes none by that name."""
    for node in nodes(path.tree):
        if isinstance(node, ast.Member) and node.name == absent.element:
            return node.name_span
    return path.tree.span
