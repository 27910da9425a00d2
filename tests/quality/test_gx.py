from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lacustre import Lake
from lacustre.errors import InputError, SettingsError
from lacustre.quality.gx import Outcome, ViewValidation, validate_view
from lacustre.quality.suite import find_suites, read_suite
from lacustre.sample import generate_sample
from lacustre.store.objects import ObjectStore
from lacustre.store.tenant import TenantStore
from lacustre.tenancy import TenantId
from lacustre.views.catalog import find_views, starter_views
from lacustre.views.model import load_view
from support.shared import REPOSITORY

SUITES = find_suites(REPOSITORY / "quality" / "expectations")
CANARY = "Zx9-CANARY-77"
NOW = datetime(2026, 6, 1, tzinfo=UTC)

# six patients: a code out of its system, dates out of life, a birth after the death, one name twice
PATIENTS = [
    {"id": "p1", "gender": "male", "birthDate": "1950-05", "name": [{"family": "A"}, {"family": "B"}]},
    {"id": "p2", "gender": CANARY, "birthDate": "1799-01-01", "name": [{"family": "A"}]},
    {"id": "p3", "gender": "female", "birthDate": "2027-01-01", "name": [{"family": CANARY}]},
    {"id": "p4", "gender": "female", "birthDate": "1990-01-02", "deceasedDateTime": "1990-01-01"},
    {"id": "p5", "birthDate": "1990-01-01", "deceasedDateTime": "1990-01-01T10:00:00+01:00"},
    {"id": "p6", "gender": "other"},
]
PERSON = {
    "resourceType": "ViewDefinition",
    "name": "person",
    "status": "draft",
    "resource": "Patient",
    "select": [
        {
            "column": [
                {"name": "id", "path": "id", "type": "id"},
                {"name": "gender", "path": "gender", "type": "code"},
                {"name": "born", "path": "birthDate", "type": "date"},
                {"name": "died", "path": "deceased.ofType(dateTime)", "type": "dateTime"},
            ]
        },
        {"forEachOrNull": "name", "column": [{"name": "family", "path": "family", "type": "string"}]},
    ],
}


class Bench:
    """A small lake with the view `person`, and suites written for one test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = ObjectStore(str(folder / "lake"))
        self.tenant = TenantStore(self.store, TenantId("chu"))
        self.docs = ObjectStore(str(folder / "docs"))
        self.definitions = folder / "definitions"
        self.definitions.mkdir()
        (self.definitions / "person.json").write_text(json.dumps(PERSON))

    def load(self, patients: Sequence[Mapping[str, Any]], **lists: Any) -> None:
        source = self.folder / "patients.ndjson"
        source.write_text("".join(json.dumps({"resourceType": "Patient", **one}) + "\n" for one in patients))
        lake = Lake.open(self.folder / "lake", tenant="chu")
        lake.load(source)
        lake.build_views(definitions=self.definitions)

    def check(
        self, *expectations: Mapping[str, Any], needs: Sequence[str] = (), name: str = "person"
    ) -> ViewValidation:
        suite = self.folder / "suite.json"
        suite.write_text(json.dumps({"name": name, "meta": {"needs": list(needs)}, "expectations": expectations}))
        return validate_view(self.tenant, suite, self.docs, now=NOW)

    def outcome(self, type_: str, **kwargs: Any) -> Outcome:
        (found,) = self.check({"type": type_, "kwargs": kwargs}).outcomes
        return found


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    made = Bench(tmp_path_factory.mktemp("bench"))
    made.load(PATIENTS)
    return made


@pytest.fixture
def own(tmp_path: Path) -> Bench:
    """A bench whose view the test builds again."""
    made = Bench(tmp_path)
    made.load(PATIENTS)
    return made


LIFE = {"min_value": "1879-12-31", "max_value": "2026-06-03"}
AFTER = {"column_A": "died", "column_B": "born", "or_equal": True, "ignore_row_if": "either_value_is_missing"}
MAPS: list[tuple[str, dict[str, Any], int]] = [
    ("expect_column_values_to_be_unique", {"column": "id"}, 2),
    ("expect_column_values_to_be_unique", {"column": "family"}, 2),
    ("expect_column_values_to_not_be_null", {"column": "gender"}, 1),
    ("expect_column_values_to_not_be_null", {"column": "gender", "mostly": 0.85}, 1),
    ("expect_column_values_to_be_in_set", {"column": "gender", "value_set": ["male", "female", "other"]}, 1),
    ("expect_column_values_to_be_in_set", {"column": "gender", "value_set": ["male"], "mostly": 0.3}, 4),
    ("expect_column_values_to_match_regex", {"column": "born", "regex": "-01-0[1-9]$"}, 2),
    ("expect_compound_columns_to_be_unique", {"column_list": ["id", "gender"]}, 2),
    ("expect_column_pair_values_a_to_be_greater_than_b", AFTER, 1),
]


@pytest.mark.parametrize(("type_", "kwargs", "unexpected"), MAPS, ids=str)
def test_counts_and_verdict_are_those_of_great_expectations(
    bench: Bench, type_: str, kwargs: dict[str, Any], unexpected: int
) -> None:
    """The same expectation over the rows themselves, which Great Expectations reads with pandas."""
    found = bench.outcome(type_, **kwargs)
    rows = Lake.open(bench.folder / "lake", tenant="chu").sql("SELECT * FROM person").df()
    success, count = judged_by_pandas(rows, type_, kwargs)
    assert (found.success, found.counts["unexpected"]) == (success, count) == (success, unexpected)
    assert found.counts["elements"] == len(rows) == 7


def judged_by_pandas(rows: Any, type_: str, kwargs: dict[str, Any]) -> tuple[bool, int]:
    import great_expectations as gx
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    source = gx.get_context(mode="ephemeral").data_sources.add_pandas("rows")
    batch = source.add_dataframe_asset("person").add_batch_definition_whole_dataframe("all")
    expectation = ExpectationConfiguration(type_, kwargs).to_domain_obj()
    result = batch.get_batch({"dataframe": rows}).validate(expectation)
    return bool(result.success), int(result.result["unexpected_count"])


def test_dates_are_in_life(bench: Bench) -> None:
    found = bench.outcome("expect_column_values_to_be_between", column="born", **LIFE)
    assert (found.success, found.counts) == (False, {"elements": 7, "missing": 1, "unexpected": 2})
    parameter = {**LIFE, "max_value": {"$PARAMETER": "latest"}}
    assert bench.outcome("expect_column_values_to_be_between", column="born", **parameter) == found


def test_dates_of_different_precision_are_compared_by_what_both_say(bench: Bench) -> None:
    compared = "SELECT 1 FROM {batch} WHERE is_before("
    for left, right, before in [
        ("'1990'", "'1990-01-02'", 0),
        ("'1990-01'", "'1990-02-01'", 7),
        ("'1990-01-01T23:30:00-05:00'", "'1990-01-02T05:00:00+01:00'", 0),
        ("'1990-01-01T10:00:00Z'", "'1990-01-01T10:30:00Z'", 7),
        ("'1990-01-01'", "'1990-01-01T10:30:00Z'", 0),
    ]:
        query = f"{compared}{left}, {right})"
        assert bench.outcome("unexpected_rows_expectation", unexpected_rows_query=query).counts["unexpected"] == before


def test_nothing_of_a_patient_leaves_the_database(own: Bench, capfd: pytest.CaptureFixture[str]) -> None:
    after = {"unexpected_rows_query": "SELECT * FROM {batch} WHERE family IS NOT NULL"}
    proportion = {"column": "died", "min_value": 0.9}
    entries = [{"type": type_, "kwargs": kwargs} for type_, kwargs, _ in MAPS]
    entries += [{"type": "unexpected_rows_expectation", "kwargs": after}]
    entries += [{"type": "expect_column_proportion_of_non_null_values_to_be_between", "kwargs": proportion}]
    found = own.check(*entries)
    assert len(found.failed) >= 8
    page = own.docs.read("chu/person.html")
    assert page is not None
    assert b"must belong to this set" in page
    written = [path.read_bytes() for folder in ("docs", "lake/tenants/chu/quality") for path in files(own, folder)]
    shown = [repr(found).encode(), "".join(capfd.readouterr()).encode(), *written]
    values = {CANARY, "p4", "1799-01-01", "1990-01-02"}
    assert [value for value in values for text in shown if value.encode() in text] == []


def files(bench: Bench, folder: str) -> list[Path]:
    return [path for path in (bench.folder / folder).rglob("*") if path.is_file()]


def test_a_page_fetches_nothing_and_runs_nothing(bench: Bench) -> None:
    bench.outcome("expect_column_values_to_be_unique", column="id")
    page = (bench.docs.read("chu/person.html") or b"").decode()
    assert "unexpected" in page
    assert not re.search(r"https?://|<script|<link|<img", page)


GENDER = {
    "type": "expect_column_proportion_of_non_null_values_to_be_between",
    "kwargs": {"column": "gender", "min_value": {"$PARAMETER": "filled.gender"}},
}


def test_nulls_are_compared_with_the_last_build_that_passed(own: Bench) -> None:
    (first,) = own.check(GENDER).outcomes
    assert (first.success, first.note) == (None, "no build before this one passed")
    assert own.check(GENDER).outcomes == (first,)  # the same build again: still nothing to compare with
    own.load([{"id": f"more-{number}"} for number in range(20)])
    (jumped,) = own.check(GENDER).outcomes
    assert jumped.success is False
    assert jumped.counts["filled"] == pytest.approx(6 / 27)
    own.load([{"id": f"more-{number}", "gender": "other"} for number in range(20)])
    (mended,) = own.check(GENDER).outcomes  # compared with the first build, not with the one that failed
    assert mended.success is True


def test_a_small_change_is_no_jump(own: Bench) -> None:
    own.load([{"id": f"more-{number}", "gender": "other"} for number in range(20)])
    own.check(GENDER)
    own.load([{"id": "less"}])
    (found,) = own.check(GENDER).outcomes
    assert (found.success, found.counts["filled"]) == (True, pytest.approx(26 / 28))


def test_a_query_over_a_view_that_is_not_built_is_skipped(bench: Bench) -> None:
    query = {"unexpected_rows_query": "SELECT 1 FROM {batch} JOIN patient USING (id)"}
    found = bench.check({"type": "unexpected_rows_expectation", "kwargs": query}, needs=["patient"])
    assert [(one.success, one.note) for one in found.outcomes] == [(None, "patient is not built")]


def test_only_what_is_critical_blocks(bench: Bench) -> None:
    doubled = {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "id"}}
    assert not bench.check({**doubled, "severity": "warning"}).blocks
    assert bench.check(doubled).blocks


def test_an_empty_view_passes(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    Lake.open(tmp_path / "lake", tenant="chu").build_views(definitions=bench.definitions)
    entries = [{"type": type_, "kwargs": kwargs} for type_, kwargs, _ in MAPS]
    query = {"type": "unexpected_rows_expectation", "kwargs": {"unexpected_rows_query": "SELECT * FROM {batch}"}}
    assert not bench.check(*entries, query).failed


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"type": "expect_column_values_to_be_unique", "kwargs": {"column": "nope"}}, "no column nope"),
        ({"type": "expect_nothing", "kwargs": {}}, "expect_nothing"),
        ({"type": "expect_column_mean_to_be_between", "kwargs": {"column": "id", "max_value": 1}}, "cannot be counted"),
        ({"type": "unexpected_rows_expectation", "kwargs": {"unexpected_rows_query": "SELEC T"}}, "Exception"),
        ({"type": "expect_column_values_to_be_unique"}, "is no suite"),
    ],
)
def test_a_faulty_suite_is_refused(bench: Bench, entry: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        bench.check(entry)


def test_an_error_of_the_data_is_not_quoted(bench: Bench) -> None:
    query = "SELECT CAST(gender AS INTEGER) AS n FROM {batch} WHERE n > 1"
    with pytest.raises(SettingsError) as caught:
        bench.outcome("unexpected_rows_expectation", unexpected_rows_query=query)
    assert "ConversionException" in str(caught.value)
    assert CANARY not in str(caught.value)
    assert "male" not in str(caught.value)


def test_a_view_that_was_never_built(bench: Bench) -> None:
    with pytest.raises(InputError, match="never built"):
        bench.check(name="nobody")


def test_great_expectations_is_imported_by_the_check_alone() -> None:
    script = "import sys, lacustre.quality.gx; print('great_expectations' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"


def test_important_views_have_suites() -> None:
    important = {"patient", "encounter", "condition", "observation", "procedure", "medication_request"}
    assert important <= SUITES.keys()
    assert len(SUITES) >= 8
    assert all(read_suite(path).view == name for name, path in SUITES.items())


@pytest.mark.parametrize("name", SUITES)
def test_a_suite_is_of_a_starter_view(name: str) -> None:
    suite = read_suite(SUITES[name])
    columns = {column.name for column in load_view(find_views(starter_views())[name]).output()}
    assert suite.columns <= columns
    kinds = {entry.type for entry in suite.entries}
    assert {"expect_column_values_to_be_unique", "expect_column_values_to_not_be_null"} <= kinds
    assert {"expect_column_values_to_be_in_set", "expect_column_values_to_be_between"} <= kinds


def test_the_sample_passes_every_suite(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake")
    lake.load(generate_sample(tmp_path / "export", patients=40).folder)
    lake.build_views(*SUITES, definitions=starter_views())
    tenant = TenantStore(ObjectStore(str(tmp_path / "lake")), TenantId("default"))
    found = [validate_view(tenant, path) for path in SUITES.values()]
    assert {one.view: one.failed for one in found if one.failed} == {}
    assert sum(len(one.outcomes) for one in found) > 100
