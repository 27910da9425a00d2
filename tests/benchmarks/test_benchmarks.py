"""The benchmark runs, and the SQL written by hand gives the views' rows; no clock is judged here."""

from __future__ import annotations

import json
from pathlib import Path

import orjson
import pytest

from benchmarks.amplify import UUID, Template, reduce
from benchmarks.data import SAMPLE_VIEWS, make_base_set, make_sample_set
from benchmarks.loads import load
from benchmarks.measure import Figure, best_of_turns
from benchmarks.suite import main
from benchmarks.views import HAND_WRITTEN, BuiltView, assert_equal_rows, build_all
from lacustre import Lake
from lacustre.views.catalog import find_views, starter_views
from support.shared import shared_dir

VIEWS = sorted(find_views(starter_views()))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, BuiltView]:
    shared_dir("data", "synthea-smart-r4")
    folder = tmp_path_factory.mktemp("benchmark")
    base, sample = Lake.open(folder / "lake"), Lake.open(folder / "sample-lake")
    load(base, make_base_set(folder / "base", 2))
    load(sample, make_sample_set(folder / "sample", 1))
    return {view.name: view for view in build_all(base, sample)}


@pytest.mark.parametrize("name", VIEWS)
def test_hand_written_sql_gives_the_rows_of_the_view(built: dict[str, BuiltView], name: str) -> None:
    assert built[name].manifest.rows > 0
    assert_equal_rows(built[name])


def test_a_difference_is_seen(built: dict[str, BuiltView]) -> None:
    class Wrong(BuiltView):
        @property
        def hand_written(self) -> str:
            return super().hand_written + " LIMIT 3"

    view = built["patient"]
    with pytest.raises(SystemExit, match="rows differ"):
        assert_equal_rows(Wrong(view.manifest, view.compiled, view.session))


def test_every_view_has_its_hand_written_sql() -> None:
    assert sorted(path.stem for path in HAND_WRITTEN.glob("*.sql")) == VIEWS
    assert set(VIEWS) >= SAMPLE_VIEWS


def test_the_benchmark_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shared_dir("data", "synthea-smart-r4")
    target = tmp_path / "figures.json"
    main(["--size", "1", "--rounds", "1", "--folder", str(tmp_path), "--json", str(target)])
    shown = capsys.readouterr().out
    report = json.loads(target.read_text())
    names = {(figure["section"], figure["name"]) for figure in report["figures"]}
    assert ("load", "speed against DuckDB's bare COPY") in names
    assert {name for section, name in names if section == "views against SQL by hand"} == set(VIEWS)
    assert all(figure["value"] > 0 for figure in report["figures"])
    assert {"cpu", "cores", "memory", "packages"} <= set(report["machine"])
    assert "at least 0.5" in shown
    assert list(tmp_path.iterdir()) == [target]


LINE = b'{"resourceType":"Patient","id":"%s","link":[{"other":{"reference":"Patient/%s"}}]}\n'
ONE = b"0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d"
TWO = b"11111111-2222-4333-8444-555555555555"


def test_copies_have_other_ids_and_whole_references() -> None:
    data = LINE % (ONE, TWO) + LINE % (TWO, ONE)
    template = Template.of(data)
    copies = [template.copy(number) for number in range(4)]
    found = [UUID.findall(copy) for copy in copies]
    assert copies[0] == data
    assert len({one for one, *_ in found}) == 4
    for one, two, two_again, one_again in found:
        assert (one, two) == (one_again, two_again)
        assert one[14:15] == b"4"
    assert template.copy(2) == copies[2]


def test_kept_ids_are_shared_by_the_copies() -> None:
    copy = Template.of(LINE % (ONE, TWO), frozenset({TWO})).copy(1)
    assert TWO in copy
    assert ONE not in copy


def test_a_part_shows_every_path_of_the_whole() -> None:
    plain = [b'{"id":"%d"}\n' % number for number in range(100)]
    plain[70] = b'{"id":"70","name":[{"given":["A"]}]}\n'
    lines = reduce(b"".join(plain), 0.1).splitlines()
    assert 10 <= len(lines) <= 12
    assert plain[70].rstrip() in lines
    assert [orjson.loads(line)["id"] for line in lines] == sorted((orjson.loads(x)["id"] for x in lines), key=int)


def test_a_verdict_follows_its_direction() -> None:
    assert Figure("s", "n", 0.4, direction="at least", target=0.35).verdict == "ok"
    assert Figure("s", "n", 1.6, direction="at most", target=1.5).verdict == "SHORT"
    assert Figure("s", "n", 1.6).verdict == ""


def test_works_take_turns() -> None:
    calls: list[int] = []
    times = best_of_turns([lambda: calls.append(1), lambda: calls.append(2)], budget=0, at_least=3)
    assert calls == [1, 2, 1, 2, 1, 2]
    assert len(times) == 2
