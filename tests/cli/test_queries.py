"""`lacustre queries`, as its users run it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from lacustre import Lake
from support.loading import load_lines

VIEW = {
    "resourceType": "ViewDefinition",
    "url": "https://example.org/ViewDefinition/person",
    "name": "person",
    "resource": "Patient",
    "select": [{"column": [{"name": "id", "path": "id"}, {"name": "sex", "path": "gender", "type": "code"}]}],
}
QUERY = """-- @title: Patients of a sex
-- @relatedDependency: https://example.org/ViewDefinition/person as person
-- @param: sex code As FHIR writes it
SELECT id, CAST(:sex AS VARCHAR) AS asked FROM person WHERE sex = :sex ORDER BY id
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    for folder in ("view_definitions", "queries"):
        (tmp_path / folder).mkdir()
    (tmp_path / "view_definitions/person.json").write_text(json.dumps(VIEW))
    (tmp_path / "queries/of_a_sex.sql").write_text(QUERY)
    lake = Lake.open(tmp_path / "lake")
    patients = [{"resourceType": "Patient", "id": f"p{n}", "gender": ("male", "female")[n % 2]} for n in range(9)]
    load_lines(lake, tmp_path, *patients)
    lake.build_views(definitions=tmp_path / "view_definitions")
    return tmp_path


def run(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "LACUSTRE_LAKE"}
    command = [sys.executable, "-c", "from lacustre.cli import main; main()", "queries", *arguments]
    return subprocess.run(command, cwd=site, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_run_by_name_and_by_file(site: Path) -> None:
    done = run(site, "run", "of_a_sex", "--param", "sex=female")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["id", "asked", *(word for n in (1, 3, 5, 7) for word in (f"p{n}", "female"))]
    assert "4 rows" in done.stderr
    assert run(site, "run", "queries/of_a_sex.sql", "--param", "sex=female").stdout == done.stdout
    limited = run(site, "run", "of_a_sex", "--param", "sex=female", "--limit", "1")
    assert "the first 1 rows" in limited.stderr


@pytest.mark.parametrize("form", ["csv", "json", "ndjson", "parquet"])
def test_results_are_written_as_those_of_sql(site: Path, form: str) -> None:
    done = run(site, "run", "of_a_sex", "--param", "sex=male", "--output", f"r.{form}")
    assert done.returncode == 0, done.stderr
    assert "5 rows written to" in done.stderr
    assert duckdb.sql(f"FROM '{site}/r.{form}'").fetchall() == [(f"p{n}", "male") for n in range(0, 9, 2)]
    if form != "parquet":
        assert (
            run(site, "run", "of_a_sex", "--param", "sex=male", "-f", form).stdout == (site / f"r.{form}").read_text()
        )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "of_a_sex"), "parameter_missing"),
        (("run", "of_a_sex", "--param", "sex"), "parameter_form"),
        (("run", "of_a_sex", "--param", "sex=male", "--param", "sex=female"), "parameter_twice"),
        (("run", "of_a_sex", "--param", "sexe=male"), "did you mean sex?"),
        (("run", "of_sex"), "did you mean of_a_sex?"),
        (("run", "none.sql"), "no_queries"),
        (("list", "--queries", "none"), "no_queries"),
        (("build", "view_definitions/person.json"), "not_an_sql_file"),
        (("show", "of_a_sex", "--output", "none/q.sql"), "cannot_write"),
    ],
)
def test_errors_say_what_to_do(site: Path, arguments: tuple[str, ...], said: str) -> None:
    done = run(site, *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_value_that_fails_while_it_runs_is_not_told(site: Path) -> None:
    (site / "queries/cast.sql").write_text("-- @param: text string\nSELECT CAST(:text AS INTEGER)")
    (site / "queries/divide.sql").write_text("-- @param: n integer\nSELECT CAST(300 AS TINYINT) + :n + error(:n)")
    for arguments in (("cast", "--param", "text=Dupont"), ("cast", "--param", "text=48151623421")):
        done = run(site, "run", *arguments)
        assert done.returncode == 2
        assert "Dupont" not in done.stderr
        assert "48151623421" not in done.stderr
    assert "function_refused" in run(site, "run", "divide", "--param", "n=5").stderr


def test_list_names_files_at_fault(site: Path) -> None:
    done = run(site, "list")
    assert done.returncode == 0
    assert "of_a_sex" in done.stdout
    assert "sex code" in done.stdout
    (site / "queries/broken.sql").write_text("-- @status: done\nSELECT 1")
    done = run(site, "list")
    assert done.returncode == 2
    assert "of_a_sex" in done.stdout
    assert "library_status" in done.stderr


def test_build_and_show_are_each_others_reverse(site: Path) -> None:
    done = run(site, "build", "queries/of_a_sex.sql", "-o", "of_a_sex.json")
    assert done.returncode == 0, done.stderr
    library = json.loads((site / "of_a_sex.json").read_text())
    assert (library["name"], library["status"], library["title"]) == ("of_a_sex", "draft", "Patients of a sex")
    assert run(site, "show", "of_a_sex.json", "--as", "json").stdout == (site / "of_a_sex.json").read_text()
    (site / "queries/of_a_sex.sql").rename(site / "of_a_sex.sql")
    shown = run(site, "show", "of_a_sex.json", "--as", "sql", "-o", "queries/of_a_sex.sql")
    assert shown.returncode == 0, shown.stderr
    assert (site / "queries/of_a_sex.sql").read_text() == QUERY
    assert run(site, "run", "of_a_sex.json", "--param", "sex=female", "-f", "csv").stdout.count("\n") == 5


def test_build_warns_and_refuses(site: Path) -> None:
    (site / "a.sql").write_text("-- @titel: x\nSELECT 1")
    done = run(site, "build", "a.sql")
    assert done.returncode == 0
    assert "no annotation @titel, did you mean title?" in done.stderr
    assert json.loads(done.stdout)["resourceType"] == "Library"
    (site / "a.sql").write_text("-- @dialect: postgresql\nSELECT x #>> '{a}' FROM t")
    done = run(site, "build", "a.sql")
    assert "the SQL is for postgresql" in done.stderr
    assert json.loads(done.stdout)["content"][0]["contentType"] == "application/sql;dialect=postgresql"
    (site / "a.sql").write_text("SELECT * FROM patient")
    done = run(site, "build", "a.sql")
    assert done.returncode == 2
    assert "table_unknown" in done.stderr
