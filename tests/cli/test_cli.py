"""The command as its users run it: in a process of its own, judged by what it prints and by its exit status."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from lacustre import Lake
from lacustre.sample import SampleExport
from lacustre.views.catalog import starter_views


def run(*arguments: str | Path, cwd: Path | None = None, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "LACUSTRE_LAKE"}
    return subprocess.run(
        [sys.executable, "-c", "from lacustre.cli import main; main()", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        input=stdin,
        env=environment,
        timeout=120,
        check=False,
    )


def write_lines(path: Path, *resources: dict[str, object] | str) -> Path:
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in resources))
    return path


PATIENT = {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1950-05"}


def test_load_prints_every_line_by_its_fate(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "a.ndjson", PATIENT, PATIENT, "{broken", {**PATIENT, "id": "p2", "odd": {"x": 1}})
    done = run("load", source, "--lake", tmp_path / "lake", "--max-rejects", "0.5")
    assert done.returncode == 0, done.stderr
    lines = {line.split()[0]: line.split()[1:] for line in done.stdout.split("\n\n")[0].splitlines()}
    assert lines["Patient"][:6] == ["3", "2", "0", "0", "1", "0"]
    assert lines["(unreadable)"][:6] == ["1", "0", "0", "0", "0", "1"]
    assert lines["total"][:6] == ["4", "2", "0", "0", "1", "1"]
    assert "not_json" in done.stdout
    assert "odd" in done.stdout, "what went to lake_rest is shown by path"


def test_too_many_rejects_fail_and_change_nothing(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "a.ndjson", PATIENT, "{broken")
    done = run("load", source, "--lake", tmp_path / "lake")
    assert done.returncode == 4
    assert "too_many_rejects" in done.stderr
    assert "line 2" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "lake").rglob("*.parquet"))
    assert not (tmp_path / "lake/tenants/default/tenant.json").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        (["load", "nowhere.ndjson"], 2, "no_such_source"),
        (["load", ".", "--tenant", "No Spaces"], 2, "bad_tenant"),
        (["export", "Patiant"], 2, "unknown_resource_type"),
        (["load", ".", "--tenant", ""], 2, "bad_tenant"),
        (["load", ".", "--lake", ""], 2, "bad_uri"),
        (["load", ".", "--max-rejects", "nan"], 2, "bad_max_rejects"),
        (["load", ".", "--processes", "0"], 2, "bad_processes"),
        (["sql", "SELEKT 1"], 2, "sql_refused"),
        (["sql", "SELECT 1", "-o", "nowhere/out.csv"], 2, "cannot_write"),
        (["export", "Patient", "-o", "nowhere/out.ndjson"], 2, "cannot_write"),
        (["export", "Patient", "-o", "."], 2, "cannot_write"),
        (["views", "build", "patiemt"], 2, "unknown_view"),
    ],
)
def test_errors_say_what_and_what_to_do(arguments: list[str], status: int, code: str, tmp_path: Path) -> None:
    done = run(*arguments, cwd=tmp_path)
    assert (done.returncode, code in done.stderr) == (status, True), done.stderr
    assert "Traceback" not in done.stderr


def test_a_result_without_a_place_is_refused_before_the_work(tmp_path: Path) -> None:
    done = run("flatten", starter_views() / "patient/patient.json", "--data", "x.ndjson", "--to", "nowhere/x.csv")
    assert (done.returncode, "cannot_write" in done.stderr) == (2, True), done.stderr
    (tmp_path / "file").touch()
    done = run("demo", tmp_path / "file")
    assert (done.returncode, "folder_in_use" in done.stderr) == (2, True), done.stderr


def test_near_names_are_offered(tmp_path: Path) -> None:
    assert "patient" in run("views", "build", "patiemt", cwd=tmp_path).stderr


def test_sql_formats(sample_lake: Lake, tmp_path: Path) -> None:
    lake = ["--lake", sample_lake.uri]
    query = "SELECT gender, count(*) AS n FROM patient GROUP BY ALL ORDER BY ALL"
    expected = sample_lake.sql(query).fetchall()
    as_json = json.loads(run("sql", query, "-f", "json", *lake).stdout)
    assert [(row.get("gender"), row["n"]) for row in as_json] == expected
    as_lines = run("sql", "-", "-f", "ndjson", *lake, stdin=query).stdout.splitlines()
    assert [json.loads(line)["n"] for line in as_lines] == [n for _, n in expected]
    assert run("sql", query, "-f", "csv", *lake).stdout.splitlines()[0] == "gender,n"
    target = tmp_path / "out.parquet"
    assert run("sql", query, "-o", target, *lake).returncode == 0
    assert duckdb.sql(f"FROM '{target}'").fetchall() == expected
    assert "gender" in run("sql", query, *lake).stdout


def test_a_query_may_begin_with_a_comment(tmp_path: Path) -> None:
    done = run("sql", "-- one\nSELECT 1 AS one;", "-f", "csv", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "one\n1\n")


def test_views_that_are_older_than_their_table_are_told(tmp_path: Path) -> None:
    column = {"name": "id", "path": "id"}
    (tmp_path / "views").mkdir()
    for name, resource in (("person", "Patient"), ("stay", "Encounter")):
        view = {"resource": resource, "name": name, "select": [{"column": [column]}]}
        (tmp_path / f"views/{name}.json").write_text(json.dumps(view))
    lake = Lake.open(tmp_path / "lake")
    lake.load(write_lines(tmp_path / "one.ndjson", PATIENT))
    lake.build_views(definitions=tmp_path / "views")
    assert "older" not in run("views", "list", "--lake", lake.uri).stderr
    lake.load(write_lines(tmp_path / "two.ndjson", PATIENT | {"id": "p2"}))
    done = run("views", "list", "--lake", lake.uri)
    assert "older than their tables: person;" in done.stderr


def test_a_build_says_how_many_views_and_once_what_to_do_about_partial_dates(tmp_path: Path) -> None:
    (tmp_path / "views").mkdir()
    for name in ("one", "two"):
        view = {"resource": "Patient", "name": name, "select": [{"column": [{"name": "born", "path": "birthDate"}]}]}
        (tmp_path / f"views/{name}.json").write_text(json.dumps(view))
    lake = Lake.open(tmp_path / "lake")
    lake.load(write_lines(tmp_path / "one.ndjson", PATIENT | {"birthDate": "1970"}))
    options = ("--lake", lake.uri, "--definitions", tmp_path / "views", "--types", "native")
    both = run("views", "build", *options)
    assert "\n2 views built in" in both.stdout
    assert both.stderr.count("1 partial date of born became null") == 2
    assert both.stderr.splitlines()[-1] == "--partial-dates start takes the first moment of a partial date"
    assert both.stderr.count("--partial-dates start") == 1
    one = run("views", "build", "one", *options)
    assert "\n1 view built in" in one.stdout
    assert "UTC" in run("views", "list", "--lake", lake.uri).stdout


def test_sql_table_says_when_there_is_more(sample_lake: Lake) -> None:
    done = run("sql", "SELECT id FROM patient", "--limit", "3", "--lake", sample_lake.uri)
    assert len(done.stdout.splitlines()) == 4
    assert "first 3 rows" in done.stderr


def test_tables_lists_raw_tables_and_views(sample_lake: Lake) -> None:
    shown = run("tables", "--lake", sample_lake.uri).stdout
    assert {"Patient", "patient"} <= set(shown.split())


def test_tables_of_an_empty_lake_say_what_to_do(tmp_path: Path) -> None:
    assert "lacustre load" in run("tables", cwd=tmp_path).stdout


def test_views_list_and_explain(sample_lake: Lake, tmp_path: Path) -> None:
    lake = ["--lake", sample_lake.uri]
    assert "observation_component" in run("views", "list", *lake).stdout
    for stage in ("ir", "plan", "sql"):
        done = run("views", "explain", "patient", "--stage", stage, *lake)
        assert done.returncode == 0, done.stderr
        assert "birth_date" in done.stdout


def test_flatten_needs_no_lake(sample_export: SampleExport, tmp_path: Path) -> None:
    view = Path(__file__).parents[2] / "view_definitions/patient/patient.json"
    for form in ("parquet", "csv", "ndjson"):
        target = tmp_path / f"out.{form}"
        done = run("flatten", view, "--data", sample_export.folder / "Patient*.ndjson", "--to", target, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert duckdb.sql(f"SELECT count(DISTINCT id) FROM '{target}'").fetchall() == [(400,)]
    assert {path.name for path in tmp_path.iterdir()} == {"out.parquet", "out.csv", "out.ndjson"}


def test_flatten_names_every_fault_of_a_view(tmp_path: Path) -> None:
    view = tmp_path / "bad.json"
    columns = [{"name": "a", "path": "nam.family"}, {"name": "b", "path": "birthDate.foo("}]
    view.write_text(json.dumps({"resource": "Patient", "name": "bad", "select": [{"column": columns}]}))
    done = run("flatten", view, "--data", view, "--to", tmp_path / "x.csv")
    assert done.returncode == 2
    assert "bad.json" in done.stderr
    assert "/select/0/column/0/path" in done.stderr
    assert "/select/0/column/1/path" in done.stderr
    assert "^" in done.stderr


def test_export_to_a_file_and_to_a_pipe(sample_lake: Lake, tmp_path: Path) -> None:
    lake = ["--lake", sample_lake.uri]
    target = tmp_path / "patients.ndjson"
    assert run("export", "Patient", "-o", target, *lake).returncode == 0
    assert target.read_text() == run("export", "Patient", *lake).stdout
    assert len(target.read_text().splitlines()) == 400


def test_a_closed_pipe_is_no_error(sample_lake: Lake) -> None:
    command = f"{sys.executable} -c 'from lacustre.cli import main; main()' export Observation --lake {sample_lake.uri}"
    done = subprocess.run(["sh", "-c", f"{command} | head -1"], capture_output=True, text=True, timeout=60, check=True)
    assert len(done.stdout.splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_sample_then_load(tmp_path: Path) -> None:
    assert run("sample", tmp_path / "export", "--patients", "5").returncode == 0
    done = run("load", tmp_path / "export", "--lake", tmp_path / "lake")
    assert done.returncode == 0, done.stderr


def test_the_demo_runs_and_repeats_but_spares_other_folders(tmp_path: Path) -> None:
    for _ in range(2):
        done = run("demo", tmp_path / "demo", "--patients", "30")
        assert done.returncode == 0, done.stderr
    assert duckdb.sql(f"SELECT count(*) > 0 FROM '{tmp_path}/demo/training.parquet'").fetchall() == [(True,)]
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "precious.txt").touch()
    assert run("demo", mine).returncode == 2
    assert (mine / "precious.txt").exists()


def test_starter_views_and_queries_that_a_folder_hides_are_named(tmp_path: Path) -> None:
    (tmp_path / "view_definitions").mkdir()
    (tmp_path / "queries").mkdir()
    view = run("views", "schema", "patient", cwd=tmp_path)
    assert "it is a starter view, and view_definitions stands in their place: --definitions /" in view.stderr
    query = run("queries", "show", "stays_by_age_group", cwd=tmp_path)
    assert "it is a starter query, and queries stands in their place: --queries /" in query.stderr
    other = run("queries", "show", "stays", cwd=tmp_path)
    assert "starter" not in other.stderr


def test_the_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lacustre", "views", "check", "/none"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, "no_view_definitions" in done.stderr) == (2, True)


def test_neither_dagster_nor_great_expectations_is_imported(sample_lake: Lake) -> None:
    code = (
        "import sys; from lacustre import Lake; from lacustre.cli.app import app;"
        f"Lake.open({sample_lake.uri!r}).sql('SELECT count(*) FROM patient').fetchall();"
        "print([name for name in ('dagster', 'great_expectations', 'pandas', 'sqlglot') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("options", [[], ["--format", "csv"], ["--output", "x.parquet"]], ids=" ".join)
def test_ctrl_c_ends_a_query_at_once_and_leaves_nothing(tmp_path: Path, options: list[str]) -> None:
    endless = "SELECT count(*) FROM range(10000000000) a, range(1000) b"
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", "from lacustre.cli import main; main()", "sql", endless, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(temporary)},
    ) as process:
        try:
            wait_until(lambda: cpu_seconds(process.pid) > 2.5)
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=20) == 130
        finally:
            process.kill()
    assert not list(temporary.iterdir())


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_an_export_of_nothing_says_so(tmp_path: Path) -> None:
    done = run("export", "Patient", "--lake", tmp_path / "lake", "--tenant", "chu-a")
    assert done.returncode == 2
    assert "holds no Patient of tenant chu-a" in done.stderr


def test_the_faults_of_all_views_are_told_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "views"
    folder.mkdir()
    (folder / "a.json").write_text("{")
    column = {"name": "x", "path": "nme.family"}
    (folder / "b.json").write_text(json.dumps({"name": "b", "resource": "Patient", "select": [{"column": [column]}]}))
    done = run("views", "build", "--definitions", folder, "--lake", tmp_path / "lake")
    assert done.returncode == 2
    assert "a.json" in done.stderr
    assert "b.json" in done.stderr
    assert "did you mean `name`?" in done.stderr
    named = run("views", "build", folder / "b.json", "--lake", tmp_path / "lake")
    assert f"b --definitions {folder}" in named.stderr


def test_members_that_look_like_markup_are_shown(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "a.ndjson", {**PATIENT, "[/x] [red]": 1})
    done = run("load", source, "--lake", tmp_path / "lake")
    assert done.returncode == 0, done.stderr
    assert "[~1x] [red]" in done.stdout


def test_a_question_starts_without_what_only_loads_need(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom lacustre.cli.app import app\n"
        "try:\n    app(['sql', 'select 1'])\n"
        "finally:\n    print({'deltalake', 'pyarrow', 'numpy', 'pandas', 'polars', 'sqlglot', 'dagster'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "set()"
