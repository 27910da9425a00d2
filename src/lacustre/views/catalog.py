"""Where ViewDefinitions are found: a folder of JSON files, one view a file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from lacustre.errors import FaultyViewsError, InputError, ViewDefinitionError, near
from lacustre.fhir.model import FhirModel
from lacustre.views.compile import check_view
from lacustre.views.definition import ViewDefinition
from lacustre.views.model import load_view
from lacustre.views.types import SPEC, Typing
from lacustre.views.view_source import read_view_source


def starter_views() -> Path:
    """The folder of the starter views: inside the installed package, or of the source tree."""
    package = Path(__file__).parents[1]
    installed = package / "view_definitions"
    return installed if installed.is_dir() else package.parents[1] / "view_definitions"


def default_views() -> Path:
    """`./view_definitions` where there is one, else the starter views."""
    here = Path("view_definitions")
    return here if here.is_dir() else starter_views()


def find_views(folder: Path) -> dict[str, Path]:
    """View name to file, sorted by name; raises InputError for a missing folder and for two views of one name.

    To SQL names are the same that differ in case alone.
    """
    if not folder.is_dir():
        raise InputError(
            "no_view_definitions", f"{folder} is not a folder", "give a folder of ViewDefinition JSON files"
        )
    found: dict[str, Path] = {}
    taken: dict[str, Path] = {}
    for path in sorted(folder.rglob("*.json")):
        name = _name_of(path)
        other = taken.setdefault(name.casefold(), path)
        if other is not path:
            raise InputError("view_defined_twice", f"{name} is defined by {other} and by {path}")
        found[name] = path
    return dict(sorted(found.items()))


def _name_of(path: Path) -> str:
    """The view's name; the file's where it has none or cannot be read, which is told when the view is."""
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return path.stem
    name = document.get("name") if isinstance(document, dict) else None
    return name if isinstance(name, str) else path.stem


def select_views(
    folder: Path, names: Sequence[str], model: FhirModel | None = None, typing: Typing = SPEC
) -> list[ViewDefinition]:
    """The named views of a folder, all of them where no name is given; with a model, each is known to compile.

    Raises InputError for an unknown name, ViewDefinitionError with the faults of all of them.
    """
    found = find_views(folder)
    for name in names:
        if name not in found:
            raise InputError("unknown_view", f"there is no view {name!r} in {folder}", _hint(name, folder, found))
    views, faulty = [], []
    for name in names or found:
        try:
            views.append(_read_view(found[name], model, typing))
        except ViewDefinitionError as error:
            faulty.append(error)
    if faulty:
        raise FaultyViewsError(faulty) if len(faulty) > 1 else faulty[0]
    return views


def _read_view(path: Path, model: FhirModel | None, typing: Typing) -> ViewDefinition:
    view = load_view(path)
    if model is not None:
        try:
            check_view(view, model, typing)
        except ViewDefinitionError as error:
            raise read_view_source(path).placed(error) from None
    return view


def _hint(name: str, folder: Path, found: Iterable[str]) -> str | None:
    path = Path(name)
    if path.is_file():
        return f"say where it is: {path.stem} --definitions {path.parent}"
    if name in find_views(starter_views()):
        return f"it is a starter view, and {folder} stands in their place: --definitions {starter_views()}"
    return near(name, found)
