"""Maintenance: the same rows in fewer files, versions for as long as promised, nothing removed that is needed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from lacustre import Lake
from lacustre.cli.operate import maintain as maintain_command
from lacustre.cli.operate import verify as verify_command
from lacustre.errors import InputError, SettingsError, StorageError
from lacustre.store import load as load_module
from lacustre.store.compact import SMALL_BYTES, groups
from lacustre.store.delta import DataFile
from lacustre.store.ledger import intents, numbers
from lacustre.store.maintain import MaintainResult, maintain
from lacustre.store.maintained_table import MaintainedTable
from lacustre.store.objects import ObjectStore
from lacustre.store.retention import Retention
from lacustre.views.builds.old_builds import remove_old_builds
from lacustre.views.catalog import starter_views
from support.lake_content import exported, listed_rejects
from support.loading import load_lines

INCREMENTS = 12
DAY = timedelta(days=1)


def observation(name: str, patient: str = "p", **members: Any) -> dict[str, Any]:
    subject = {"reference": f"Patient/{patient}"}
    return {"resourceType": "Observation", "id": name, "status": "final", "subject": subject, **members}


def fill(lake: Lake, folder: Path, increments: int = INCREMENTS, shards: int = 2) -> None:
    """Small loads, each with new resources, an update of an older one and a line that is none."""
    for number in range(increments):
        new = [observation(f"{number}-{position}", str(position)) for position in range(4)]
        update = observation(f"{number // 2}-1", "1", valueInteger=number)
        load_lines(lake, folder, *new, update, f"bad {number}", shards=shards if number == 0 else None)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("filled")
    lake = Lake.open(folder / "lake")
    fill(lake, folder)
    lake.delete("Observation/3-3")
    lake.delete("Observation/3-2")
    return folder / "lake"


@pytest.fixture
def lake(filled: Path, tmp_path: Path) -> Lake:
    return Lake.open(shutil.copytree(filled, tmp_path / "lake"))


def later(lake: Lake, days: float = 0.0, **retention: Any) -> MaintainResult:
    """Maintain the lake as if so many days had passed."""
    return maintain(lake._tenant, Retention(now=datetime.now(UTC) + days * DAY, **retention))


def rows(lake: Lake) -> list[Any]:
    """Every row with the lake's own columns."""
    return lake.sql("SELECT * FROM fhir.Observation ORDER BY id").fetchall()


def data_files(lake: Lake) -> list[Path]:
    found = Path(lake.uri, "tenants/default").rglob("*.parquet")
    return sorted(path for path in found if "_delta_log" not in path.parts)


def files_of(lake: Lake, name: str) -> int:
    table = next(table for table in lake._tenant.tables() if table.name == name)
    snapshot = table.snapshot()
    assert snapshot is not None
    return len(snapshot.files)


def test_small_files_are_merged_and_rows_stay_as_they_are(lake: Lake) -> None:
    before, content, rejects = rows(lake), exported(lake), listed_rejects(lake)
    history = list(lake.history())
    result = lake.maintain()
    assert (rows(lake), exported(lake), listed_rejects(lake)) == (before, content, rejects)
    assert [files_of(lake, name) for name in ("fhir/Observation", "files", "rejects", "deleted")] == [2, 1, 1, 1]
    assert {done.table: done.files_after for done in result.compactions} == {
        "fhir/Observation": 2, "files": 1, "rejects": 1, "deleted": 1
    }  # fmt: skip
    newest, *older = lake.history()
    assert (newest.number, newest.kind, newest.state, older) == (result.version, "maintain", "published", history)
    assert result.freed.files == 0
    assert all(lake.at(record.number).sql("FROM fhir.Observation").fetchall() for record in history)


def test_readers_of_changes_are_told_that_no_row_changed(lake: Lake) -> None:
    table = MaintainedTable.of(lake._tenant.fhir_table("Observation"))
    before = table.version()
    lake.maintain()
    after = table.version()
    assert (before, after) == (before, (before or 0) + 1)
    assert table.same_rows(before or 0, after or 0)
    assert not table.same_rows((before or 0) - 1, after or 0)


def test_a_second_run_has_nothing_to_do(lake: Lake) -> None:
    lake.maintain()
    before = data_files(lake), numbers(lake._tenant)
    result = lake.maintain()
    assert (result.version, result.compactions, result.given_up) == (None, [], 0)
    assert (data_files(lake), numbers(lake._tenant)) == before


def test_a_lake_of_nothing(tmp_path: Path) -> None:
    result = Lake.open(tmp_path / "lake").maintain()
    assert (result.version, result.kept_from, result.compactions) == (None, None, [])


def test_what_was_loaded_is_still_known(lake: Lake, tmp_path: Path, filled: Path) -> None:
    lake.maintain(keep_days=0)
    source = filled.parent / "load-003.ndjson"
    assert len(lake.load(source, max_rejects=1.0).skipped) == 1
    assert load_lines(lake, tmp_path, observation("3-3", meta={"lastUpdated": "2020-01-01T00:00:00Z"})).total(
        "superseded"
    )


def test_views_are_the_same_after_it(lake: Lake) -> None:
    question = "SELECT * FROM lineage.observation ORDER BY ALL"
    lake.build_views("observation", definitions=starter_views())
    before = lake.sql(question).fetchall()
    lake.maintain()
    assert lake.sql(question).fetchall() == before
    lake.build_views("observation", definitions=starter_views())
    assert lake.sql(question).fetchall() == before


def file(number: int, size: int, shard: str = "0") -> DataFile:
    path = f"{shard}/{number:03d}"
    return DataFile(path, f"u/{path}", {"lake_shard": shard, "lake_segment": str(number)}, 1, size)


@pytest.mark.parametrize(
    ("sizes", "merged"),
    [
        ([], []),
        ([9], []),
        ([9, 9], [(0, 1)]),
        ([1, *[9] * 5], [(0, 1, 2, 3, 4, 5)]),
        ([100, 1, 1, 1], [(1, 2, 3)]),
        ([100, 30, 20], [(0, 1, 2)]),
        ([100, 30, 10], []),
        ([SMALL_BYTES, SMALL_BYTES - 1, SMALL_BYTES - 1], [(1, 2)]),
        ([SMALL_BYTES - 1] * 6, [(0, 1, 2, 3), (4, 5)]),
        ([SMALL_BYTES - 1] * 5, [(0, 1, 2, 3)]),
    ],
)
def test_which_files_are_merged(sizes: list[int], merged: list[tuple[int, ...]]) -> None:
    files = [file(number, size) for number, size in enumerate(sizes)]
    found = [tuple(int(member.path[-3:]) for member in group) for group in groups(files, set())]
    assert found == merged


def test_shards_stay_apart_and_touched_files_are_written_alone() -> None:
    files = [file(0, 9, "0"), file(1, 9, "1"), file(2, 9, "0"), file(3, SMALL_BYTES, "1")]
    found = [[member.path for member in group] for group in groups(files, {"u/1/003"})]
    assert found == [["0/000", "0/002"], ["1/003"]]


def test_a_byte_is_written_again_a_few_times_only() -> None:
    """A year of daily loads and runs: the largest files are not written again and again."""
    held: list[DataFile] = []
    written = 0
    for day in range(365):
        held.append(file(day, 200_000))
        for group in list(groups(held, set())):
            size = sum(member.size for member in group)
            written += size
            held = [member for member in held if member not in group] + [file(day, size)]
    assert written < 12 * 365 * 200_000
    assert len(held) < 12


def test_versions_go_after_their_days_and_files_a_day_after_them(lake: Lake, tmp_path: Path) -> None:
    content, before = exported(lake), data_files(lake)
    assert later(lake, 29).given_up == 0
    newest = next(lake.history()).number
    result = later(lake, 31, keep_rejects_days=60)
    assert (result.given_up, result.kept_from, result.freed.files) == (newest - 1, newest, 0)
    assert set(data_files(lake)) >= set(before)
    with pytest.raises(InputError, match=rf"version_gone: version 3 .* versions {newest} to {newest + 1} are kept"):
        lake.at(3)
    with pytest.raises(InputError, match="version_gone: version as old as 2020"):
        lake.at(datetime.fromisoformat("2020-01-01T00:00:00+00:00"))
    with pytest.raises(InputError, match="no_such_version"):
        lake.at(0)
    result = later(lake, 33, keep_rejects_days=60)
    assert (result.version, result.freed.files) == (None, len(before))
    assert numbers(lake._tenant) == [newest, newest + 1]
    assert (exported(lake), exported(lake.at(newest))) == (content, content)
    load_lines(lake, tmp_path, observation("new"))
    assert len(exported(lake)) == len(content) + 1
    assert exported(lake.at(newest + 1)) == content


def test_no_more_files_are_left_than_the_kept_versions_need(lake: Lake) -> None:
    for days in (31.0, 33.0, 70.0, 72.0):
        later(lake, days)
    needed = {
        f"{table.uri}/{path}"
        for table in lake._tenant.tables()
        for path in MaintainedTable.of(table).files_since(table.version() or 0)
    }
    assert {str(path) for path in data_files(lake)} == needed
    log = MaintainedTable.of(lake._tenant.files_table).log()
    assert log[0].endswith(".checkpoint.parquet")
    assert len(log) <= 4
    assert exported(lake)


def test_the_files_of_logs_that_stay_keep_their_digests(lake: Lake) -> None:
    def sealed() -> set[str]:
        return {path for record in lake.history() for path in record.sealed}

    def there() -> set[str]:
        root = Path(lake.uri, "tenants/default")
        return {str(path.relative_to(root)) for path in root.rglob("_delta_log/*")}

    assert there() <= sealed()
    for days in (31.0, 33.0, 70.0, 72.0):
        later(lake, days)
        assert there() <= sealed()


def test_what_is_not_published_keeps_the_version_before_it(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    good, content = next(lake.history()).number, exported(lake)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(load_module, "add_loaded", crash)
        load_lines(lake, tmp_path, observation("half"))
    assert load_lines(lake, tmp_path, observation("held")).state == "held"
    for days in (40.0, 80.0, 120.0):
        assert later(lake, days).kept_from == good
    assert exported(lake.at(good)) == content
    assert intents(lake._tenant)


def test_rejected_lines_have_a_retention_of_their_own(lake: Lake) -> None:
    before = listed_rejects(lake)
    lake.maintain(keep_days=0)
    assert listed_rejects(lake) == before
    result = later(lake, keep_rejects_days=0)
    assert sum(done.rows_expired for done in result.compactions) == INCREMENTS
    assert listed_rejects(lake) == []


@pytest.mark.parametrize("options", [{"keep_days": -1}, {"keep_rejects_days": -0.5}])
def test_a_retention_of_less_than_nothing_is_refused(lake: Lake, options: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match="bad_retention"):
        lake.maintain(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("days", [700_000, 630_000, 1e12, float("inf")])
def test_for_ever_is_a_retention(lake: Lake, days: float) -> None:
    rejects = listed_rejects(lake)
    assert lake.maintain(keep_days=days, keep_rejects_days=days).kept_from == 1
    assert listed_rejects(lake) == rejects


def test_what_killed_writers_left_goes_when_it_is_a_day_old(lake: Lake) -> None:
    root = Path(lake.uri, "tenants/default")
    left = [
        root / "fhir/Observation/lake_shard=0/lake_segment=x/000000-x.parquet",
        root / "fhir/Observation/_delta_log/_commit_1.json.tmp",
        root / "files/000000-x.parquet",
    ]
    for path in left:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    lake.maintain()
    assert all(path.exists() for path in left)
    content = exported(lake)
    later(lake, 1.1)
    assert not any(path.exists() for path in left)
    assert exported(lake) == content


def test_what_an_unfinished_operation_put_stays(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(MaintainedTable.__base__, "commit", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        load_lines(lake, tmp_path, observation("slow"))
    (intent,) = intents(lake._tenant)
    put = [path for path in data_files(lake) if intent.id in path.name]
    assert put
    later(lake, 5)
    assert all(path.exists() for path in put)


def test_a_damaged_file_is_not_made_good_by_merging(lake: Lake) -> None:
    damaged = next(path for path in data_files(lake) if "Observation" in path.parts)
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(data)
    before = data_files(lake)
    with pytest.raises(StorageError, match=f"damaged_file: .*{damaged.name}"):
        lake.maintain()
    assert data_files(lake) == before


@pytest.mark.parametrize("update", [False, True])
def test_a_load_that_commits_first_loses_nothing(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, update: bool
) -> None:
    """It adds a row, or replaces one of a file that is being merged."""
    commit = MaintainedTable.commit
    content = exported(lake)
    loaded = observation("5-2" if update else "new", "2", valueString="from the load")

    def late(table: MaintainedTable, *arguments: Any, **options: Any) -> int:
        monkeypatch.setattr(MaintainedTable, "commit", commit)
        load_lines(lake, tmp_path, loaded)
        return commit(table, *arguments, **options)

    monkeypatch.setattr(MaintainedTable, "commit", late)
    result = lake.maintain()
    assert exported(lake) == {**content, ("Observation", loaded["id"]): loaded}
    merged = {done.table for done in result.compactions}
    assert merged >= {"files", "rejects", "deleted"}
    lake.maintain()
    assert files_of(lake, "fhir/Observation") <= 3


def intercept(monkeypatch: pytest.MonkeyPatch, before: Callable[[], None]) -> None:
    """Call `before` ahead of everything that changes a file of the store."""
    for name in ("put", "create", "write", "remove"):
        real = getattr(ObjectStore, name)

        def wrapped(*arguments: Any, real: Any = real, **options: Any) -> Any:
            before()
            return real(*arguments, **options)

        monkeypatch.setattr(ObjectStore, name, wrapped)


class _Killed(BaseException):
    pass


@pytest.mark.parametrize("step", range(0, 60, 3))
def test_a_run_that_stops_anywhere_is_made_good_by_the_next(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    content, steps = exported(lake), 0

    def stop() -> None:
        nonlocal steps
        steps += 1
        if steps > step:
            raise _Killed

    for days in (31.0, 33.0):
        steps = 0
        with monkeypatch.context() as patched, suppress(_Killed):
            intercept(patched, stop)
            later(lake, days)
        assert exported(lake) == content
        assert exported(lake.at(next(lake.history()).kept_from))
    for days in (35.0, 37.0, 39.0):
        later(lake, days)
    assert exported(lake) == content
    assert files_of(lake, "fhir/Observation") == 2
    assert len(data_files(lake)) == 5


def test_builds_that_nobody_reads_go(lake: Lake) -> None:
    for _ in range(2):
        lake.build_views("observation", definitions=starter_views(), whole=True)
    folder = Path(lake.uri, "tenants/default/views/observation")
    (current,) = [view.build for view in lake.views()]
    left = folder / "20200101T000000Z-dead/lake_shard=0/observation.parquet"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"x")

    def builds() -> Iterator[str]:
        return (path.parts[len(folder.parts)] for path in folder.rglob("*.parquet"))

    assert len(set(builds())) == 3
    lake.maintain()
    assert len(set(builds())) == 3
    result = later(lake)
    remove_old_builds(lake._tenant, datetime.now(UTC) + DAY, result.freed)
    assert set(builds()) == {current}
    assert lake.sql("FROM observation").fetchall()


def test_the_command_says_what_it_did(lake: Lake) -> None:
    app = typer.Typer()
    app.command()(maintain_command)
    first, second = (CliRunner().invoke(app, ["--lake", lake.uri, "--keep-days", "0"]).stdout for _ in range(2))
    newest = next(lake.history()).number
    assert "fhir/Observation" in first
    assert f"{newest - 3} versions given up" in first
    assert "versions given up" in second
    third = CliRunner().invoke(app, ["--lake", lake.uri]).stdout
    assert third.startswith("there was nothing to do\nversions from ")


def test_what_was_done_is_in_the_record(lake: Lake) -> None:
    lake.maintain(keep_days=0)
    statement = next(lake.history()).statement
    assert json.loads(json.dumps(statement)) == {
        "merged": {
            "fhir/Observation": {"files": [files_before(statement), 2]},
            "rejects": {"files": [INCREMENTS, 1]},
            "deleted": {"files": [2, 1]},
            "files": {"files": [INCREMENTS, 1]},
        },
        "kept_from": next(lake.history()).number - 1,
        "expired_rejects": 0,
    }


def files_before(statement: Any) -> int:
    before: int = statement["merged"]["fhir/Observation"]["files"][0]
    assert before > INCREMENTS
    return before


def test_the_lake_is_whole_before_between_and_after(lake: Lake) -> None:
    app = typer.Typer()
    app.command()(verify_command)
    lake.build_views("observation", definitions=starter_views())
    for days in (None, 0.0, 31.0, 33.0, 70.0, 72.0):
        if days is not None:
            later(lake, days)
        found = lake.verify()
        assert found.sound, (days, found)
        assert set(found.unproven) <= {"tenants/default/tenant.json"}
    data_files(lake)[0].unlink()
    ended = CliRunner().invoke(app, ["--lake", lake.uri])
    assert (ended.exit_code, ended.stdout.startswith("missing: tenants/default/")) == (4, True)
