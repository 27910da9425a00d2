"""The official SQL on FHIR cases on the real path: load, Delta tables, built view, SQL."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lacustre.errors import InputError
from lacustre.query.session import run_query
from lacustre.store.load import LoadOptions, load_source
from lacustre.store.objects import ObjectStore
from lacustre.store.scan import sql_name
from lacustre.store.tenant import TenantStore
from lacustre.tenancy import RequestedSettings, TenantId
from lacustre.views.builds.materialise import build_view
from lacustre.views.conformance import Outcome, Result, Suite, read_suites, run_suite
from lacustre.views.model import parse_view


def run_conformance(folder: Path, fhir_version: str = "4.0.1") -> Iterator[tuple[Result, ...]]:
    """The results of each file of cases in a folder, in the order of names.

    Raises InputError where there are no files of cases.
    """
    suites = read_suites(folder)
    if not suites:
        raise InputError("no_cases", f"{folder} has no files of cases", "give the folder with the official tests")
    for suite in suites:
        with _loaded(suite, fhir_version) as tenant:
            yield run_suite(suite, lambda view, _, tenant=tenant: run_case_view(tenant, view))  # type: ignore[misc]


@contextmanager
def _loaded(suite: Suite, fhir_version: str) -> Iterator[TenantStore]:
    """A lake with the suite's resources."""
    with tempfile.TemporaryDirectory(prefix="lacustre-conformance-") as folder:
        source = Path(folder) / "resources.ndjson"
        lines = (f"{_with_id(text, number)}\n" for number, text in enumerate(suite.resources))
        source.write_text("".join(lines), encoding="utf-8")
        tenant = TenantStore(ObjectStore(f"{folder}/lake"), TenantId("conformance"))
        load_source(tenant, [str(source)], LoadOptions(RequestedSettings(fhir_version), max_rejects=0.0))
        yield tenant


def _with_id(resource: str, number: int) -> str:
    """The resource with an id of its own where the case gives none: a lake needs a key."""
    if "id" in json.loads(resource):
        return resource
    return f'{{"id":"resource-{number}",{resource.removeprefix("{")}'


def run_case_view(tenant: TenantStore, view: Mapping[str, Any]) -> Outcome:
    """The rows of a case's view; raises LacustreError where the view or the data forbid it."""
    built = build_view(tenant, parse_view(view))
    rows: Sequence[Sequence[object]] = run_query(tenant, f"FROM main.{sql_name(built.view)}").fetchall()
    return Outcome(tuple((column.name, column.type) for column in built.columns), rows)
