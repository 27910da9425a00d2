"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
