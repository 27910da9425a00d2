"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from lacustre.views.types import Typing

LakeOption = Annotated[
    str | None,
    typer.Option("--lake", help="Folder or s3:// URI of the lake.  [default: $LACUSTRE_LAKE, then ./lake]"),
]
TenantOption = Annotated[
    str | None,
    typer.Option("--tenant", help="The establishment whose data it is.  [default: $LACUSTRE_TENANT, then default]"),
]
DefinitionsOption = Annotated[
    Path | None,
    typer.Option("--definitions", help="Folder of ViewDefinitions.  [default: ./view_definitions, or the starter set]"),
]
TypesOption = Annotated[
    Literal["spec", "native"],
    typer.Option(
        "--types", help="Dates, times and decimals as text, as the specification maps them, or as SQL has them."
    ),
]
PartialDatesOption = Annotated[
    Literal["null", "start"],
    typer.Option("--partial-dates", help="What a partial date becomes in a native column: null, or its first moment."),
]


def typing_of(types: Literal["spec", "native"], partial_dates: Literal["null", "start"]) -> Typing:
    """The two options as what a build takes."""
    return Typing(types, partial_dates)
