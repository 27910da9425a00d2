"""Contained resources as tables: in step with their containers, whatever happens to these."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lacustre import Lake
from lacustre.errors import InputError
from lacustre.store import maintained_table
from lacustre.store.contained import ContainedEncoder, split_contained
from lacustre.store.contained_tables import extract_contained
from lacustre.store.ledger import append_record, newest
from lacustre.store.operation import operation
from support.contained_rows import require_in_step, stored
from support.loading import Resource, load_lines
from support.old_lakes import forget_contained

MEDICATION = {"resourceType": "Medication", "id": "m1", "status": "active", "code": {"text": "Paracetamol"}}
ORGANIZATION = {"resourceType": "Organization", "id": "o1", "name": "CHU"}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(tmp_path / "lake")


def request(name: str, *contained: Any, day: int = 1, **members: Any) -> Resource:
    return {
        "resourceType": "MedicationRequest",
        "id": name,
        "meta": {"lastUpdated": f"2026-01-{day:02d}T00:00:00Z"},
        "subject": {"reference": f"Patient/{name}"},
        **({"contained": list(contained)} if contained else {}),
        **members,
    }


def versions(lake: Lake) -> dict[str, int | None]:
    return {f"{table.schema}.{table.name}": table.version for table in lake.tables()}


def ids(lake: Lake, name: str = "Medication") -> list[str]:
    return [one for (one,) in lake.sql(f'SELECT id FROM contained."{name}" ORDER BY id').fetchall()]


def test_contained_resources_are_rows_with_what_their_container_has(lake: Lake, tmp_path: Path) -> None:
    result = load_lines(lake, tmp_path, request("a", MEDICATION, ORGANIZATION), request("b"), shards=2)
    assert result.contained.resources == {"Medication": 1, "Organization": 1}
    assert result.statement["contained"] == {"resources": {"Medication": 1, "Organization": 1}, "malformed": {}}
    rows = lake.sql("SELECT id, lake_container, lake_patient, code.text, lake_source.line FROM contained.Medication")
    assert rows.fetchall() == [("MedicationRequest/a#m1", "MedicationRequest/a", "a", "Paracetamol", 1)]
    assert require_in_step(lake) == 2
    assert lake.record().contained == {"fhir/MedicationRequest": 1}


def test_numbers_and_unknown_members_come_back_as_they_were(lake: Lake, tmp_path: Path) -> None:
    odd = '{"resourceType":"Medication","id":"m1","amount":{"numerator":{"value":1.10},"denominator":{"value":1E2}},'
    odd += '"zz":[1.50,null],"contained":[{"resourceType":"Substance","id":"s"}],"status":"é\\u0041"}'
    line = json.dumps(request("a", 0)).replace("[0]", f"[{odd}]")
    result = load_lines(lake, tmp_path, line)
    assert result.contained.malformed == {"nested": 1}
    assert require_in_step(lake) == 1
    ((numerator, rest),) = lake.sql(
        "SELECT amount.numerator.value, len(lake_rest) FROM contained.Medication"
    ).fetchall()
    assert (numerator, rest) == ("1.10", 2)


def test_what_is_malformed_is_counted_and_stays_in_its_container(lake: Lake, tmp_path: Path) -> None:
    twice = [{**MEDICATION, "id": "t"}, {**ORGANIZATION, "id": "t"}]
    odd = [5, {"id": "x"}, {"resourceType": "Medicine", "id": "y"}, {"resourceType": "Medication"}]
    hash_id = {**MEDICATION, "id": "#m"}
    lines = [request("a", MEDICATION, *twice, *odd, hash_id), {**request("b"), "contained": {"id": "c"}}]
    result = load_lines(lake, tmp_path, *lines)
    assert result.contained.malformed == {
        "duplicate_id": 2,
        "not_an_object": 1,
        "no_resource_type": 1,
        "unknown_resource_type": 1,
        "no_id": 2,
        "not_a_list": 1,
    }
    assert ids(lake) == ["MedicationRequest/a#m1"]
    assert [json.loads(line) for line in sorted(lake.export("MedicationRequest"))] == lines


def test_the_same_export_again_writes_nothing(lake: Lake, tmp_path: Path) -> None:
    first = load_lines(lake, tmp_path, request("a", MEDICATION), request("b", MEDICATION))
    before, files = versions(lake), sorted(tmp_path.rglob("*.parquet"))
    load_lines(lake, tmp_path, request("a", MEDICATION), request("b", MEDICATION))
    again = lake.load(tmp_path / "load-000.ndjson", processes=1, again=True)
    assert versions(lake) == before
    assert [path for path in sorted(tmp_path.rglob("*.parquet")) if "/files/" not in str(path)] == [
        path for path in files if "/files/" not in str(path)
    ]
    assert (first.contained.resources, again.contained.resources) == ({"Medication": 2}, {})


def test_a_new_version_replaces_what_was_contained(lake: Lake, tmp_path: Path) -> None:
    load_lines(lake, tmp_path, request("a", MEDICATION), request("b", MEDICATION), request("c", MEDICATION))
    load_lines(lake, tmp_path, request("a", {**MEDICATION, "id": "m2"}, ORGANIZATION, day=2), request("b", day=2))
    assert (ids(lake), ids(lake, "Organization")) == (
        ["MedicationRequest/a#m2", "MedicationRequest/c#m1"],
        ["MedicationRequest/a#o1"],
    )
    assert load_lines(lake, tmp_path, request("a", MEDICATION), request("b", MEDICATION)).contained.resources == {}
    assert require_in_step(lake) == 3


def test_updates_in_any_order_come_to_the_same(tmp_path: Path) -> None:
    newest_ones = {**MEDICATION, "status": "inactive"}
    steps = [request("a", MEDICATION, day=1), request("a", day=2), request("a", newest_ones, day=3)]
    found = []
    for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0)):
        lake = Lake.open(tmp_path / f"lake {order}")
        for position in order:
            load_lines(lake, tmp_path / f"{order}", steps[position])
        require_in_step(lake)
        found.append(stored(lake))
    assert found == [found[0]] * 3


def test_a_deleted_container_takes_its_contained_resources_along(lake: Lake, tmp_path: Path) -> None:
    load_lines(lake, tmp_path, request("a", MEDICATION), request("b", MEDICATION))
    lake.delete("MedicationRequest/a")
    assert ids(lake) == ["MedicationRequest/b#m1"]
    lake.delete("MedicationRequest/b")
    assert ids(lake) == []
    assert require_in_step(lake) == 0
    assert not lake.verify().unexpected


def test_versions_of_the_past_have_their_contained_resources(lake: Lake, tmp_path: Path) -> None:
    load_lines(lake, tmp_path, request("a", MEDICATION))
    load_lines(lake, tmp_path, request("a", ORGANIZATION, day=2))
    assert (ids(lake.at(1)), ids(lake.at(2))) == (["MedicationRequest/a#m1"], [])
    assert [(table.schema, table.name, table.rows) for table in lake.at(1).tables()] == [
        ("fhir", "MedicationRequest", 1),
        ("contained", "Medication", 1),
    ]
    with pytest.raises(InputError, match=r"there is no view or table Organization"):
        ids(lake.at(1), "Organization")


def test_maintenance_merges_files_of_containers_and_of_what_they_contain(lake: Lake, tmp_path: Path) -> None:
    for number in range(4):
        load_lines(lake, tmp_path, request(f"r{number}", MEDICATION, ORGANIZATION), request(f"s{number}"))
    before, rows = versions(lake), stored(lake)
    lake.maintain()
    assert (stored(lake), require_in_step(lake)) == (rows, 8)
    assert len(lake._tenant.contained_table("Medication").snapshot().files) == 1  # type: ignore[union-attr]
    table = maintained_table.MaintainedTable.of(lake._tenant.contained_table("Medication"))
    assert table.same_rows(int(before["contained.Medication"] or 0), int(versions(lake)["contained.Medication"] or 0))
    assert lake.record().contained["fhir/MedicationRequest"] == versions(lake)["fhir.MedicationRequest"]
    settled = versions(lake)
    lake.maintain()
    load_lines(lake, tmp_path, {"resourceType": "Patient", "id": "p"})
    assert {name: settled[name] for name in settled} == {name: versions(lake)[name] for name in settled}


def test_maintenance_removes_what_old_versions_alone_needed(lake: Lake, tmp_path: Path) -> None:
    from lacustre.store.maintain import maintain
    from lacustre.store.retention import Retention

    for day in (1, 2, 3):
        load_lines(lake, tmp_path, request("a", {**MEDICATION, "status": str(day)}, day=day))
    for days in (1, 3):
        maintain(lake._tenant, Retention(keep_days=0, now=datetime.now().astimezone() + timedelta(days=days)))
    data = [path for path in (tmp_path / "lake").rglob("contained/**/*.parquet") if "_delta_log" not in str(path)]
    assert len(data) == 1
    assert require_in_step(lake) == 1
    assert lake.verify().sound


@pytest.mark.parametrize("step", ["load", "maintain", "delete"])
def test_a_lake_of_an_older_version_is_filled_up(step: str, lake: Lake, tmp_path: Path) -> None:
    load_lines(lake, tmp_path, request("a", MEDICATION), request("b", ORGANIZATION))
    load_lines(lake, tmp_path, request("c", MEDICATION), {"resourceType": "Patient", "id": "p", "contained": [{}]})
    forget_contained(lake)
    if step == "load":
        result = load_lines(lake, tmp_path, request("d"))
        assert (result.contained.resources, result.contained.malformed) == ({}, {})
        assert result.contained.added == {"Medication": 2, "Organization": 1}
    elif step == "maintain":
        assert lake.maintain().version == 2
        assert lake.maintain().version is None
    else:
        lake.delete("MedicationRequest/zz")
    assert require_in_step(lake) == 3
    assert lake.verify().sound
    assert set(lake.record().contained) == {"fhir/MedicationRequest", "fhir/Patient"}


def test_what_a_writer_lost_between_two_commits_is_made_up(lake: Lake, tmp_path: Path) -> None:
    load_lines(lake, tmp_path, request("a", MEDICATION))
    record = newest(lake._tenant)
    load_lines(lake, tmp_path, request("b", MEDICATION), request("a", day=2))
    # as if the second load's record had never been written, and its commits to contained tables neither
    tenant = Path(lake.uri) / lake._tenant.tenant.root
    (tenant / "ledger/0000000002.json").unlink()
    table = lake._tenant.contained_table("Medication")
    for name in ("00000000000000000002.json", "00000000000000000003.json"):
        (tenant / f"contained/Medication/_delta_log/{name}").unlink(missing_ok=True)
    assert record is not None
    assert table.version() == record.tables["contained/Medication"]
    assert ids(lake) == ["MedicationRequest/a#m1"]
    load_lines(lake, tmp_path, {"resourceType": "Patient", "id": "p"})
    assert ids(lake) == ["MedicationRequest/b#m1"]


def test_rows_of_files_that_are_gone_go_even_where_no_table_changed(lake: Lake, tmp_path: Path) -> None:
    """As a writer may leave them that was slower than two others together."""
    load_lines(lake, tmp_path, request("a", MEDICATION))
    table = lake._tenant.contained_table("Medication")
    (file,) = table.snapshot().files  # type: ignore[union-attr]
    load_lines(lake, tmp_path, request("a", day=2))
    from lacustre.store.delta import NewFile

    snapshot = table.snapshot()
    assert snapshot is not None
    table.commit(snapshot.schema, [NewFile(file.path, file.partition, file.rows, file.size)], after=snapshot.version)
    assert ids(lake) == ["MedicationRequest/a#m1"]
    load_lines(lake, tmp_path, {"resourceType": "Patient", "id": "p"})
    assert ids(lake) == []


def test_a_schema_that_grows(lake: Lake, tmp_path: Path) -> None:
    load_lines(lake, tmp_path, request("a", MEDICATION))
    load_lines(lake, tmp_path, request("b", {**MEDICATION, "batch": {"lotNumber": "7"}}))
    assert lake.sql("SELECT batch.lotNumber FROM contained.Medication ORDER BY id").fetchall() == [(None,), ("7",)]
    assert require_in_step(lake) == 2
    (entry,) = [
        path
        for path in (tmp_path / "lake").rglob("contained/Medication/_delta_log/*2.json")
        if '"metaData"' in path.read_text()
    ]
    assert lake.record().id in entry.read_text()  # each commit says whose it is


def test_many_are_encoded_in_slices(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lacustre.store.contained.SLICE_RESOURCES", 7)
    monkeypatch.setattr("lacustre.store.contained_tables.BATCH_ROWS", 5)
    lines = [request(f"r{number}", *[{**MEDICATION, "id": f"m{one}"} for one in range(3)]) for number in range(20)]
    load_lines(lake, tmp_path, *lines)
    assert require_in_step(lake) == 60
    load_lines(lake, tmp_path, request("r3", day=2))
    assert require_in_step(lake) == 57


def test_a_writer_that_loses_a_race_looks_again(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_lines(lake, tmp_path, request("a", MEDICATION))
    commit = maintained_table.MaintainedTable.commit
    other: list[Any] = [lambda: load_lines(lake, tmp_path / "other", request("b", MEDICATION), request("a", day=2))]

    def late(self: Any, *arguments: Any, **options: Any) -> int:
        if other and self.name == "contained/Medication":
            other.pop()()
        return commit(self, *arguments, **options)

    monkeypatch.setattr(maintained_table.MaintainedTable, "commit", late)
    load_lines(lake, tmp_path, request("c", MEDICATION))
    assert ids(lake) == ["MedicationRequest/b#m1", "MedicationRequest/c#m1"]
    assert require_in_step(lake) == 2
    assert lake.verify().sound
    assert lake.verify().unneeded == 0  # what was put in vain is gone


def test_a_container_that_goes_while_its_rows_are_committed(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one finds nothing to do in the contained table, and makes no commit that could be met."""
    load_lines(lake, tmp_path, request("z", MEDICATION))
    commit, armed = maintained_table.MaintainedTable.commit, [True]

    def late(self: Any, *arguments: Any, **options: Any) -> int:
        if armed and self.name == "contained/Medication":
            armed.pop()
            other = Lake.open(lake.uri)
            other.delete("MedicationRequest/y")
        return commit(self, *arguments, **options)

    monkeypatch.setattr(maintained_table.MaintainedTable, "commit", late)
    load_lines(lake, tmp_path, request("y", MEDICATION))
    assert ids(lake) == ["MedicationRequest/z#m1"]


def test_pieces_of_a_list_keep_their_text() -> None:
    text = '[ {"a":1.10,"b":"],["} ,\t5 , "x",null , [{}] ]'
    found = split_contained(text)
    assert found is not None
    assert [piece for _, piece in found] == ['{"a":1.10,"b":"],["}', "5", '"x"', "null", "[{}]"]
    assert (split_contained("[]"), split_contained("{}"), split_contained("[1 x]")) == ([], None, None)


def test_an_encoder_counts_only_what_its_own_load_wrote(lake: Lake) -> None:
    encoder = ContainedEncoder(lake.settings.model, {}, "mine")
    assert list(encoder.encode("Patient", [])) == []
    assert encoder.malformed == {}


def test_nothing_is_done_twice(lake: Lake, tmp_path: Path) -> None:
    load_lines(lake, tmp_path, request("a", MEDICATION))
    with operation(lake._tenant, "load", "UTC") as running:
        changes = extract_contained(running)
    assert (changes.added, changes.removed, changes.of) == ({}, {}, {"fhir/MedicationRequest": 1})
    assert running.written == []


def test_records_inherit_what_they_say_nothing_of(lake: Lake, tmp_path: Path) -> None:
    load_lines(lake, tmp_path, request("a", MEDICATION))
    from dataclasses import replace

    record = newest(lake._tenant)
    assert record is not None
    after = append_record(lake._tenant, replace(record, id="another", kind="settle", contained={}))
    assert after.contained == record.contained
