"""A view over FHIR files without a lake: the real load and the real tables, in a folder that goes away."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lacustre.errors import InputError
from lacustre.fhir.model import load_model
from lacustre.query.results import format_of, require_place, write_result
from lacustre.query.session import run_query
from lacustre.store.load import LoadOptions, Progress, load_source
from lacustre.store.objects import ObjectStore
from lacustre.store.scan import sql_name
from lacustre.store.tenant import TenantStore
from lacustre.tenancy import RequestedSettings, TenantId
from lacustre.views.builds.materialise import build_view
from lacustre.views.builds.misfits import describe_misfits
from lacustre.views.compile import check_view
from lacustre.views.model import load_view
from lacustre.views.types import SPEC, Typing


@dataclass(frozen=True, slots=True)
class Flattened:
    """What was written: rows of a view; `rejected` lines could not be a resource.

    `misfits` says, sentence by sentence, which values did not fit their columns.
    """

    view: str
    rows: int
    rejected: int
    misfits: tuple[str, ...] = ()


def flatten_files(
    view: Path,
    data: Sequence[str],
    to: Path,
    *,
    fhir_version: str = "4.0.1",
    typing: Typing = SPEC,
    progress: Progress | None = None,
) -> Flattened:
    """Write the rows of a view over FHIR files to a .parquet, .csv, .json or .ndjson file.

    Raises ViewDefinitionError before anything is read, InputError, DataError.
    """
    form = format_of(to)
    require_place(to)
    if not view.is_file():
        raise InputError("no_view_definitions", f"{view} is not a file", "give a ViewDefinition, a JSON file")
    definition = load_view(view)
    check_view(definition, load_model(fhir_version), typing)
    with tempfile.TemporaryDirectory(prefix="lacustre-flatten-") as folder:
        tenant = TenantStore(ObjectStore(folder), TenantId("flatten"))
        options = LoadOptions(RequestedSettings(fhir_version), max_rejects=1.0, progress=progress)
        loaded = load_source(tenant, data, options)
        built = build_view(tenant, definition, typing=typing)
        rows = write_result(run_query(tenant, f"FROM main.{sql_name(built.view)}"), to, form)
    types = {column.name: column.sql_type for column in built.columns}
    misfits = tuple(sentence for _, sentence in describe_misfits(built.misfits, types))
    return Flattened(built.view, rows, loaded.total("rejected"), misfits)
