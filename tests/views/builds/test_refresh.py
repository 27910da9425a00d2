"""A build makes only what changed, and comes to the same rows as one that makes everything."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lacustre import Lake
from lacustre.cli.app import app
from lacustre.errors import DataError, StorageError
from lacustre.store.maintain import maintain
from lacustre.store.objects import ObjectStore
from lacustre.store.retention import Retention
from lacustre.store.vacuum import Freed
from lacustre.views.builds import materialise, part_session
from lacustre.views.builds.attempts import Attempt, forget_attempt, note_attempt
from lacustre.views.builds.building import ViewBuild
from lacustre.views.builds.manifest import manifest_path
from lacustre.views.builds.old_builds import remove_old_builds
from support.loading import load_lines

SHARDS = 4
COLUMNS: dict[str, dict[str, Any]] = {
    "person": {"column": [{"name": "id", "path": "id"}, {"name": "gender", "path": "gender"}]},
    "names": {"forEach": "name", "column": [{"name": "family", "path": "family"}, {"name": "at", "path": "%rowIndex"}]},
    "givens": {"column": [{"name": "given", "path": "name.given", "collection": True}]},
}
WHERE = {"names": [{"path": "gender = 'female'"}]}


def define(folder: Path, suffix: str = "") -> Path:
    """The views, with a suffix to their names, in a folder."""
    folder.mkdir(exist_ok=True)
    for name, select in COLUMNS.items():
        view = {"resource": "Patient", "name": name + suffix, "select": [select], "where": WHERE.get(name, [])}
        (folder / f"{name}.json").write_text(json.dumps(view))
    return folder


def person(name: str, family: str = "X", gender: str = "female", **members: Any) -> dict[str, Any]:
    names = [{"family": family, "given": [family, "Y"]}, {"family": f"{family} bis"}]
    return {"resourceType": "Patient", "id": name, "gender": gender, "name": names, **members}


def content(lake: Lake, view: str) -> Counter[str]:
    """The rows of a view with their lineage."""
    return Counter(repr(row) for row in lake.session().execute(f"FROM lineage.{view}").fetchall())


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    held = Lake.open(tmp_path / "lake")
    load_lines(held, tmp_path, *(person(f"p{number}") for number in range(40)), shards=SHARDS)
    return held


@pytest.fixture
def definitions(tmp_path: Path) -> Path:
    return define(tmp_path / "definitions")


def test_only_the_parts_that_changed_are_made(lake: Lake, definitions: Path, tmp_path: Path) -> None:
    first = lake.build_views(definitions=definitions)
    assert [(view.made, view.parts, view.whole) for view in first] == [(SHARDS, SHARDS, "first build")] * 3
    again = lake.build_views(definitions=definitions)
    assert [(view.made, view.parts, view.whole) for view in again] == [(0, SHARDS, "")] * 3
    load_lines(lake, tmp_path, person("new"), person("p7", "Z"))
    refreshed = lake.build_views(definitions=definitions)
    assert {(view.made, view.whole) for view in refreshed} <= {(2, ""), (3, "")}
    assert lake.sql("SELECT count(*) FROM person").fetchall() == [(41,)]
    assert lake.sql("SELECT count(*) FROM names WHERE family = 'Z'").fetchall() == [(1,)]


@pytest.mark.parametrize("folder", ["a b", "50% é", "d'eau #1", 'x"y&z=1', "~a+b", "été"])
def test_wherever_the_lake_lies(folder: str, definitions: Path, tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / folder / "lake")
    load_lines(lake, tmp_path, *(person(f"p{number}") for number in range(40)), shards=SHARDS)
    assert [manifest.rows for manifest in lake.build_views(definitions=definitions)] == [40, 80, 40]
    load_lines(lake, tmp_path, person("p1", "Z"), person("new"))
    assert [manifest.rows for manifest in lake.build_views(definitions=definitions)] == [41, 82, 41]


def test_rows_of_no_part_are_an_error(lake: Lake, definitions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part_session, "_APART", f"{part_session._APART} SEMI JOIN (SELECT 'p1' AS id) USING (id)")
    with pytest.raises(DataError) as caught:
        lake.build_views("person", definitions=definitions)
    assert caught.value.code == "view_rows_astray"


def test_a_changed_definition_a_lost_manifest_and_a_wish_make_everything(
    lake: Lake, definitions: Path, tmp_path: Path
) -> None:
    lake.build_views(definitions=definitions)
    assert lake.build_views("person", definitions=definitions, whole=True)[0].whole == "asked for"
    (tmp_path / "lake/tenants/default/views/person/manifest.json").write_bytes(b"{}")
    assert lake.build_views("person", definitions=definitions)[0].whole == "manifest damaged"
    text = (definitions / "person.json").read_text()
    (definitions / "person.json").write_text(
        text.replace('"path": "gender"', '"path": "gender | \'x\'", "collection": true')
    )
    (changed,) = lake.build_views("person", definitions=definitions)
    assert (changed.whole, changed.made) == ("definition changed", SHARDS)


def test_a_view_of_its_time_is_made_whole_with_one_moment(lake: Lake, tmp_path: Path) -> None:
    load_lines(lake, tmp_path, person("q"))
    folder = tmp_path / "definitions"
    folder.mkdir()
    columns = [
        {"name": "moment", "path": "now()", "type": "dateTime"},
        {"name": "day", "path": "today()", "type": "date"},
    ]
    for name in ("one", "two"):
        view = {"resource": "Patient", "name": name, "select": [{"column": columns}]}
        (folder / f"{name}.json").write_text(json.dumps(view))
    for _ in range(2):
        built = lake.build_views(definitions=folder)
        assert {view.made for view in built} == {SHARDS + 1}
        assert lake.sql("SELECT count(DISTINCT moment) FROM (FROM one UNION ALL FROM two)").fetchall() == [(1,)]
    assert {view.whole for view in built} == {"asks for the time"}
    assert lake.stale_views() == []
    earlier = replace(built[0], built="2026-01-01T00:00:00+00:00", moment="")
    lake._tenant.store.write(manifest_path(lake._tenant, "one"), earlier.to_json())
    assert lake.stale_views() == ["one"]


def test_a_view_of_its_time_whose_build_ended_on_the_next_day_is_stale(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Yesterday(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime.now(tz) - timedelta(days=1)

    folder = tmp_path / "definitions"
    folder.mkdir()
    select = {"column": [{"name": "day", "path": "today()", "type": "date"}]}
    (folder / "one.json").write_text(json.dumps({"resource": "Patient", "name": "one", "select": [select]}))
    with monkeypatch.context() as patched:
        patched.setattr(materialise, "datetime", Yesterday)  # when the build begins; it ends today
        lake.build_views(definitions=folder)
    assert lake.stale_views() == ["one"]
    lake.build_views(definitions=folder)
    assert lake.stale_views() == []


def test_parts_without_rows_are_remembered(lake: Lake, definitions: Path, tmp_path: Path) -> None:
    load_lines(lake, tmp_path, person("m", gender="male"))
    (built,) = lake.build_views("names", definitions=definitions)
    assert (built.parts, len(built.files), len(built.empty)) == (SHARDS + 1, SHARDS, 1)
    assert lake.build_views("names", definitions=definitions)[0].made == 0


class Changes:
    """Random changes of a lake with patients."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.choose, self.folder = random.Random(seed), folder
        self.lake = Lake.open(folder / "lake")
        load_lines(self.lake, folder, *(self._person() for _ in range(20)), shards=SHARDS)

    def change(self) -> str:
        name = self.choose.choice(["load", "load", "load", "delete", "maintain", "erase", "widen"])
        getattr(self, f"_{name}")()
        return name

    def _person(self, **members: Any) -> dict[str, Any]:
        name, gender = self.choose.choice("abcdefghijklmnopqrstuvwxyz"), self.choose.choice(["male", "female"])
        return person(name, str(self.choose.randrange(100)), gender, **members)

    def _load(self) -> None:
        load_lines(self.lake, self.folder, *(self._person() for _ in range(self.choose.choice([1, 3, 12]))))

    def _widen(self) -> None:
        member = self.choose.choice(["language", "implicitRules"])
        load_lines(self.lake, self.folder, self._person(**{member: "fr", "_gender": {"id": "g"}}))

    def _delete(self) -> None:
        self.lake.delete(*(f"Patient/{name}" for name in self.choose.sample("abcdefghij", 2)))

    def _maintain(self) -> None:
        maintain(self.lake._tenant, Retention(keep_days=0, grace=timedelta(0)))

    def _erase(self) -> None:
        there = [name for (name,) in self.lake.sql("SELECT id FROM fhir.Patient ORDER BY id").fetchall()]
        if there:
            self.lake.erase(f"Patient/{self.choose.choice(there)}", reason="test")


@pytest.mark.parametrize("seed", range(3))
def test_a_refresh_comes_to_what_a_whole_build_does(seed: int, tmp_path: Path) -> None:
    print("seed", seed)
    changes = Changes(seed, tmp_path)
    refreshed, whole = define(tmp_path / "refreshed"), define(tmp_path / "whole", "_whole")
    done = []
    for _ in range(8):
        done.append(changes.change())
        if changes.choose.random() < 0.3:
            continue
        changes.lake.build_views(definitions=refreshed)
        changes.lake.build_views(definitions=whole, whole=True)
        for name in COLUMNS:
            assert content(changes.lake, name) == content(changes.lake, f"{name}_whole"), (done, name)
        assert changes.lake.stale_views() == [], done
        assert changes.lake.verify().sound, done


def killed_build(lake: str, definitions: Path, puts: int) -> None:
    """Build the views, and die when so many files were put."""
    put, count = ObjectStore.put, 0

    def dying(store: ObjectStore, local: Path, path: str) -> None:
        nonlocal count
        put(store, local, path)
        count += 1
        if count == puts:
            os._exit(9)

    ObjectStore.put = dying  # type: ignore[method-assign]
    Lake.open(lake).build_views(definitions=definitions)


def test_a_killed_build_leaves_the_last_one_and_is_taken_up(
    lake: Lake, definitions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.build_views(definitions=definitions)
    before = {name: content(lake, name) for name in COLUMNS}
    load_lines(lake, tmp_path, *(person(f"p{number}", "Z") for number in range(40)))
    child = multiprocessing.get_context("spawn").Process(target=killed_build, args=(lake.uri, definitions, 5))
    child.start()
    child.join(60)
    assert child.exitcode == 9
    assert {name: content(lake, name) for name in COLUMNS} == before
    states = {state.view: (state.state, state.reason) for state in lake.view_states()}
    assert states == dict.fromkeys(
        COLUMNS, ("failed", "the build was interrupted; the next one takes up what it had made")
    )
    recovered: list[bool] = []
    recover = ViewBuild.recover
    monkeypatch.setattr(ViewBuild, "recover", lambda *given: recovered.append(recover(*given)) or recovered[-1])
    built = lake.build_views(definitions=definitions)
    assert (len(recovered), sum(recovered)) == (3 * SHARDS, 5)
    assert sum(view.made for view in built) == 3 * SHARDS
    assert {state.state for state in lake.view_states()} == {"fresh"}
    assert lake.sql("SELECT DISTINCT family FROM names ORDER BY 1").fetchall() == [("Z",), ("Z bis",)]
    assert lake.verify().sound


def test_what_a_killed_build_left_damaged_is_made_again(lake: Lake, definitions: Path, tmp_path: Path) -> None:
    child = multiprocessing.get_context("spawn").Process(target=killed_build, args=(lake.uri, definitions, 4))
    child.start()
    child.join(60)
    for path in (tmp_path / "lake/tenants/default/views").rglob("*.parquet"):
        path.write_bytes(path.read_bytes()[:-7] + b"garbage")
    lake.build_views(definitions=definitions)
    assert lake.sql("SELECT count(*) FROM person").fetchall() == [(40,)]


def files_of(lake: Lake, view: str) -> list[Path]:
    return [Path(lake.uri) / file.path for manifest in lake.views() if manifest.view == view for file in manifest.files]


def test_a_lost_file_of_a_view_is_made_again(lake: Lake, definitions: Path) -> None:
    lake.build_views(definitions=definitions)
    lost, cut, *_ = files_of(lake, "person")
    lost.unlink()
    cut.write_bytes(cut.read_bytes()[:-1])
    assert [view.made for view in lake.build_views(definitions=definitions)] == [0, 0, 2]
    assert lake.sql("SELECT count(*) FROM person").fetchall() == [(40,)]
    assert {lost, cut}.isdisjoint(files_of(lake, "person"))


def test_a_refresh_does_not_vouch_for_what_it_has_not_written(lake: Lake, definitions: Path) -> None:
    lake.build_views(definitions=definitions)
    damaged = files_of(lake, "person")[0]
    data = bytearray(damaged.read_bytes())
    data[20] ^= 1
    damaged.write_bytes(data)
    lake.build_views(definitions=definitions)
    with pytest.raises(StorageError, match=damaged.name):
        lake.sql("FROM person")
    lake.build_views(definitions=definitions, whole=True)
    assert lake.sql("SELECT count(*) FROM person").fetchall() == [(40,)]


def test_states(lake: Lake, definitions: Path, tmp_path: Path) -> None:
    lake.build_views(definitions=definitions)
    assert {state.state for state in lake.view_states()} == {"fresh"}
    load_lines(lake, tmp_path, person("q"))
    assert {state.state for state in lake.view_states()} == {"stale"}
    theirs = Attempt.begin("theirs")
    note_attempt(lake._tenant, "person", theirs)
    states = {state.view: state for state in lake.view_states()}
    assert (states["person"].state, states["person"].manifest) == ("building", lake.views()[2])
    forget_attempt(lake._tenant, "person", theirs)
    select = {"column": [{"name": "family", "path": "name.family"}]}
    (definitions / "person.json").write_text(json.dumps({"resource": "Patient", "name": "person", "select": [select]}))
    with pytest.raises(DataError, match="several values"):
        lake.build_views(definitions=definitions)
    states = {state.view: state for state in lake.view_states()}
    assert {name: state.state for name, state in states.items()} == {
        "givens": "fresh",
        "names": "fresh",
        "person": "failed",
    }
    assert "several values" in states["person"].reason
    assert lake.sql("SELECT count(*) FROM person").fetchall() == [(40,)]
    printed = CliRunner().invoke(app, ["views", "list", "--lake", lake.uri]).output
    assert "failed" in printed
    assert "several values" in printed


def test_who_opened_a_build_can_read_it_while_others_refresh(lake: Lake, definitions: Path, tmp_path: Path) -> None:
    lake.build_views(definitions=definitions)
    load_lines(lake, tmp_path, person("p7", "Z"))
    lake.build_views(definitions=definitions)
    reader = lake.session()
    for family in "UVW":
        load_lines(lake, tmp_path, *(person(f"p{number}", family) for number in range(40)))
        lake.build_views(definitions=definitions)
    retention = Retention()
    remove_old_builds(lake._tenant, retention.before(timedelta(0)) - timedelta(days=1), Freed())
    assert reader.execute("SELECT count(*) FROM names WHERE family = 'Z'").fetchall() == [(1,)]


def test_what_was_replaced_a_day_ago_is_removed_by_the_next_build(
    lake: Lake, definitions: Path, tmp_path: Path
) -> None:
    store = lake._tenant.store
    for family in ("X", "Y"):
        load_lines(lake, tmp_path, *(person(f"p{number}", family) for number in range(40)))
        lake.build_views("names", definitions=definitions)
    (replaced,) = lake.views()
    (first,) = replaced.earlier
    long_ago = replace(replaced, earlier=(replace(first, replaced="2026-01-01T00:00:00+00:00"),))
    store.write(manifest_path(lake._tenant, "names"), long_ago.to_json())
    assert first.files
    assert {store.read(path) is None for path in first.files} == {False}
    load_lines(lake, tmp_path, person("p7", "Z"))
    (manifest,) = lake.build_views("names", definitions=definitions)
    assert {store.read(path) is None for path in first.files} == {True}
    named = {file.path for file in manifest.files}.union(*(build.files for build in manifest.earlier))
    assert {store.read(path) is None for path in named} == {False}
    assert content(lake, "names").total() == 80
