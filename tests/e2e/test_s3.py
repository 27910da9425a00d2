"""The whole path on an S3 server: source, lake, views, SQL and export."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from lacustre import Lake
from lacustre.errors import InputError, SettingsError, StorageError
from lacustre.query.library_files import starter_queries
from lacustre.sample import SampleExport, generate_sample
from lacustre.store.load_result import LoadResult
from lacustre.store.objects import ObjectStore
from lacustre.store.tenant import TenantStore
from lacustre.tenancy import RequestedSettings, TenantId
from support.loading import versions
from support.lossless import by_key, read_lines
from support.s3 import Bucket

pytestmark = [pytest.mark.s3, pytest.mark.xdist_group("s3")]

PATIENTS = 25


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> SampleExport:
    return generate_sample(tmp_path_factory.mktemp("s3") / "export", patients=PATIENTS)


@pytest.fixture(scope="module")
def source(bucket: Bucket, export: SampleExport) -> str:
    """The sample export in the bucket."""
    uri = bucket.uri("exports/chu-lac")
    bucket.filesystem().put(f"{export.folder}/", f"{uri}/", recursive=True)
    return uri


@pytest.fixture(scope="module")
def lake(bucket: Bucket) -> Lake:
    return Lake.open(bucket.uri("lake"), tenant="chu-lac", storage_options=bucket.settings)


@pytest.fixture(scope="module")
def first_load(lake: Lake, source: str) -> LoadResult:
    return lake.load(source)


@pytest.fixture(scope="module")
def views(lake: Lake, first_load: LoadResult) -> dict[str, int]:
    """Rows of the built views."""
    return {manifest.view: manifest.rows for manifest in lake.build_views()}


@pytest.fixture(scope="module")
def on_disk(export: SampleExport) -> Lake:
    """A lake of the same export in a folder."""
    lake = Lake.open(export.folder.with_name("lake"))
    lake.load(export.folder)
    lake.build_views("patient", "encounter", "observation", "observation_code")
    return lake


def test_an_export_in_a_bucket_is_loaded_into_a_bucket(
    first_load: LoadResult, lake: Lake, export: SampleExport
) -> None:
    assert {name: counts.read for name, counts in first_load.counts.items()} == export.lines
    assert {name: counts.inserted for name, counts in first_load.counts.items()} == export.resources
    assert {table.name: table.rows for table in lake.tables() if table.schema == "fhir"} == export.resources


def test_views_are_built_and_sql_answers(lake: Lake, views: dict[str, int], export: SampleExport) -> None:
    query = """
        SELECT count(DISTINCT patient.id), count(*) FROM patient JOIN encounter ON encounter.patient_id = patient.id
    """
    assert views["patient"] == PATIENTS
    ((patients, encounters),) = lake.sql(query).fetchall()
    assert 0 < patients <= PATIENTS
    assert encounters == export.resources["Encounter"]
    assert lake.sql("SELECT count(*) FROM fhir.Observation").fetchall() == [(export.resources["Observation"],)]


@pytest.mark.parametrize(
    ("query", "values"),
    [
        ("stays_by_age_group", {"from_date": "2020-01-01", "to_date": "2025-12-31"}),
        ("last_hba1c_by_patient", {"before": "2026-01-01T00:00:00Z", "above": "5"}),
    ],
)
def test_shared_queries_answer_as_on_disk(
    lake: Lake, views: dict[str, int], on_disk: Lake, query: str, values: dict[str, str]
) -> None:
    expected = on_disk.query(query, starter_queries(), **values).fetchall()
    assert expected
    assert lake.query(query, starter_queries(), **values).fetchall() == expected


def test_a_shared_query_reads_no_object_but_its_own(lake: Lake, views: dict[str, int], tmp_path: Path) -> None:
    (file,) = lake.views()[0].files
    path = tmp_path / "q.sql"
    path.write_text(f"SELECT * FROM '{lake.uri}/{file.path}'")
    with pytest.raises(InputError, match="table_unknown"):
        lake.query(path)


def test_a_build_replaces_the_last_and_leaves_it_to_its_readers(
    lake: Lake, views: dict[str, int], bucket: Bucket
) -> None:
    before = lake.sql("SELECT id FROM patient ORDER BY id").fetchall()
    for _ in range(2):
        (manifest,) = lake.build_views("patient", whole=True)
    folder = bucket.uri("lake/tenants/chu-lac/views/patient")
    builds = [name for name in bucket.filesystem().ls(folder, detail=False) if not name.endswith("manifest.json")]
    assert manifest.rows == views["patient"]
    assert len(builds) == 3
    assert lake.sql("SELECT id FROM patient ORDER BY id").fetchall() == before


def test_the_export_gives_back_what_was_loaded(first_load: LoadResult, lake: Lake, export: SampleExport) -> None:
    lines = [line for path in sorted(export.folder.glob("*.ndjson")) for line in read_lines(path)]
    latest = by_key(sorted(lines, key=lambda line: int(json.loads(line)["meta"].get("versionId", 0))))
    back = by_key(line for name in first_load.counts for line in lake.export(name))
    assert back == latest


def test_a_second_load_changes_nothing(first_load: LoadResult, lake: Lake, source: str, views: dict[str, int]) -> None:
    before = versions(lake)
    again = lake.load(source)
    assert again.total("inserted") == again.total("updated") == 0
    assert again.total("unchanged") + again.total("superseded") == first_load.total("read")
    assert versions(lake) == before


def test_only_one_of_many_creators_wins(bucket: Bucket) -> None:
    stores = [ObjectStore(bucket.uri("race"), bucket.settings) for _ in range(8)]
    barrier = Barrier(len(stores))

    def create(number: int, key: int) -> bool:
        barrier.wait(30)
        return stores[number].create(f"key-{key}", str(number).encode() * 1000)

    with ThreadPoolExecutor(len(stores)) as threads:
        for key in range(5):
            won = list(threads.map(create, range(len(stores)), [key] * len(stores)))
            assert won.count(True) == 1
            assert stores[0].read(f"key-{key}") == str(won.index(True)).encode() * 1000


def test_settings_are_fixed_by_one_of_two_first_loads(bucket: Bucket) -> None:
    zones = ["Europe/Paris", "Indian/Reunion"]
    barrier = Barrier(len(zones))

    def fix(zone: str) -> str | None:
        tenant = TenantStore(ObjectStore(bucket.uri("lake"), bucket.settings), TenantId("settings-race"))
        assert tenant.fixed_settings() is None
        barrier.wait(30)
        try:
            return tenant.fix_settings(RequestedSettings(time_zone=zone)).time_zone
        except SettingsError as error:
            assert error.code == "tenant_settings_fixed"
            return None

    with ThreadPoolExecutor(len(zones)) as threads:
        fixed = list(threads.map(fix, zones))
    (winner,) = [zone for zone in fixed if zone is not None]
    assert Lake.open(
        bucket.uri("lake"), tenant="settings-race", storage_options=bucket.settings
    ).settings.time_zone == (winner)


def command(*arguments: str, settings: dict[str, str]) -> subprocess.Popen[str]:
    """The `lacustre` command with these AWS settings and no others."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return subprocess.Popen(
        [str(Path(sys.executable).with_name("lacustre")), *arguments],
        env=environment | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=240)
    return process.returncode, out, err


def test_two_concurrent_first_loads_with_different_settings(bucket: Bucket, source: str) -> None:
    zones = ["Europe/Paris", "Indian/Reunion"]
    place = ("--lake", bucket.uri("lake"), "--tenant", "load-race")
    loads = [
        command("load", f"{source}/manifest.json", *place, "--time-zone", zone, settings=dict(bucket.settings))
        for zone in zones
    ]
    ends = [finish(load) for load in loads]
    assert sorted(code for code, _, _ in ends) == [0, 2], ends
    winner, loser = sorted(range(2), key=lambda number: ends[number][0])
    assert "tenant_settings_fixed" in ends[loser][2]
    raced = Lake.open(bucket.uri("lake"), tenant="load-race", storage_options=bucket.settings)
    assert raced.settings.time_zone == zones[winner]
    assert raced.sql("SELECT count(*), count(DISTINCT lake_load) FROM fhir.Patient").fetchall() == [(PATIENTS, 1)]


def test_the_command_takes_its_settings_from_the_environment(
    bucket: Bucket, source: str, export: SampleExport, tmp_path: Path
) -> None:
    settings = {**bucket.settings, "LACUSTRE_LAKE": bucket.uri("lake"), "COLUMNS": "200"}

    def run(*arguments: str) -> str:
        code, out, err = finish(command(*arguments, "--tenant", "cli", settings=settings))
        assert code == 0, err
        return out

    assert "Observation" in run("load", source)
    run("views", "build", "patient", "observation")
    assert run("sql", "SELECT count(*) AS n FROM patient", "--format", "csv").split() == ["n", str(PATIENTS)]
    run("export", "Practitioner", "-o", str(tmp_path / "practitioner.ndjson"))
    assert len(list(read_lines(tmp_path / "practitioner.ndjson"))) == export.resources["Practitioner"]
    assert "observation" in run("tables")


def test_a_wrong_secret_is_an_error_that_does_not_show_it(bucket: Bucket, source: str) -> None:
    settings = {**bucket.settings, "AWS_SECRET_ACCESS_KEY": "wrong-secret-0123456789"}
    refused = Lake.open(bucket.uri("lake"), tenant="nobody", storage_options=settings)
    with pytest.raises(StorageError) as caught:
        refused.load(source)
    assert "wrong-secret" not in str(caught.value)


def test_a_missing_bucket_is_said_before_the_load(bucket: Bucket, source: str) -> None:
    with pytest.raises(StorageError) as caught:
        Lake.open("s3://no-such-bucket-here/lake", storage_options=bucket.settings).load(source)
    assert caught.value.code == "no_bucket"
