"""Bit flips: one bit of one file of a lake is turned over, anywhere in it.

`verify` names that file and no other; and where it is a file of rows, a query that reads it fails with its name.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from lacustre import Lake
from lacustre.errors import StorageError
from lacustre.store.verify import verify
from support.lived_in import lived_in_lake, tenant_of
from support.stored_files import flip

pytestmark = pytest.mark.faults("bit flips")

Tally: TypeAlias = Callable[[int, int], None]

FLIPS = 60
KINDS = {
    "log": ["*/_delta_log/*.json", "fhir/*/_delta_log/*.json"],
    "checkpoint": ["*/_delta_log/*.checkpoint.parquet", "*/_delta_log/_last_checkpoint", "fhir/*/_delta_log/*check*"],
    "manifest": ["views/*/manifest.json", "ledger/*.json", "tenant.json"],
}


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return lived_in_lake(tmp_path_factory.mktemp("flips"))


@pytest.fixture(autouse=True)
def no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was checked before the flips is not known any more."""
    monkeypatch.setenv("LACUSTRE_CACHE", str(tmp_path / "cache"))


def flips(files: list[Path], seed: str) -> Iterator[tuple[Path, str]]:
    """Files with a bit turned over, one after the other, and where; it is turned back afterwards."""
    chance = random.Random(seed)
    for number in range(FLIPS):
        # small files get their turn as often as large ones
        path = chance.choice(files)
        position, bit = chance.randrange(path.stat().st_size), chance.randrange(8)
        flip(path, position, bit)
        yield path, f"{seed} {number}: bit {bit} of byte {position} of {path}"
        flip(path, position, bit)


def damage(lake: Lake, path: Path) -> tuple[list[str], list[str], list[str]]:
    return [path.relative_to(lake.uri).as_posix()], [], []


def found(lake: Lake) -> tuple[list[str], list[str], list[str]]:
    report = verify(tenant_of(lake))
    return report.damaged, report.missing, report.unexpected


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_flip_in_a_small_file(lake: Lake, kind: str, tally: Tally) -> None:
    files = sorted({path for glob in KINDS[kind] for path in Path(lake.uri).glob(f"tenants/default/{glob}")})
    survived = 0
    for path, what in flips(files, kind):
        if found(lake) == damage(lake, path):
            survived += 1
        else:
            print(what, found(lake))
    tally(survived, FLIPS)


def rows_of(lake: Lake) -> dict[Path, str]:
    """The files that queries read at present, and what the relation of each is called."""
    tenant = tenant_of(lake)
    tables = {f"fhir.{name}": tenant.fhir_table(name) for name in tenant.resource_types()}
    files = {}
    for name, table in {**tables, "lake.rejects": tenant.rejects_table}.items():
        snapshot = table.snapshot()
        assert snapshot is not None
        files.update({Path(file.uri): name for file in snapshot.files})
    for view in lake.views():
        files.update({Path(lake.uri) / file.path: view.view for file in view.files})
    return files


def test_a_flip_in_a_file_of_rows(lake: Lake, tally: Tally) -> None:
    relations = rows_of(lake)
    survived = 0
    for path, what in flips(sorted(relations), "data"):
        query = f"SELECT max(COLUMNS(*)::VARCHAR) FROM {relations[path]}"
        if found(lake) == damage(lake, path) and path.name in refusal(lake, query):
            survived += 1
        else:
            print(what, found(lake))
    tally(survived, FLIPS)
    for relation in set(relations.values()):
        assert refusal(lake, f"SELECT count(*) FROM {relation}") == "", "the flips were turned back"


def refusal(lake: Lake, query: str) -> str:
    """The error of a query, nothing where it answers."""
    try:
        lake.sql(query).fetchall()
    except StorageError as error:
        return str(error)
    return ""
