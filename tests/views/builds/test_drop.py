"""Built views taken out of a lake."""

from __future__ import annotations

from pathlib import Path

import pytest

from lacustre import Lake
from lacustre.errors import InputError
from lacustre.views.builds.attempts import Attempt, note_attempt
from lacustre.views.catalog import starter_views
from support.loading import load_lines
from support.s3 import Bucket

PATIENT = {"resourceType": "Patient", "id": "p"}


def built(lake: Lake, tmp_path: Path) -> Lake:
    load_lines(lake, tmp_path, PATIENT)
    lake.build_views("patient", "patient_name", definitions=starter_views())
    return lake


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return built(Lake.open(tmp_path / "lake"), tmp_path)


def names(lake: Lake) -> list[str]:
    return [view.view for view in lake.views()]


def test_a_dropped_view_is_gone_with_its_files_and_can_be_built_again(lake: Lake) -> None:
    folder = Path(lake.uri) / lake._tenant.views_path
    lake.drop_views("patient")
    assert names(lake) == [state.view for state in lake.view_states()] == ["patient_name"]
    assert [path.name for path in folder.iterdir()] == ["patient_name"]
    assert lake.sql("SELECT count(*) FROM fhir.Patient").fetchall() == [(1,)]
    assert lake.verify().sound
    (again,) = lake.build_views("patient", definitions=starter_views())
    assert (again.rows, again.whole) == (1, "first build")


@pytest.mark.s3
def test_a_view_is_dropped_from_a_bucket(tmp_path: Path, bucket: Bucket) -> None:
    lake = built(Lake.open(bucket.uri("lake"), storage_options=bucket.settings), tmp_path)
    lake.drop_views("patient", "patient_name")
    assert names(lake) == []
    assert list(lake._tenant.store.walk(lake._tenant.views_path)) == []


def test_nothing_is_dropped_where_one_name_is_wrong(lake: Lake) -> None:
    for wrong in ("patiemt", "..", "", "Patient"):
        with pytest.raises(InputError) as caught:
            lake.drop_views("patient", wrong)
        assert caught.value.code == "unknown_view"
    assert names(lake) == ["patient", "patient_name"]


def test_a_view_that_is_being_built_is_not_dropped(lake: Lake) -> None:
    note_attempt(lake._tenant, "patient", Attempt.begin("somebody's"))
    with pytest.raises(InputError, match="being built: patient"):
        lake.drop_views("patient_name", "patient")
    lake.drop_views("patient_name")
    assert names(lake) == ["patient"]


def test_views_of_the_past_are_not_dropped(lake: Lake) -> None:
    with pytest.raises(InputError, match="of the past"):
        lake.at(1).drop_views("patient")
