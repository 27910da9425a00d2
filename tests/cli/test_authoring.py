"""`lacustre views check` and `lacustre views new` as they are run: output, files, exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lacustre import Lake


def run(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "LACUSTRE_LAKE"}
    command = [sys.executable, "-c", "from lacustre.cli import main; main()", "views", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, timeout=120, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a lake of two Observations."""
    found = tmp_path_factory.mktemp("authoring")
    line = '{{"resourceType":"Observation","id":"{}","status":"final","code":{{"text":"a"}},"valueString":"x"}}\n'
    (found / "o.ndjson").write_text(line.format("a") + line.format("b"))
    Lake.open(found / "lake").load(found / "o.ndjson")
    return found


def write(folder: Path, path: str, **members: object) -> Path:
    column = {"name": "c", "path": path}
    view = {"url": "u", "name": "v", "status": "draft", "resource": "Observation", "select": [{"column": [column]}]}
    target = folder / "v.json"
    target.write_text(json.dumps({**view, **members}, indent=2))
    return target


@pytest.mark.parametrize(
    ("path", "plain", "strict"),
    [("status", 0, 0), ("value.ofType(string)", 0, 0), ("method.text", 0, 4), ("status.nothing", 4, 4)],
)
def test_the_exit_status_is_for_ci(folder: Path, path: str, plain: int, strict: int) -> None:
    view = write(folder, path)
    assert run("check", view, "--lake", folder / "lake").returncode == plain
    assert run("check", view, "--lake", folder / "lake", "--strict").returncode == strict


def test_the_text_says_where_and_what_to_do(folder: Path) -> None:
    done = run("check", write(folder, "valueString"), "--lake", "lake", cwd=folder)
    assert f"{folder / 'v.json'}:11:20: error: Observation has no element valueString [unknown_element]" in done.stdout
    assert "    valueString\n    ^^^^^^^^^^^\n    hint: write `value.ofType(string)`" in done.stdout
    assert done.stderr == ""
    assert "1 view checked against the specification and " in done.stdout


def test_without_a_lake_it_says_so(folder: Path, tmp_path: Path) -> None:
    done = run("check", write(folder, "method"), cwd=tmp_path)
    assert done.returncode == 4
    assert "checked against the specification alone: there is no lake with data" in done.stdout
    asked = run("check", folder / "v.json", "--lake", tmp_path / "nowhere")
    assert (asked.returncode, "no_lake" in asked.stderr) == (2, True)


@pytest.mark.parametrize("form", ["json", "sarif"])
def test_the_report_as_a_file(folder: Path, form: str) -> None:
    view, report = write(folder, "method.text"), folder / f"report.{form}"
    done = run("check", view, "--lake", folder / "lake", "--format", form, "-o", report)
    assert (done.returncode, done.stdout) == (0, "")
    document = json.loads(report.read_text())
    found = document["views"][0]["findings"] if form == "json" else document["runs"][0]["results"]
    assert [(finding.get("code") or finding["ruleId"], finding["level"]) for finding in found] == [
        ("column_never_filled", "warning")
    ]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["check", "nowhere.json"], "no_view_definitions"),
        (["check", "lake", "-o", "nowhere/report.json"], "cannot_write"),
        (["new", "Observation"], "no_source"),
        (["new", "Patient", "--from-data"], "no_such_table"),
        (["new", "Observaton", "--from-data"], "unknown_resource_type"),
        (["new", "Observation", "--from-data", "--for-each", "status"], "bad_for_each"),
        (["new", "Observation", "--from-data", "--at-least", "200"], "bad_share"),
        (["new", "Observation", "--from-data", "-o", "nowhere/v.json"], "cannot_write"),
    ],
)
def test_refusals(folder: Path, arguments: list[str], code: str) -> None:
    done = run(*arguments, cwd=folder)
    assert done.returncode == 2
    assert code in done.stderr
    assert "Traceback" not in done.stderr


def test_a_draft_is_checked_and_built(folder: Path) -> None:
    done = run("new", "Observation", "--from-data", "--lake", folder / "lake", "-o", folder / "views.json")
    assert (done.returncode, done.stdout) == (0, "")
    assert run("check", folder / "views.json", "--lake", folder / "lake", "--strict").returncode == 0
    printed = run("new", "Observation", "--from-data", "--lake", folder / "lake")
    assert printed.stdout == (folder / "views.json").read_text()
    names = [column["name"] for column in json.loads(printed.stdout)["select"][0]["column"]]
    assert names == ["id", "status", "code_text", "value_string"]


def test_a_build_says_where_too(folder: Path) -> None:
    views = folder / "views"
    views.mkdir(exist_ok=True)
    write(views, "status.nothing")
    done = run("build", "--definitions", views, "--lake", folder / "lake")
    assert done.returncode == 2
    assert "unknown_element at /select/0/column/0/path (line 11, column 27): " in done.stderr
