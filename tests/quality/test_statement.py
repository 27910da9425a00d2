"""The statement of a load, attacked: counts off by one, outcomes of errors, references into nothing, late types."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from lacustre import Lake
from lacustre.errors import SettingsError
from lacustre.quality.thresholds import Thresholds, read_shares
from lacustre.store import load as load_module
from lacustre.store.load_result import LoadResult
from support.exports import write_export
from support.loading import Resource, load_lines, write_lines


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(tmp_path / "lake")


def patient(name: str, **members: Any) -> Resource:
    return {"resourceType": "Patient", "id": name, "gender": "male", **members}


def encounter(name: str, subject: str = "Patient/a") -> Resource:
    return {"resourceType": "Encounter", "id": name, "status": "finished", "subject": {"reference": subject}}


def observation(name: str, **references: str) -> Resource:
    members = {member: {"reference": reference} for member, reference in references.items()}
    return {"resourceType": "Observation", "id": name, "status": "final", **members}


def outcome(*severities: object) -> Resource:
    issues = [{"severity": severity, "code": "processing", "diagnostics": "DUPONT Jean"} for severity in severities]
    return {"resourceType": "OperationOutcome", "issue": issues}


def codes(result: LoadResult) -> list[str]:
    return [reason.code for reason in result.holds]


def references(result: LoadResult) -> dict[tuple[str, str, str], tuple[int, int]]:
    rows = result.statement["references"]
    return {(row["source"], row["path"], row["target"]): (row["count"], row["resolved"]) for row in rows}


def test_a_statement_is_json_and_the_ledger_keeps_it(lake: Lake, tmp_path: Path) -> None:
    result = lake.load(write_export(tmp_path / "a", 3, {"Patient": [patient("a"), patient("b"), patient("a")]}))
    assert json.loads(json.dumps(result.statement)) == lake.record().statement
    fates = {"read": 3, "inserted": 2, "updated": 0, "unchanged": 0, "superseded": 1, "rejected": 0, "deleted": 0}
    assert result.statement["types"] == {"Patient": {**fates, "rows": 2}}
    assert (result.state, result.holds) == ("published", ())


@pytest.mark.parametrize(
    ("announced", "missing", "surplus", "held"),
    [(3, 0, 0, []), (4, 1, 0, ["lines_missing"]), (2, 0, 1, ["lines_surplus"]), (0, 0, 3, ["lines_surplus"])],
)
@pytest.mark.parametrize("bad", [False, True])
def test_counts_off_by_one(
    lake: Lake, tmp_path: Path, announced: int, missing: int, surplus: int, held: list[str], bad: bool
) -> None:
    lines = [patient("a"), patient("b"), "{bad" if bad else patient("c")]
    source = write_export(tmp_path / "a", 3, {"Patient": lines}, announced={"Patient": announced})
    result = lake.load(source, max_rejects=1.0)
    files = result.statement["files"]
    assert (files["missing"], files["surplus"], codes(result)) == (missing, surplus, held)
    named = [{"file": "Patient.ndjson", "announced": announced, "read": 3}] if held else []
    assert (files["announced"], files["named"]) == (1, named)


def test_gaps_do_not_make_up_for_each_other(lake: Lake, tmp_path: Path) -> None:
    output = {"Patient": [patient("a"), patient("b")], "Encounter": [encounter("e")]}
    source = write_export(tmp_path / "a", 3, output, announced={"Patient": 3, "Encounter": 0})
    result = lake.load(source, thresholds=Thresholds(max_miscounted=1))
    assert codes(result) == ["lines_missing", "lines_surplus"]
    again = Lake.open(tmp_path / "other").load(source, thresholds=Thresholds(max_miscounted=2))
    assert (again.state, again.statement["files"]["missing"]) == ("published", 1)


@pytest.mark.parametrize(("announced", "held"), [(1, []), (3, []), (4, ["lines_missing"])])
def test_deleted_files_may_announce_bundles_or_deletions(
    lake: Lake, tmp_path: Path, announced: int, held: list[str]
) -> None:
    entries = [{"request": {"method": "DELETE", "url": f"Patient/{name}"}} for name in "abc"]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    result = lake.load(write_export(tmp_path / "a", 3, {}, deleted=[bundle], announced={"deleted": announced}))
    assert codes(result) == held


@pytest.mark.parametrize(
    ("lines", "counts", "held"),
    [
        (
            [outcome("information", "warning"), outcome("success")],
            {"information": 1, "success": 1, "warning": 1},
            False,
        ),
        ([outcome("warning"), outcome("error", "error")], {"error": 2, "warning": 1}, True),
        ([outcome("fatal")], {"fatal": 1}, True),
        (["{cut off"], {"unreadable": 1}, True),
        ([patient("a")], {"unreadable": 1}, True),
        ([{"resourceType": "OperationOutcome", "issue": {}}], {"unreadable": 1}, True),
        ([outcome("ERROR", 7), "[]", "3"], {"unreadable": 4}, True),
        ([{"resourceType": "OperationOutcome", "issue": [3]}], {"unreadable": 1}, True),
    ],
)
def test_outcomes_of_the_exporting_server(
    lake: Lake, tmp_path: Path, lines: Sequence[Any], counts: dict[str, int], held: bool
) -> None:
    result = lake.load(write_export(tmp_path / "a", 3, {"Patient": [patient("a")]}, error=lines))
    assert (result.statement["errors"], codes(result)) == (counts, ["export_errors"] * held)
    assert "DUPONT" not in json.dumps(result.statement) + str(result.holds)


def test_outcomes_may_be_compressed_and_damaged(lake: Lake, tmp_path: Path) -> None:
    folder = write_export(tmp_path / "a", 3, {"Patient": [patient("a")]}, error=[outcome("error")] * 500)
    packed = gzip.compress((folder / "errors.ndjson").read_bytes())
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["error"][0]["url"] = "errors.ndjson.gz"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "errors.ndjson.gz").write_bytes(packed)
    limit = Thresholds(max_export_errors=500)
    assert lake.load(folder, thresholds=limit).statement["errors"] == {"error": 500}
    (folder / "errors.ndjson.gz").write_bytes(packed[:-20])
    result = lake.load(folder, again=True, thresholds=limit)
    assert result.statement["errors"]["unreadable"] == 1


def test_references_at_every_depth(lake: Lake, tmp_path: Path) -> None:
    extension = {"url": "http://x", "valueReference": {"reference": "Patient/b"}}
    stay = encounter("e") | {
        "participant": [
            {"individual": {"reference": "Practitioner/p"}},
            {"individual": {"reference": "Practitioner/q"}},
        ],
        "extension": [{"url": "http://y", "extension": [extension, extension]}],
        "_status": {"extension": [extension]},
    }
    report = {
        "resourceType": "DiagnosticReport",
        "id": "r",
        "status": "final",
        "result": [{"reference": f"Observation/{name}"} for name in ("o", "o", "zz")],
        "subject": {"identifier": {"value": "1", "assigner": {"reference": "Organization/x"}}},
    }
    result = load_lines(lake, tmp_path, patient("a"), patient("b"), observation("o"), stay, report)
    assert references(result) == {
        ("Encounter", "subject", "Patient"): (1, 1),
        ("Encounter", "participant.individual", "Practitioner"): (2, 0),
        ("Encounter", "extension.extension.valueReference", "Patient"): (2, 2),
        ("Encounter", "_status.extension.valueReference", "Patient"): (1, 1),
        ("DiagnosticReport", "result", "Observation"): (3, 2),
        ("DiagnosticReport", "subject.identifier.assigner", "Organization"): (1, 0),
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Patient/a", ("Patient", 1, 1)),
        ("https://ehr.example.org/fhir/Patient/a", ("Patient", 1, 1)),
        ("HTTP://ehr.example.org/Patient/a/_history/7", ("Patient", 1, 1)),
        ("Patient/a/_history/1", ("Patient", 1, 1)),
        ("Patient/A", ("Patient", 1, 0)),
        ("Patientt/a", ("Patientt", 1, 0)),
        ("#a", "contained"),
        ("urn:uuid:6b3a0f2e-0000-4000-8000-000000000000", "urn"),
        ("Patient?identifier=http://x|1", "conditional"),
        ("http://ehr.example.org/fhir/Patient?identifier=1", "conditional"),
        ("", "unreadable"),
        ("patient/a", "unreadable"),
        ("Patient/a/b", "unreadable"),
        ("a' || (SELECT 1) || '", "unreadable"),
    ],
)
def test_kinds_of_references(lake: Lake, tmp_path: Path, text: str, expected: Any) -> None:
    result = load_lines(lake, tmp_path, patient("a"), observation("o", subject=text))
    if isinstance(expected, str):
        assert (references(result), result.statement["other_references"]) == ({}, {expected: 1})
    else:
        target, *counts = expected
        assert references(result) == {("Observation", "subject", target): tuple(counts)}
        assert result.statement["other_references"] == {}


def test_only_what_a_load_wrote_is_counted_against_all_that_the_lake_has(lake: Lake, tmp_path: Path) -> None:
    first = load_lines(lake, tmp_path, observation("o", subject="Patient/a"), thresholds=Thresholds({"Patient": 0.0}))
    assert (codes(first), references(first)) == (
        ["unresolved_references"],
        {("Observation", "subject", "Patient"): (1, 0)},
    )
    second = load_lines(lake, tmp_path, patient("a"), observation("p", subject="Patient/a", encounter="Encounter/e"))
    assert references(second) == {
        ("Observation", "subject", "Patient"): (1, 1),
        ("Observation", "encounter", "Encounter"): (1, 0),
    }
    assert second.statement["rechecked_references"] == {first.load: {"count": 1, "resolved": 1}}
    assert (second.state, [reason.operation for reason in second.holds]) == ("held", [first.load])
    lake.publish("the patient came later")
    third = load_lines(lake, tmp_path, observation("o", subject="Patient/a"), observation("q", subject="Patient/a"))
    assert references(third) == {("Observation", "subject", "Patient"): (1, 1)}
    assert (third.state, third.statement["rechecked_references"]) == ("published", {})
    lake.delete("Patient/a")
    fourth = load_lines(lake, tmp_path, observation("r", subject="Patient/a"))
    assert references(fourth) == {("Observation", "subject", "Patient"): (1, 0)}


def test_a_rerun_counts_what_the_interrupted_load_wrote(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    source = write_lines(tmp_path / "a.ndjson", [patient("a"), observation("o", subject="Patient/zz")])
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(load_module, "add_loaded", crash)
        lake.load(source)
    result = lake.load(source)
    assert (result.total("unchanged"), references(result)) == (2, {("Observation", "subject", "Patient"): (1, 0)})


@pytest.mark.parametrize(
    ("shares", "held"),
    [({}, 0), ({"all": 0.5}, 0), ({"all": 0.4}, 1), ({"Patient": 0.0}, 0), ({"Patient": 0.0, "Encounter": 0.9}, 1)],
)
def test_shares_of_unresolved_references(lake: Lake, tmp_path: Path, shares: dict[str, float], held: int) -> None:
    lines = [patient("a"), observation("o", subject="Patient/a", encounter="Encounter/e")]
    result = load_lines(lake, tmp_path, *lines, thresholds=Thresholds(shares))
    assert codes(result) == ["unresolved_references"] * held


def test_thresholds_that_cannot_be_are_refused_before_the_load(lake: Lake, tmp_path: Path) -> None:
    assert read_shares(["0.2", "Patient=0"]) == {"all": 0.2, "Patient": 0.0}
    for text in ("x", "Patient=", "Patient=none", ""):
        with pytest.raises(SettingsError, match="bad_threshold"):
            read_shares([text])
    for wrong in ({"max_deleted": 1.5}, {"max_unresolved": {"all": float("nan")}}, {"max_miscounted": -1}):
        with pytest.raises(SettingsError, match="bad_threshold"):
            Thresholds(**wrong)
    with pytest.raises(SettingsError, match="unknown_resource_type"):
        load_lines(lake, tmp_path, patient("a"), thresholds=Thresholds({"Patiant": 0.0}))
    assert list(lake.history()) == []


def test_many_deletions_hold(lake: Lake, tmp_path: Path) -> None:
    load_lines(lake, tmp_path, *(patient(f"p{n}") for n in range(200)))

    def deleting(names: range, day: int) -> Path:
        entries = [{"request": {"method": "DELETE", "url": f"Patient/p{n}"}} for n in names]
        bundle = {
            "resourceType": "Bundle",
            "type": "transaction",
            "timestamp": "2126-01-01T00:00:00Z",
            "entry": entries,
        }
        return write_export(tmp_path / f"d{day}", day, {}, deleted=[bundle])

    assert codes(lake.load(deleting(range(50), 3))) == []
    assert codes(lake.load(deleting(range(50, 180), 4))) == ["many_deletions"]


def stays(result: LoadResult) -> tuple[int, int, dict[str, int]]:
    found = result.statement["completeness"]
    return found["encounters"], found["complete"], found["waiting"]


def test_an_encounter_is_complete_when_every_linked_type_came_with_or_after_it(lake: Lake, tmp_path: Path) -> None:
    linked = observation("o", encounter="Encounter/e")
    condition = {"resourceType": "Condition", "id": "c", "encounter": {"reference": "Encounter/e"}}

    def load(day: int, **output: Sequence[Resource]) -> LoadResult:
        return lake.load(write_export(tmp_path / f"{day}-{'-'.join(output)}", day, output))

    assert stays(load(1, Patient=[patient("a")], Encounter=[encounter("e")], Observation=[linked])) == (1, 1, {})
    assert stays(load(1, Condition=[condition])) == (1, 1, {})
    second = load(2, Encounter=[encounter("f"), encounter("g")])
    assert stays(second) == (3, 1, {"Condition": 2, "Observation": 2})
    assert codes(second) == []
    assert stays(load(2, Observation=[observation("p", encounter="Encounter/f")])) == (3, 1, {"Condition": 2})
    # what is sent again without a change is still delivered
    assert stays(load(3, Condition=[condition])) == (3, 3, {})
    limit = Thresholds(max_incomplete=0.2)
    last = lake.load(write_export(tmp_path / "last", 4, {"Encounter": [encounter("h")]}), thresholds=limit)
    assert (stays(last)[:2], codes(last)) == ((4, 3), ["incomplete_encounters"])


@pytest.mark.parametrize(
    ("query", "waiting"),
    [
        ("", {}),
        ("?_since=2026-01-01T00:00:00Z", {}),
        ("?_type=Encounter,Observation,Condition", {}),
        ("?_type=Encounter&_type=Observation", {"Condition": 1}),
        ("?_type=Encounter", {"Condition": 1, "Observation": 1}),
        (None, {"Condition": 1, "Observation": 1}),
    ],
)
def test_a_type_that_was_asked_for_and_has_nothing_new_is_delivered(
    lake: Lake, tmp_path: Path, query: str | None, waiting: dict[str, int]
) -> None:
    condition = {"resourceType": "Condition", "id": "c", "encounter": {"reference": "Encounter/e"}}
    linked = observation("o", encounter="Encounter/e")
    lake.load(write_export(tmp_path / "1", 1, {"Encounter": [encounter("e")], "Observation": [linked, condition]}))
    request = {} if query is None else {"request": f"https://ehr.example.org/fhir/$export{query}"}
    result = lake.load(write_export(tmp_path / "2", 2, {"Encounter": [encounter("f")]}, **request))
    assert stays(result) == (2, 1 if waiting else 2, waiting)
    later = lake.load(write_export(tmp_path / "3", 2, {"Patient": [patient("a")]}))
    assert stays(later) == (2, 1 if waiting else 2, waiting)


def test_completeness_by_group(lake: Lake, tmp_path: Path) -> None:
    members = [{"entity": {"reference": f"Patient/{name}"}} for name in ("a", "b", "a")]
    group = {"resourceType": "Group", "id": "g", "type": "person", "actual": True, "member": members}
    first = {
        "Group": [group],
        "Patient": [patient("a"), patient("b"), patient("c")],
        "Encounter": [encounter("e"), encounter("f", "Patient/c")],
        "Observation": [observation("o", encounter="Encounter/e")],
    }
    lake.load(write_export(tmp_path / "a", 1, first))
    result = lake.load(write_export(tmp_path / "b", 2, {"Encounter": [encounter("h", "Patient/b")]}))
    found = result.statement["completeness"]
    assert found["groups"] == {"g": {"members": 2, "encounters": 2, "complete": 1, "waiting": {"Observation": 1}}}
    assert stays(result) == (3, 2, {"Observation": 1})


def test_without_a_manifest_a_load_is_an_export(lake: Lake, tmp_path: Path) -> None:
    first = load_lines(lake, tmp_path, encounter("e"), observation("o", encounter="Encounter/e"))
    assert stays(first) == (1, 1, {})
    assert first.statement["files"]["announced"] == 0
    instant = first.load[:16]
    shown = f"{instant[:4]}-{instant[4:6]}-{instant[6:11]}:{instant[11:13]}:{instant[13:15]}.000Z"
    assert first.statement["completeness"]["delivered"] == {"Encounter": shown, "Observation": shown}


def test_freshness_is_of_all_loads(lake: Lake, tmp_path: Path) -> None:
    dated = patient("a", meta={"lastUpdated": "2026-01-20T10:00:00.123+01:00"})
    lake.load(write_export(tmp_path / "a", 21, {"Patient": [dated]}))
    result = lake.load(write_export(tmp_path / "b", 7, {"Encounter": [encounter("e")]}))
    assert result.statement["freshness"] == {
        "updated": {"Patient": "2026-01-20T09:00:00.123Z"},
        "export": "2026-01-21T00:00:00.000Z",
    }
