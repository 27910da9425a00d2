"""The FHIRPath test suite on the real path: its inputs are loaded into a lake, each expression is a view."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from lacustre.errors import ViewDefinitionError
from lacustre.fhir.shape import Shape
from lacustre.query.session import open_session
from lacustre.store.load import LoadOptions, load_source
from lacustre.store.objects import ObjectStore
from lacustre.store.tenant import TenantStore
from lacustre.tenancy import RequestedSettings, TenantId
from lacustre.views.builds.part_session import runtime_fault
from lacustre.views.compile import compile_view
from lacustre.views.fhirpath_cases import PathResult, Values, judge_case, read_cases
from lacustre.views.model import parse_view


def run_fhirpath_cases(path: Path, fhir_version: str = "4.0.1", groups: Collection[str] = ()) -> Iterator[PathResult]:
    """The results of the cases of a YAML file, or of some of its groups; its inputs are in `resources` beside it.

    Raises InputError where PyYAML is not installed.
    """
    cases = [case for case in read_cases(path) if not groups or case.group in groups]
    inputs = {file.name: json.loads(file.read_bytes()) for file in sorted((path.parent / "resources").glob("*.json"))}
    with tempfile.TemporaryDirectory(prefix="lacustre-fhirpath-") as folder:
        runner = _Runner(_loaded(Path(folder), inputs, fhir_version), inputs)
        for case in cases:
            yield judge_case(case, runner.run)


def _loaded(folder: Path, inputs: Mapping[str, Any], fhir_version: str) -> TenantStore:
    """A lake with the inputs."""
    source = folder / "resources.ndjson"
    source.write_text("".join(f"{json.dumps(resource)}\n" for resource in inputs.values()), encoding="utf-8")
    tenant = TenantStore(ObjectStore(f"{folder}/lake"), TenantId("conformance"))
    load_source(tenant, [str(source)], LoadOptions(RequestedSettings(fhir_version), max_rejects=0.0))
    return tenant


@dataclass(frozen=True, slots=True)
class _Table:
    """Of an input: its resource type, its id and the shape of the table that holds it."""

    resource: str
    id: str
    shape: Shape


class _Runner:
    """Evaluates expressions on the inputs, by compiled SQL over the tables of one session."""

    def __init__(self, tenant: TenantStore, inputs: Mapping[str, Any]) -> None:
        self._model = tenant.model
        self._session = open_session(tenant)
        self._tables = {name: self._table(tenant, resource) for name, resource in inputs.items()}

    def _table(self, tenant: TenantStore, resource: Mapping[str, Any]) -> _Table:
        snapshot = tenant.fhir_table(resource["resourceType"]).snapshot()
        return _Table(resource["resourceType"], resource["id"], snapshot.shape if snapshot else {})

    def run(self, expression: str, input_name: str) -> Values:
        """The values of an expression; a quantity, which no column holds, is put out by its toString()."""
        try:
            return self._values(expression, input_name)
        except ViewDefinitionError as error:
            if "cannot hold a Quantity" not in error.message:
                raise
        return self._values(f"({expression}).toString()", input_name)

    def _values(self, expression: str, input_name: str) -> Values:
        table = self._tables[input_name]
        view = {
            "name": "expression",
            "resource": table.resource,
            "where": [{"path": f"id = '{table.id}'"}],
            "select": [{"column": [{"name": "found", "path": expression, "collection": True}]}],
        }
        compiled = compile_view(parse_view(view), self._model, table.shape)
        try:
            ((values,),) = self._session.execute(compiled.sql).fetchall()
        except duckdb.Error as error:
            raise runtime_fault(compiled.name, error) from error
        return compiled.columns[0].type, values
