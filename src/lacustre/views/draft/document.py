"""A draft as a ViewDefinition, and a ViewDefinition as text that is read easily."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lacustre.views.draft.candidates import Candidate
from lacustre.views.draft.names import distinct, snake_case

URL = "https://example.org/ViewDefinition/"
"""What the url of a draft begins with: to be replaced by a place of one's own."""


@dataclass(frozen=True, slots=True)
class DraftFacts:
    """What a draft is of: the type, the FHIR version, the repeating element that gives the rows, if any."""

    resource: str
    fhir_version: str
    for_each: str | None = None

    @property
    def name(self) -> str:
        return snake_case(f"{self.resource}_{self.for_each}" if self.for_each else self.resource)


def draft_document(
    of: DraftFacts, keys: Sequence[Candidate], columns: Sequence[Candidate], constants: Mapping[str, str], said: str
) -> dict[str, Any]:
    """The ViewDefinition with these columns, the keys first; `said` is its description.

    Only those constants are kept that a column uses.
    """
    names = distinct((column.name for column in (*keys, *columns)), snake_case(of.resource))
    written = [_column(name, column) for name, column in zip(names, (*keys, *columns), strict=True)]
    used = {name: value for name, value in constants.items() if any(f"%{name})" in c["path"] for c in written)}
    if of.for_each is None:
        select: list[dict[str, Any]] = [{"column": written}]
    else:
        select = [{"column": written[: len(keys)]}, {"forEach": of.for_each, "column": written[len(keys) :]}]
    constant = [{"name": name, "valueUri": value} for name, value in used.items()]
    return {
        "resourceType": "ViewDefinition",
        "url": f"{URL}{of.name}",
        "name": of.name,
        "title": of.name.replace("_", " ").capitalize(),
        "status": "draft",
        "description": said,
        "fhirVersion": [of.fhir_version],
        "resource": of.resource,
        **({"constant": constant} if constant else {}),
        "select": select,
    }


def _column(name: str, column: Candidate) -> dict[str, Any]:
    said = {"description": f"{column.note[0].upper()}{column.note[1:]}."} if column.note else {}
    return {"name": name, "path": column.path, "type": column.type, **said}


def write_document(document: Mapping[str, Any]) -> str:
    """JSON with each column and each constant on a line of its own."""
    return _written(document, "") + "\n"


def _written(value: Any, indent: str) -> str:
    deeper = f"{indent}  "
    if isinstance(value, Mapping) and not all(map(_is_scalar, value.values())):
        members = [f"{deeper}{_text(name)}: {_written(member, deeper)}" for name, member in value.items()]
        return "{\n" + ",\n".join(members) + f"\n{indent}}}"
    if isinstance(value, list) and not all(map(_is_scalar, value)):
        return "[\n" + ",\n".join(f"{deeper}{_written(item, deeper)}" for item in value) + f"\n{indent}]"
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_text(name)}: {_text(member)}" for name, member in value.items()) + " }"
    return _text(value)


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _is_scalar(value: Any) -> bool:
    return not isinstance(value, Mapping | list)
