"""`verify` accounts for every file of a tenant, and names those that are not as they should be."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lacustre import Lake
from lacustre.errors import StorageError
from lacustre.store import maintain as maintain_module
from lacustre.store.delta import LakeTable
from lacustre.store.digest import sha256_in
from lacustre.store.ledger import Intent, Record, now, open_intent
from lacustre.store.objects import ObjectStore
from lacustre.store.operation import Operation
from lacustre.store.retention import Retention
from lacustre.store.tenant import TenantStore
from lacustre.store.verify import VerifyReport, verify
from lacustre.tenancy import TenantId
from lacustre.views.catalog import starter_views
from support.lived_in import lived_in_lake, tenant_of
from support.loading import load_lines
from support.s3 import s3_bucket
from support.stored_files import flip


@pytest.fixture(scope="module")
def lived_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(lived_in_lake(tmp_path_factory.mktemp("lived-in")).uri)


@pytest.fixture
def lake(lived_in: Path, tmp_path: Path) -> Lake:
    shutil.copytree(lived_in, tmp_path / "lake")
    return Lake.open(tmp_path / "lake")


def one(lake: Lake, pattern: str) -> Path:
    """The last file of a pattern, a file of rows only if it is one of the present."""
    present = [file.path for view in lake.views() for file in view.files]
    for table in tenant_of(lake).tables():
        snapshot = table.snapshot()
        present += [f"{table.path}/{file.path}" for file in snapshot.files] if snapshot else []
    found = sorted(Path(lake.uri).glob(f"tenants/default/{pattern}"))
    return [path for path in found if sha256_in(path.name) is None or in_lake(lake, path) in present][-1]


def in_lake(lake: Lake, path: Path) -> str:
    return path.relative_to(lake.uri).as_posix()


def found(report: VerifyReport) -> tuple[list[str], list[str], list[str]]:
    return report.damaged, report.missing, report.unexpected


def test_a_lake_that_was_used_is_sound(lake: Lake) -> None:
    stages: list[tuple[str, float]] = []
    report = verify(tenant_of(lake), lambda *stage: stages.append(stage))
    files = [path for path in Path(lake.uri).rglob("*") if path.is_file()]
    assert found(report) == ([], [], [])
    assert report.sound
    assert report.unproven == []
    assert report.files == len(files)
    assert report.bytes == sum(path.stat().st_size for path in files)
    assert 0 < report.unneeded < len(files)
    assert stages[-1][1] == 1
    assert [share for _, share in stages] == sorted(share for _, share in stages)


def test_no_lake_is_sound(tmp_path: Path) -> None:
    report = verify(tenant_of(Lake.open(tmp_path / "none")))
    assert report == VerifyReport()


EVERY_KIND = [
    "tenant.json",
    "fhir/Patient/*/*/*.parquet",
    "fhir/Observation/_delta_log/*0.json",
    "fhir/Observation/_delta_log/*.checkpoint.parquet",
    "fhir/Observation/_delta_log/_last_checkpoint",
    "rejects/*.parquet",
    "rejects/_delta_log/*.json",
    "deleted/*/*.parquet",
    "files/*.parquet",
    "ledger/*.json",
    "views/patient/manifest.json",
    "views/observation/*/*/*/*.parquet",
]


@pytest.mark.parametrize("pattern", EVERY_KIND)
def test_a_damaged_file_is_named(lake: Lake, pattern: str) -> None:
    path = one(lake, pattern)
    flip(path, path.stat().st_size // 2)
    assert found(verify(tenant_of(lake))) == ([in_lake(lake, path)], [], [])


# the newest record and a manifest are what says what there is
@pytest.mark.parametrize("pattern", [kind for kind in EVERY_KIND if kind not in ("ledger/*.json", EVERY_KIND[-2])])
def test_a_missing_file_is_named(lake: Lake, pattern: str) -> None:
    path = one(lake, pattern)
    path.unlink()
    report = verify(tenant_of(lake))
    assert in_lake(lake, path) in report.missing
    assert report.damaged == report.unexpected == []


def test_a_missing_record_is_named(lake: Lake) -> None:
    first = one(lake, "ledger/0000000003.json")
    first.unlink()
    report = verify(tenant_of(lake))
    assert report.missing == [in_lake(lake, first)]


def test_a_record_that_was_exchanged_is_named(lake: Lake) -> None:
    two, three = (one(lake, f"ledger/000000000{number}.json") for number in (2, 3))
    shutil.copy(two, three)
    assert in_lake(lake, three) in verify(tenant_of(lake)).damaged


@pytest.mark.parametrize(
    "path", ["notes.txt", "fhir/Patient/copy.parquet", "fhir/Unknown/a.json", "ledger/x.json", "views/a.parquet"]
)
def test_an_unexpected_file_is_named(lake: Lake, path: str) -> None:
    stranger = Path(lake.uri) / "tenants/default" / path
    stranger.parent.mkdir(parents=True, exist_ok=True)
    stranger.write_bytes(b"PAR1")
    assert found(verify(tenant_of(lake))) == ([], [], [in_lake(lake, stranger)])


def add_entry(lake: Lake) -> Path:
    """A commit of which the ledger knows nothing."""
    last = one(lake, "fhir/Patient/_delta_log/*.json")
    following = last.with_name(f"{int(last.stem) + 1:020d}.json")
    shutil.copy(last, following)
    return following


def test_a_commit_of_somebody_else_is_named(lake: Lake) -> None:
    entry = add_entry(lake)
    assert verify(tenant_of(lake)).unexpected == [in_lake(lake, entry)]


def test_a_commit_of_an_unfinished_operation_is_unproven(lake: Lake) -> None:
    open_intent(tenant_of(lake), Intent("20260101T000000Z-0000", "load", now(), ()))
    entry = add_entry(lake)
    report = verify(tenant_of(lake))
    assert report.sound
    assert report.unproven == [in_lake(lake, entry)]


def test_what_unfinished_writers_left_is_unneeded(lake: Lake) -> None:
    before = verify(tenant_of(lake))
    source = one(lake, "fhir/Patient/*/*/*.parquet")
    shutil.copy(source, source.with_name("000000-20260101T000000Z-0000" + source.name[-73:]))
    staged = Path(lake.uri) / "tenants/default/_staging/x/part"
    staged.parent.mkdir(parents=True)
    staged.write_bytes(b"half")
    after = verify(tenant_of(lake))
    assert after.sound
    assert after.unneeded == before.unneeded + 2


def test_what_a_maintenance_without_a_record_left_is_unproven_until_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Lake.open(tmp_path / "lake")
    for number in range(11):
        load_lines(lake, tmp_path, {"resourceType": "Patient", "id": "a", "birthDate": f"19{number + 10}"})
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Operation, "finish", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        lake.maintain(keep_days=0)
    report = lake.verify()
    assert found(report) == ([], [], [])
    names = {path.removeprefix("tenants/default/") for path in report.unproven}
    assert {path.split("/_delta_log/")[0] for path in names} == {"fhir/Patient", "files"}
    assert {f"{table}/_delta_log/_last_checkpoint" for table in ("fhir/Patient", "files")} < names
    last = Path(lake.uri) / "tenants/default/files/_delta_log/_last_checkpoint"
    kept = last.read_bytes()
    last.write_bytes(kept.replace(b'"version":1', b'"version":2'))
    assert in_lake(lake, last) in lake.verify().unexpected
    last.write_bytes(kept)
    lake.maintain()
    report = lake.verify()
    assert (found(report), report.unproven) == (([], [], []), [])


def test_two_maintenances_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that writes its checkpoints last is recorded first."""
    lake = Lake.open(tmp_path / "lake")
    for number in range(3):
        load_lines(lake, tmp_path, {"resourceType": "Patient", "id": f"{number}"})
    monkeypatch.setattr(maintain_module, "CHECKPOINT_ENTRIES", 1)
    finish = Operation.finish

    def late(*arguments: Any, **members: Any) -> Record:
        monkeypatch.setattr(Operation, "finish", finish)
        load_lines(lake, tmp_path, {"resourceType": "Patient", "id": "while it runs"})
        load_lines(lake, tmp_path, {"resourceType": "Patient", "id": "and another one"})
        assert lake.maintain().version
        return finish(*arguments, **members)

    monkeypatch.setattr(Operation, "finish", late)
    lake.maintain()
    assert lake.verify().sound


def test_what_was_put_into_a_table_that_was_never_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = Lake.open(tmp_path / "lake")
    load_lines(lake, tmp_path, {"resourceType": "Patient", "id": "a"})
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(LakeTable, "commit", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        load_lines(lake, tmp_path, {"resourceType": "Observation", "id": "o"})
    assert (lake.verify().sound, lake.verify().unneeded) == (True, 1)
    lake.publish("it is not needed", unfinished=True)
    assert lake.verify().sound
    maintain_module.maintain(tenant_of(lake), Retention(now=datetime.now(UTC) + timedelta(days=1.1)))
    assert (lake.verify().sound, lake.verify().unneeded) == (True, 0)


@pytest.mark.s3
@pytest.mark.xdist_group("s3")
def test_a_lake_in_a_bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LACUSTRE_CACHE", str(tmp_path / "cache"))
    with s3_bucket() as bucket:
        lake = Lake.open(bucket.uri("lake"), storage_options=bucket.settings)
        load_lines(lake, tmp_path, {"resourceType": "Patient", "id": "p", "gender": "female"})
        (view,) = lake.build_views("patient", definitions=starter_views())
        store = ObjectStore(lake.uri, bucket.settings)
        tenant = TenantStore(store, TenantId(lake.tenant))
        report = verify(tenant)
        assert report.sound
        assert report.files == len(list(store.walk("")))
        data = bytearray(store.read(view.files[0].path) or b"")
        data[len(data) // 2] ^= 1
        store.filesystem.pipe_file(store.uri(view.files[0].path), bytes(data))
        assert found(verify(tenant)) == ([view.files[0].path], [], [])
        with pytest.raises(StorageError, match=f"damaged_file: {view.files[0].path}"):
            lake.sql("SELECT gender FROM patient").fetchall()
