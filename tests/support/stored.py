"""Expressions over values that stand in columns: literals would be worked out before any row is read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from support.view_runs import run_view

S, T, U = (f"component[{position}].value.ofType(string)" for position in range(3))
"""Three strings of a resource that `texts` made."""

N, M = (f"component[{position}].value.ofType(Quantity).value" for position in range(2))
"""Two decimals of a resource that `numbers` made."""


def texts(*values: str | None) -> str:
    """An Observation with a string in each component; None is no string."""
    return _observation({} if value is None else {"valueString": json.dumps(value)} for value in values)


def numbers(*lexemes: str | None) -> str:
    """An Observation with a decimal in each component, spelled as given."""
    return _observation({} if text is None else {"valueQuantity": f'{{"value": {text}}}'} for text in lexemes)


def holding(member: str, value: Any) -> str:
    """An Observation with one member."""
    return json.dumps({"resourceType": "Observation", member: value})


def _observation(components: Iterable[Mapping[str, str]]) -> str:
    """The first component is never all there is, so that the column is there in each table."""
    written = (
        "".join([f'"id": "{position}"', *(f', "{name}": {value}' for name, value in component.items())])
        for position, component in enumerate(components)
    )
    return f'{{"resourceType": "Observation", "component": [{", ".join(f"{{{each}}}" for each in written)}]}}'


def found(resources: Sequence[str], *paths: str, zone: str = "UTC", collection: bool = False) -> list[tuple[Any, ...]]:
    """The values of the paths, a tuple for each resource in its order; the resources are of one type."""
    numbered = [json_with_id(resource, position) for position, resource in enumerate(resources)]
    columns = [{"name": "id", "path": "id"}]
    columns += [{"name": f"c{i}", "path": path, "collection": collection} for i, path in enumerate(paths)]  # type: ignore[dict-item]
    type_ = json.loads(resources[0])["resourceType"]
    rows = run_view({"resource": type_, "select": [{"column": columns}]}, numbered, zone=zone)
    by_id = {int(row["id"]): tuple(row[f"c{i}"] for i in range(len(paths))) for row in rows}
    return [by_id[position] for position in range(len(resources))]


def json_with_id(resource: str, position: int) -> str:
    return f'{{"id": "{position}", {resource.strip()[1:]}'
