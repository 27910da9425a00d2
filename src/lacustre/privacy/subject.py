"""Whose data it is: the resources of a patient's compartment, in every version of the tables that is still there.

The compartment is `lake_patient` and `lake_patients`. A resource that belonged to the patient once and is somebody
else's now counts as the other's. What is read is every data file on disk, also those of old versions and those
that killed writers left, so that resources that were deleted or replaced are known too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from lacustre.errors import InputError, StorageError
from lacustre.fhir.references import parse_reference, patient_key
from lacustre.fhir.shape import Shape
from lacustre.privacy.tokens import MIN_TEXT, Tokens, distinctive
from lacustre.store.delta import LakeTable
from lacustre.store.maintained_table import LOG
from lacustre.store.scan import read_parquet, sql_list, sql_text
from lacustre.store.tenant import TenantStore

_PERSONS = ("Patient", "Practitioner")


@dataclass(frozen=True, slots=True)
class Subject:
    """A patient: `ids` of the compartment's resources by type, and what else identifies the patient.

    `known` says whether there are any but the patient's own id, which is always among them.
    """

    id: str
    ids: Mapping[str, frozenset[str]]
    tokens: Tokens
    known: bool

    @property
    def key(self) -> str:
        return f"Patient/{self.id}"


def mine_sql(patient: str) -> str:
    """The condition of the rows in a patient's compartment."""
    return f"(lake_patient = {sql_text(patient)} OR list_contains(lake_patients, {sql_text(patient)}))"


def patient_of(key: str) -> str:
    """The id in `Patient/id`; raises InputError for anything else."""
    reference = parse_reference(key)
    if reference is None or reference.type != "Patient" or reference.base or reference.version:
        raise InputError("bad_patient", "what is given names no patient", "write Patient/123")
    return reference.id


@dataclass(frozen=True, slots=True)
class OwnRow:
    """A row of a file, by its number from 0, in the patient's compartment; `shared` where it is in others' too."""

    number: int
    id: str
    shared: bool


class Compartment:
    """The rows of a patient's compartment, file by file; each file is read once."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, patient: str) -> None:
        self._connection, self._mine = connection, mine_sql(patient)
        self._known: dict[str, list[OwnRow]] = {}

    def rows(self, uris: Sequence[str]) -> Mapping[str, Sequence[OwnRow]]:
        """The rows of data files of one FHIR table, by URI."""
        new = [uri for uri in uris if uri not in self._known]
        self._known |= {uri: [] for uri in new}
        if new:
            columns = "filename, file_row_number, id, lake_patients IS NOT NULL"
            query = f"SELECT {columns} FROM {same_columns(new, numbered=True)} WHERE {self._mine}"
            for uri, number, one, shared in self._connection.execute(query).fetchall():
                self._known[uri].append(OwnRow(number, one, shared))
        return {uri: self._known[uri] for uri in uris}


def same_columns(uris: Sequence[str], *, numbered: bool = False) -> str:
    """SQL of a relation over files of which only columns are asked for that all of them have, with the same type.

    DuckDB goes by their names, and has not to look at every file before it begins, as it does for `read_parquet`.
    """
    numbers = ", filename = true, file_row_number = true" if numbered else ""
    return f"read_parquet({sql_list(uris)}, hive_partitioning = false{numbers})"


def data_files(tenant: TenantStore, table: LakeTable) -> list[str]:
    """The URIs of all data files below a table's folder, whether a version has them or not."""
    log = f"{table.path}/{LOG}"
    paths = (path for path, _ in tenant.store.walk(table.path))
    return [tenant.store.uri(path) for path in paths if path.endswith(".parquet") and not path.startswith(log)]


def find_subject(
    tenant: TenantStore,
    connection: duckdb.DuckDBPyConnection,
    patient: str,
    compartment: Compartment | None = None,
) -> Subject:
    """Look for a patient's resources; there may be none. Raises StorageError."""
    mine = compartment or Compartment(connection, patient)
    try:
        ever = {name: _ever_mine(tenant, name, mine) for name in tenant.resource_types()}
        words = sorted({patient, *(one for some in ever.values() for one in some)})
        connection.register("ever_mine", pa.table({"id": pa.array(words, pa.string())}))
        others = {name: _of_others(connection, _current(tenant.fhir_table(name)), patient) for name in ever}
        texts, left_out = _texts(tenant, connection, patient)
    except duckdb.Error as error:  # whose text may quote a value
        raise StorageError("storage_failed", f"cannot look for the patient: {type(error).__name__}") from None
    ids = {name: some - others[name] for name, some in ever.items() if some - others[name]}
    known = bool(ids)
    ids["Patient"] = ids.get("Patient", frozenset()) | {patient}
    distinct = {one for some in ids.values() for one in some}
    unique = {one for one in distinct.difference(*others.values()) if distinctive(one)}
    keys = frozenset(f"{name}/{one}" for name, some in ids.items() for one in some)
    number = patient_key(tenant.tenant.name, patient)
    left_out += len(distinct) - len(unique)
    return Subject(patient, ids, Tokens(keys, frozenset(unique), frozenset(texts), number, left_out), known)


def _current(table: LakeTable) -> list[str]:
    snapshot = table.snapshot()
    return snapshot.uris if snapshot else []


def _ever_mine(tenant: TenantStore, resource_type: str, mine: Compartment) -> frozenset[str]:
    """The ids of one type that are or were the patient's."""
    files = mine.rows(data_files(tenant, tenant.fhir_table(resource_type)))
    return frozenset(row.id for rows in files.values() for row in rows)


def _of_others(connection: duckdb.DuckDBPyConnection, current: Sequence[str], patient: str) -> frozenset[str]:
    """Those of the ids, of whatever type, that resources of this table have which are not the patient's."""
    if not current:
        return frozenset()
    condition = f"id IN (SELECT id FROM ever_mine) AND NOT coalesce({mine_sql(patient)}, false)"
    query = f"SELECT id FROM {same_columns(current)} WHERE {condition}"
    return frozenset(one for (one,) in connection.execute(query).fetchall())


def _texts(tenant: TenantStore, connection: duckdb.DuckDBPyConnection, patient: str) -> tuple[set[str], int]:
    """The patient's own words that nobody else has, and how many were left out."""
    files = data_files(tenant, tenant.fhir_table("Patient"))
    query = f"SELECT * FROM {read_parquet(files)} WHERE id = {sql_text(patient)}" if files else ""
    rows = connection.sql(query).to_arrow_table().to_pylist() if query else []
    words = {word for row in rows for word in _words(row)}
    names = {name for row in rows for name in _names(row)}
    kept: set[str] = set()
    for word in words:
        if distinctive(word) and not _others_have(tenant, connection, patient, ["identifier", "telecom"], word):
            kept.add(word)
    for family, given in names:
        if len(family) + len(given) >= MIN_TEXT and not _others_named(tenant, connection, patient, family, given):
            kept |= {f"{family} {given}", f"{given} {family}"}
    asked = len(words) + 2 * len(names)
    return kept, asked - len(kept)


def _words(row: Mapping[str, Any]) -> Iterable[str]:
    for column in ("identifier", "telecom"):
        for entry in row.get(column) or ():
            if entry and entry.get("value"):
                yield entry["value"]


def _names(row: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for name in row.get("name") or ():
        for given in (name or {}).get("given") or ():
            if given and name.get("family"):
                yield name["family"], given


def _others_have(
    tenant: TenantStore, connection: duckdb.DuckDBPyConnection, patient: str, columns: Sequence[str], value: str
) -> bool:
    tests = {
        column: (("value",), f"list_contains(list_transform({column}, lambda entry: entry.value), {sql_text(value)})")
        for column in columns
    }
    return _others(tenant, connection, patient, tests)


def _others_named(
    tenant: TenantStore, connection: duckdb.DuckDBPyConnection, patient: str, family: str, given: str
) -> bool:
    same = f"entry.family = {sql_text(family)} AND list_contains(entry.given, {sql_text(given)})"
    tests = {"name": (("family", "given"), f"len(list_filter(name, lambda entry: {same})) > 0")}
    return _others(tenant, connection, patient, tests)


def _others(
    tenant: TenantStore,
    connection: duckdb.DuckDBPyConnection,
    patient: str,
    tests: Mapping[str, tuple[tuple[str, ...], str]],
) -> bool:
    """Whether another person's row passes one of the tests, each of a column with the fields that it needs."""
    for name in _PERSONS:
        snapshot = tenant.fhir_table(name).snapshot()
        if snapshot is None or not snapshot.files:
            continue
        conditions = [sql for column, (fields, sql) in tests.items() if _has_fields(snapshot.shape, column, fields)]
        if conditions:
            source = f"{read_parquet(snapshot.uris)} WHERE NOT coalesce({mine_sql(patient)}, false)"
            query = f"SELECT 1 FROM {source} AND ({' OR '.join(conditions)}) LIMIT 1"
            if connection.execute(query).fetchall():
                return True
    return False


def _has_fields(shape: Shape, column: str, fields: Sequence[str]) -> bool:
    return set(fields) <= set(shape.get(column, {}))
