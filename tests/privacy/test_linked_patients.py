"""Other Patient resources that refer to an erased one: they stay, without what refers to it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lacustre import Lake
from lacustre.errors import DataError
from lacustre.privacy import erase as erase_module
from lacustre.views.catalog import starter_views
from support.lake_content import exported
from support.loading import load_lines, write_lines
from support.lossless import parse_exactly
from support.two_patients import GONE, OTHER, files_below, gone_lines, other_lines, other_patient, traces

REASON = "RGPD, article 17"
LINK = {"other": {"reference": f"Patient/{GONE}", "display": "ZUBERBUHLER Jean"}, "type": "seealso"}
OTHER_LINK = {"other": {"reference": f"Patient/{OTHER}"}, "type": "replaces"}
MOTHER = {"url": "https://hospital.example/mother", "valueReference": {"reference": f"Patient/{GONE}"}}
RANK = {"url": "https://hospital.example/rank", "valueDecimal": "1.50"}


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    monkeypatch.setenv("LACUSTRE_CACHE", str(tmp_path / "cache"))
    lake = Lake.open(tmp_path / "lake")
    load_lines(lake, tmp_path, *gone_lines(), *other_lines())
    return lake


def child(**members: Any) -> dict[str, Any]:
    return other_patient(77) | members


def erased(lake: Lake, tmp_path: Path, line: str | dict[str, Any]) -> Any:
    """The other patient as it comes back after the erasure."""
    load_lines(lake, tmp_path, line)
    receipt = lake.erase(f"Patient/{GONE}", reason=REASON)
    assert receipt.complete
    assert receipt.erased["fhir/Patient"] == {"own": 1, "unlinked": 1}
    assert traces(files_below(Path(lake.uri))) == []
    assert lake.verify().sound
    return exported(lake)["Patient", "pat-other-0077"]


@pytest.mark.parametrize(
    ("members", "left"),
    [
        ({"link": [LINK]}, {}),
        ({"link": [LINK, OTHER_LINK]}, {"link": [OTHER_LINK]}),
        ({"link": [OTHER_LINK, LINK, LINK]}, {"link": [OTHER_LINK]}),
        ({"extension": [MOTHER, RANK]}, {"extension": [RANK]}),
        ({"birthDate": "2026-01-01", "_birthDate": {"extension": [MOTHER]}}, {"birthDate": "2026-01-01"}),
        ({"text": {"status": "generated", "div": f"<div>child of Patient/{GONE}</div>"}}, {}),
        ({"link": [{**LINK, "extension": [MOTHER]}, OTHER_LINK]}, {"link": [OTHER_LINK]}),
        ({"contact": [{"extension": [MOTHER]}, {"gender": "female"}]}, {"contact": [{"gender": "female"}]}),
        (
            {"name": [{"given": ["A", "B"], "_given": [{"extension": [MOTHER]}, {"id": "b"}]}]},
            {"name": [{"given": ["A", "B"], "_given": [None, {"id": "b"}]}]},
        ),
        ({"unknown": {"deep": [{"x": f"https://ehr.example/Patient/{GONE}"}, {"y": 1}]}}, {"unknown": {"deep": [{"y": 1}]}}),
        ({"link": [{"other": {"reference": f"Patient/{GONE}/_history/3"}, "unknown": 1}, {"unknown": 2}]}, {"link": [{"unknown": 2}]}),
    ],
)  # fmt: skip
def test_the_other_patient_stays_without_the_mention(
    lake: Lake, tmp_path: Path, members: dict[str, Any], left: dict[str, Any]
) -> None:
    base = {name: value for name, value in child().items() if name not in members}
    found = erased(lake, tmp_path, base | members)
    assert found == parse_exactly(json.dumps(base | left).encode())


def test_digits_stay_as_they_were(lake: Lake, tmp_path: Path) -> None:
    line = json.dumps(child(link=[LINK], extension=[RANK], odd=7)).replace('"1.50"', "1.50").replace("7}", "7.00}")
    wanted = parse_exactly(line.encode())
    del wanted["link"]
    assert erased(lake, tmp_path, line) == wanted


def test_where_nothing_can_be_cut_out_all_is_left(lake: Lake, tmp_path: Path) -> None:
    contained = [{"resourceType": "RelatedPerson", "id": "r", "patient": {"reference": f"Patient/{GONE}"}}]
    load_lines(lake, tmp_path, child(contained=contained))
    before = sorted(files_below(Path(lake.uri)))
    with pytest.raises(DataError) as caught:
        lake.erase(f"Patient/{GONE}", reason=REASON)
    assert caught.value.code == "linked_patients"
    assert sorted(files_below(Path(lake.uri))) == before
    load_lines(lake, tmp_path, other_patient(77, 5))
    assert lake.erase(f"Patient/{GONE}", reason=REASON).complete


def test_the_same_line_sent_again_brings_no_mention_back(lake: Lake, tmp_path: Path) -> None:
    line = json.dumps(child(link=[LINK]))
    without = erased(lake, tmp_path, line)
    result = load_lines(lake, tmp_path, line, observation_of(OTHER))
    assert result.counts["Patient"].unchanged == 1
    assert exported(lake)["Patient", "pat-other-0077"] == without


def observation_of(patient: str) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": "late",
        "status": "final",
        "subject": {"reference": f"Patient/{patient}"},
    }


def test_views_and_raw_files_have_the_other_patient_without_the_link(lake: Lake, tmp_path: Path) -> None:
    raw = write_lines(tmp_path / "raw" / "Patient.ndjson", [child(link=[LINK, OTHER_LINK]), other_patient(5)])
    load_lines(lake, tmp_path, child(link=[LINK, OTHER_LINK]))
    lake.build_views("patient", "patient_link", definitions=starter_views())
    rows = lake.sql("FROM lineage.patient ORDER BY lake_resource").fetchall()
    receipt = lake.erase(f"Patient/{GONE}", reason=REASON, raw=[raw.parent])
    assert (receipt.complete, receipt.raw) == (True, {"files": 1, "lines": 0, "cut": 1})
    assert [json.loads(line).get("link") for line in raw.read_bytes().splitlines()] == [[OTHER_LINK], None]
    assert lake.sql("FROM lineage.patient ORDER BY lake_resource").fetchall() == [
        row for row in rows if GONE not in repr(row)
    ]
    links = "SELECT * EXCLUDE (lake_source) FROM lineage.patient_link ORDER BY ALL"
    after = lake.sql(links).fetchall()
    lake.build_views("patient", "patient_link", definitions=starter_views())
    assert len(after) == 1
    assert lake.sql(links).fetchall() == after
    assert traces(files_below(Path(lake.uri))) == []


def test_mentions_may_stay_with_the_links(lake: Lake, tmp_path: Path) -> None:
    load_lines(lake, tmp_path, child(link=[LINK]))
    lake.erase(f"Patient/{GONE}", reason=REASON, keep_mentions=True)
    assert exported(lake)["Patient", "pat-other-0077"]["link"] == [LINK]


class Stop(BaseException):
    """What a kill is to the code that it meets."""


@pytest.mark.parametrize("step", ["_take_out", "_erase_raw", "_remove_old", "_prove"])
def test_an_interrupted_erasure_cuts_the_link_too(
    lake: Lake, step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_lines(lake, tmp_path, child(link=[LINK, OTHER_LINK]))
    lake.build_views("patient", "patient_link", definitions=starter_views())

    def stop(*_arguments: object) -> None:
        raise Stop

    with monkeypatch.context() as patched:
        patched.setattr(erase_module._Erasure, step, stop)
        with pytest.raises(Stop):
            lake.erase(f"Patient/{GONE}", reason=REASON)
    receipt = lake.erase(f"Patient/{GONE}", reason=REASON)
    assert (receipt.resumed, receipt.complete) == (True, True)
    assert exported(lake)["Patient", "pat-other-0077"]["link"] == [OTHER_LINK]
    assert lake.sql("SELECT count(*) FROM patient").fetchall() == [(7,)]
    assert traces(files_below(Path(lake.uri))) == []


def test_rows_that_are_made_anew_are_of_the_time_of_the_others(lake: Lake, tmp_path: Path) -> None:
    load_lines(lake, tmp_path, child(link=[LINK]))
    select = {"column": [{"name": "id", "path": "id"}, {"name": "moment", "path": "now()", "type": "dateTime"}]}
    folder = write_lines(
        tmp_path / "views/timed.json", [{"resource": "Patient", "name": "timed", "select": [select]}]
    ).parent
    lake.build_views(definitions=folder)
    assert lake.erase(f"Patient/{GONE}", reason=REASON).complete
    assert lake.sql("SELECT count(*) > 1, count(DISTINCT moment) FROM timed").fetchall() == [(True, 1)]
