"""Where SQLQueries and SQLViews are found: a folder of Library resources and annotated SQL files.

Beside them may lie the ValueSet, ConceptMap and CodeSystem resources that they need, in JSON.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lacustre.errors import Diagnostic, InputError, SqlLibraryError, near
from lacustre.query.annotations import AnnotatedSql, read_annotated_sql
from lacustre.query.library import LIBRARY_TYPES, SqlLibrary
from lacustre.query.library_json import read_library
from lacustre.terminology.resources import RESOURCE_TYPES, Resource
from lacustre.views.json_text import JsonTextError, read_json

SUFFIXES = (".sql", ".json")
MAX_FILE_BYTES = 20_000_000
_KIND = re.compile(rf'"resourceType"\s*:\s*"(?P<kind>Library|{"|".join(RESOURCE_TYPES)})"')
_SQL = re.compile(f"application/sql|{re.escape(LIBRARY_TYPES)}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class QueryFolder:
    """What a folder holds: Libraries, the files that could not be read, and terminology."""

    folder: Path
    libraries: tuple[SqlLibrary, ...]
    faulty: Mapping[Path, SqlLibraryError]
    terminology: tuple[Resource, ...]

    def library(self, name: str) -> SqlLibrary:
        """The Library of a name.

        Raises InputError for an unknown name and for one of several Libraries (to SQL names are the same that differ
        in case alone), SqlLibraryError for a Library at fault.
        """
        found = [library for library in self.libraries if library.name.casefold() == name.casefold()]
        if len(found) > 1:
            message = f"{name} is defined by {' and by '.join(library.source for library in found)}"
            raise InputError("query_defined_twice", message, "rename one of them")
        if found:
            return found[0]
        for path, error in self.faulty.items():
            if path.stem == name:
                raise error
        names = [library.name for library in self.libraries]
        hint = near(name, names) or f"`lacustre queries list` lists them; a file ends in {' or '.join(SUFFIXES)}"
        if any(path.stem == name for path in starter_queries().rglob("*.sql")):
            hint = f"it is a starter query, and {self.folder} stands in their place: --queries {starter_queries()}"
        raise InputError("unknown_query", f"there is no query {name!r} in {self.folder}", hint)


def starter_queries() -> Path:
    """The folder of the starter queries: inside the installed package, or of the source tree."""
    package = Path(__file__).parents[1]
    installed = package / "queries"
    return installed if installed.is_dir() else package.parents[1] / "queries"


def default_queries() -> Path:
    """`./queries` where there is one, else the starter queries."""
    here = Path("queries")
    return here if here.is_dir() else starter_queries()


def read_query_folder(folder: Path, *, deep: bool = True) -> QueryFolder:
    """Read the files of a folder, and those of the folders in it where it is `deep`.

    Other JSON is left alone. Raises InputError for a missing folder.
    """
    if not folder.is_dir():
        raise InputError("no_queries", f"{folder} is not a folder", "give a folder of SQL files and Library resources")
    libraries: list[SqlLibrary] = []
    faulty: dict[Path, SqlLibraryError] = {}
    terminology: list[Resource] = []
    paths = folder.rglob("*") if deep else folder.glob("*")
    for path in sorted(path for path in paths if path.suffix in SUFFIXES and path.is_file()):
        try:
            found = _read(path)
        except SqlLibraryError as error:
            faulty[path] = error
            continue
        if isinstance(found, SqlLibrary):
            libraries.append(found)
        elif found is not None:
            terminology.append(found)
    libraries.sort(key=lambda library: library.name)
    return QueryFolder(folder, tuple(libraries), faulty, tuple(terminology))


def _read(path: Path) -> SqlLibrary | Resource | None:
    """The Library or terminology resource of a file; None for other JSON, which may be data of any size."""
    if path.suffix == ".sql":
        return read_sql_file(path).library
    text = read_text(path)
    kind = _KIND.search(text)
    if kind is None or (kind["kind"] == "Library" and not _SQL.search(text)):
        return None
    try:
        document = read_json(text)
    except JsonTextError as error:
        fault = Diagnostic("library_not_json", error.message, error.pointer, hint=error.hint)
        raise SqlLibraryError([fault], str(path)) from error
    resource = document if isinstance(document, dict) else {}
    if resource.get("resourceType") == "Library":
        return read_library(text, str(path), path.stem)
    return resource if resource.get("resourceType") in RESOURCE_TYPES else None


def read_library_file(path: Path) -> SqlLibrary:
    """The Library in a `.json` file, or that of an annotated `.sql` file; raises InputError, SqlLibraryError."""
    if path.suffix == ".sql":
        return read_sql_file(path).library
    return read_library(read_text(path), str(path), path.stem)


def read_sql_file(path: Path) -> AnnotatedSql:
    """The Library that an annotated SQL file makes, with the warnings; raises InputError, SqlLibraryError."""
    return read_annotated_sql(read_text(path), str(path), path.name)


def read_text(path: Path) -> str:
    """The text of a file in UTF-8; raises InputError where it cannot be read, SqlLibraryError where it is no text."""
    try:
        data = path.read_bytes() if path.stat().st_size <= MAX_FILE_BYTES else None
    except OSError as error:
        raise InputError(
            "no_queries", f"{path} cannot be read: {error.strerror}", "give a .sql or .json file"
        ) from error
    if data is None:
        raise SqlLibraryError(
            [Diagnostic("file_too_large", f"the file has more than {MAX_FILE_BYTES} bytes")], str(path)
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        fault = Diagnostic("file_not_utf8", f"the byte at {error.start} is not UTF-8", hint="save the file as UTF-8")
        raise SqlLibraryError([fault], str(path)) from error
