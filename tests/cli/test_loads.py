"""`loads`, `rejects` and `delete` as their users run them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from lacustre import Lake
from support.exports import write_export
from support.loading import load_lines, write_lines

PATIENT = {"resourceType": "Patient", "id": "p1", "gender": "female"}
SECRET = '{"resourceType": "Patient", "id": "p2", "name": [{"family": "Kerdoncuff"}]'


def run(lake: Lake, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"LACUSTRE_LAKE": lake.uri}
    command = [sys.executable, "-c", "from lacustre.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)


def test_a_load_prints_its_statement_and_a_hold_is_released(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake")
    assert "nothing was done" in run(lake, "loads", "list").stdout
    observation = {"resourceType": "Observation", "id": "o", "subject": {"reference": "Patient/zz"}}
    output = {"Patient": [PATIENT], "Observation": [observation]}
    source = write_export(tmp_path / "a", 3, output, announced={"Patient": 2})
    done = run(lake, "load", source, "--max-unresolved", "Patient=0")
    assert done.returncode == 0, done.stderr
    shown = " ".join(done.stdout.split())
    assert "1 of 2 differ from what was announced, 1 lines missing" in shown
    assert "Patient.ndjson: 2 announced, 1 read" in shown
    assert "references: 0 of 1 resolve" in shown
    assert "Observation.subject Patient 1 1" in shown
    assert "version 1 is held" in shown
    assert "lines_missing" in shown
    assert "unresolved_references: 1 of 1 references to Patient" in shown
    listed = run(lake, "loads", "list").stdout
    assert {"1", "load", "held", "lines_missing,", "unresolved_references", "2"} <= set(listed.split())
    assert "lines_missing" in run(lake, "loads", "show").stdout
    record = json.loads(run(lake, "loads", "show", "1", "--json").stdout)
    assert (record["state"], record["statement"]["files"]["missing"]) == ("held", 1)
    released = run(lake, "loads", "publish", "--note", "known to be short")
    assert released.returncode == 0, released.stderr
    assert "released: lines_missing" in released.stdout
    assert "version 2 is published" in released.stdout
    assert "known to be short" in run(lake, "loads", "show").stdout
    assert "nothing_held" in run(lake, "loads", "publish", "--note", "x").stderr
    assert run(lake, "loads", "show", "9").returncode == 2


def test_a_load_says_what_it_deleted(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake")
    load_lines(lake, tmp_path, PATIENT | {"meta": {"lastUpdated": "2020-01-01T00:00:00Z"}})
    gone = {"resourceType": "Bundle", "entry": [{"request": {"method": "DELETE", "url": "Patient/p1"}}]}
    done = run(lake, "load", write_export(tmp_path / "a", 3, {}, deleted=[gone]))
    assert "deleted: Patient 1" in done.stdout.splitlines(), done.stderr


def test_a_load_says_what_is_contained_and_what_of_it_is_no_row(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake")
    medication = {"resourceType": "Medication", "id": "m"}
    contained = [medication, {"resourceType": "Medication"}, {"resourceType": "Organization", "id": "o"}, 5]
    request = {"resourceType": "MedicationRequest", "id": "a", "contained": contained}
    path = write_lines(tmp_path / "x.ndjson", [request])
    said = run(lake, "load", path).stdout
    assert "contained resources, in the schema contained: Medication 1, Organization 1\n" in said
    no_rows = "contained resources that are no rows, in their containers alone: no_id 1, not_an_object 1\n"
    assert no_rows in said
    assert no_rows in run(lake, "loads", "show", "1").stdout
    plain = write_lines(tmp_path / "y.ndjson", [{"resourceType": "MedicationRequest", "id": "b"}])
    assert "contained resources" not in run(lake, "load", plain).stdout


def test_thresholds_are_options(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake")
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "processing"}]}
    source = write_export(tmp_path / "a", 3, {"Patient": [PATIENT]}, announced={"Patient": 4}, error=[outcome])
    done = run(lake, "load", source, "--max-miscounted", "3", "--max-export-errors", "1")
    assert "version 1 is published" in done.stdout
    assert "the exporting server reports: error 1" in done.stdout
    refused = run(lake, "load", source, "--again", "--max-unresolved", "Patiant=0")
    assert (refused.returncode, "unknown_resource_type" in refused.stderr) == (2, True)


def test_rejects_are_listed_shown_corrected_and_loaded_again(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake")
    lake.load(write_lines(tmp_path / "a.ndjson", [PATIENT, SECRET, "nonsense"]), max_rejects=1.0)
    groups = run(lake, "rejects", "list")
    assert {"a.ndjson", "not_json", "2"} <= set(groups.stdout.split())
    lines = run(lake, "rejects", "list", "--lines")
    assert "a.ndjson:2" in lines.stdout
    assert "Kerdoncuff" not in groups.stdout + lines.stdout + groups.stderr + lines.stderr
    shown = run(lake, "rejects", "show", "a.ndjson:2")
    assert shown.stdout == SECRET + "\n"
    assert "Kerdoncuff" not in shown.stderr
    fix = tmp_path / "fix.ndjson"
    assert run(lake, "rejects", "export", "-o", fix).returncode == 0
    fix.write_text(fix.read_text().replace(SECRET, SECRET + "}"))
    refused = run(lake, "rejects", "retry", fix)
    assert (refused.returncode, "fix.ndjson line 4" in refused.stderr) == (4, True)
    assert "Kerdoncuff" not in refused.stderr
    fix.write_text(fix.read_text().replace("nonsense", ""))
    done = run(lake, "rejects", "retry", fix)
    assert "1 rejects settled" in done.stdout, done.stderr
    left = run(lake, "rejects", "list", "--lines").stdout
    assert ("a.ndjson:2" in left, "a.ndjson:3" in left) == (False, True)
    assert run(lake, "rejects", "show", "a.ndjson:2").returncode == 2


def test_delete(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake")
    load_lines(lake, tmp_path, PATIENT, PATIENT | {"id": "p2"}, PATIENT | {"id": "p3"})
    (tmp_path / "keys").write_text("Patient/p2\nPatient/nobody\n")
    done = run(lake, "delete", "Patient/p1", "--keys", tmp_path / "keys")
    assert "3 named, 2 of them were here; version 2" in done.stdout, done.stderr
    assert lake.sql("SELECT id FROM fhir.Patient").fetchall() == [("p3",)]
    assert "bad_instant" in run(lake, "delete", "Patient/p3", "--at", "yesterday").stderr
    assert "0 of them" in run(lake, "delete", "Patient/p3", "--at", "2001-01-01T00:00:00Z").stdout
    assert "nothing_to_delete" in run(lake, "delete").stderr
