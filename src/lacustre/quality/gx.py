"""Great Expectations over a view: DuckDB counts, Great Expectations judges and draws the page.

Its import takes some twelve seconds, so it happens in the functions that need it, and nowhere else in Lacustre.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeAlias

import duckdb

from lacustre.errors import InputError, SettingsError
from lacustre.quality.counts import count_metrics
from lacustre.quality.data_docs import self_contained
from lacustre.quality.profile import TOLERANCE, Profile, baseline, remember
from lacustre.quality.suite import Entry, Suite, read_suite
from lacustre.query.session import open_session
from lacustre.store.objects import ObjectStore
from lacustre.store.scan import sql_text
from lacustre.store.tenant import TenantStore
from lacustre.views.builds.manifest import ViewManifest, read_manifest

if TYPE_CHECKING:
    from great_expectations.core import ExpectationValidationResult
    from great_expectations.expectations.expectation import Expectation

MARGIN = timedelta(days=2)
"""How far after now a date may lie: clocks differ, and so do time zones."""
CRITICAL = "critical"
MEMORY = "1GB"
"""Of a view with 10 million rows, the keys alone take more; they are counted in this."""
_ONLY_COUNTS = {"result_format": {"result_format": "BOOLEAN_ONLY"}}
_COUNTS = {
    "elements": "table.row_count",
    "missing": "column_values.nonnull.unexpected_count",
    "filled": "column.non_null_proportion",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one expectation.

    `success` is None where it was skipped, with `note` saying why. `counts` has of rows the `elements`, `missing`
    and `unexpected` ones, or the share that is `filled`.
    """

    name: str
    columns: tuple[str, ...]
    severity: str
    success: bool | None
    counts: Mapping[str, float]
    note: str = ""


Result: TypeAlias = "tuple[Outcome, ExpectationValidationResult | None]"


@dataclass(frozen=True, slots=True)
class ViewValidation:
    """The outcome of a view's suite; `page` is the URI of the Data Docs page, where one was written."""

    view: str
    build: str
    rows: int
    outcomes: tuple[Outcome, ...]
    page: str | None = None

    @property
    def failed(self) -> tuple[Outcome, ...]:
        return tuple(one for one in self.outcomes if one.success is False)

    @property
    def blocks(self) -> bool:
        """Whether something failed without which the view should not be used."""
        return any(one.severity == CRITICAL for one in self.failed)


def validate_view(
    tenant: TenantStore, suite_path: Path, docs: ObjectStore | None = None, *, now: datetime | None = None
) -> ViewValidation:
    """Check the newest build of the suite's view, and write its Data Docs page into `docs`.

    Where nothing critical failed, the shares of nulls are remembered: the next build is compared with them. No
    result, page or error holds a value of the data. Raises SettingsError for a faulty suite, InputError where the
    view was never built.
    """
    suite = read_suite(suite_path)
    manifest = read_manifest(tenant, suite.view)
    if manifest is None:
        raise InputError("no_such_view", f"{suite.view} was never built", "build it: `lacustre views build`")
    _require_columns(suite, manifest)
    before = baseline(tenant, suite.view, manifest.build)
    with _session(tenant, suite) as connection:
        results = _judge_all(connection, suite, _parameters(before, now or datetime.now(UTC)))
        profile = _profile(connection, suite, manifest)
    page = None if docs is None else _write_page(docs, tenant, suite, manifest, results)
    found = ViewValidation(suite.view, manifest.build, manifest.rows, tuple(one for one, _ in results), page)
    if not found.blocks:
        remember(tenant, suite.view, profile)
    return found


def _parameters(before: Profile | None, now: datetime) -> dict[str, Any]:
    """What suites may name: `latest`, the last day that a date may have, and `filled.<column>`."""
    values: dict[str, Any] = {"latest": (now + MARGIN).date().isoformat()}
    if before is not None:
        values |= {f"filled.{name}": max(0.0, share - TOLERANCE) for name, share in before.filled.items()}
    return values


def _require_columns(suite: Suite, manifest: ViewManifest) -> None:
    missing = suite.columns - {one.name for one in manifest.columns}
    if missing:
        found = f"{suite.view} has no column {', '.join(sorted(missing))}"
        raise SettingsError("bad_suite", found, "mend the suite, or the view")


@contextmanager
def _session(tenant: TenantStore, suite: Suite) -> Iterator[duckdb.DuckDBPyConnection]:
    """A session over the view and those that the suite needs; beyond its memory it uses a folder that goes away."""
    with (
        TemporaryDirectory() as spill,
        open_session(tenant, " ".join([suite.view, *suite.needs])) as connection,
    ):
        connection.execute(f"SET memory_limit = '{MEMORY}'; SET temp_directory = {sql_text(spill)}")
        yield connection


def _profile(connection: duckdb.DuckDBPyConnection, suite: Suite, manifest: ViewManifest) -> Profile:
    names = sorted(suite.columns)
    shares = count_metrics(connection, suite.view, [("column.non_null_proportion", {"column": name}) for name in names])
    return Profile(
        manifest.build, manifest.rows, {name: share or 0.0 for name, share in zip(names, shares, strict=True)}
    )


def _judge_all(connection: duckdb.DuckDBPyConnection, suite: Suite, values: Mapping[str, Any]) -> list[Result]:
    there = {name for (name,) in connection.execute("SELECT view_name FROM duckdb_views()").fetchall()}
    absent = [name for name in suite.needs if name not in there]
    return [_judge_or_skip(connection, suite.view, entry, values, absent) for entry in suite.entries]


def _judge_or_skip(
    connection: duckdb.DuckDBPyConnection, view: str, entry: Entry, values: Mapping[str, Any], absent: Sequence[str]
) -> Result:
    whole = entry.with_parameters(values)
    if whole is None:
        return _skipped(entry, "no build before this one passed"), None
    query = str(entry.kwargs.get("unexpected_rows_query", ""))
    lacking = [name for name in absent if re.search(rf"\b{name}\b", query)]
    return (_skipped(entry, f"{', '.join(lacking)} is not built"), None) if lacking else _judge(connection, view, whole)


def _skipped(entry: Entry, why: str) -> Outcome:
    return Outcome(entry.type, entry.columns, entry.severity, None, {}, why)


def _judge(connection: duckdb.DuckDBPyConnection, view: str, entry: Entry) -> Result:
    """Ask the expectation what it needs to know, have it counted, and let it decide."""
    expectation = _expectation(entry)
    needed = expectation.get_validation_dependencies(runtime_configuration=dict(_ONLY_COUNTS))
    metrics = list(needed.metric_configurations.values())
    asked = [(one.metric_name, {**one.metric_domain_kwargs, **one.metric_value_kwargs}) for one in metrics]
    if any(arguments.get("row_condition") for _, arguments in asked):
        raise SettingsError("unsupported_expectation", f"{entry.type} of {view} has a row_condition")
    try:
        numbers = count_metrics(connection, view, asked)
    except duckdb.Error as error:
        # its message may quote a value that could not be cast
        raise SettingsError("bad_suite", f"{entry.type} of {view} cannot be counted: {type(error).__name__}") from None
    ids = {one.id: number for one, number in zip(metrics, numbers, strict=True)}
    result = expectation.metrics_validate(ids, runtime_configuration=dict(_ONLY_COUNTS))
    counts = _counts({name: number for (name, _), number in zip(asked, numbers, strict=True)})
    result.result = _shown(counts)
    return Outcome(entry.type, entry.columns, entry.severity, bool(result.success), counts), result


def _expectation(entry: Entry) -> Expectation:
    from great_expectations.exceptions.exceptions import GreatExpectationsError
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
    from great_expectations.expectations.metadata_types import FailureSeverity

    try:
        severity, meta = FailureSeverity(entry.severity), dict(entry.meta)
        return ExpectationConfiguration(entry.type, dict(entry.kwargs), meta, severity=severity).to_domain_obj()
    except (GreatExpectationsError, ValueError, TypeError) as error:
        raise SettingsError("bad_suite", f"{entry.type}: {error}", "see docs/howto/operations.md") from None


def _counts(numbers: Mapping[str, float | None]) -> dict[str, float]:
    found = {shown: numbers[name] for shown, name in _COUNTS.items() if numbers.get(name) is not None}
    of_rows = (name for name in numbers if name.endswith(("unexpected_count", "unexpected_rows_query.row_count")))
    others = [numbers[name] for name in of_rows if name != _COUNTS["missing"]]
    unexpected = others[0] if others else found.get("missing")
    if unexpected is not None:
        found["unexpected"] = unexpected
    return {name: number for name, number in found.items() if number is not None}


def _shown(counts: Mapping[str, float]) -> dict[str, Any]:
    """The counts under the names that the pages of Great Expectations know."""
    known = counts.get("elements", 0) - counts.get("missing", 0)
    shown: dict[str, Any] = {"observed_value": counts["filled"]} if "filled" in counts else {}
    if "unexpected" in counts and "elements" in counts:
        share = 100 * counts["unexpected"] / known if known else 0.0
        shown |= {"element_count": counts["elements"], "unexpected_count": counts["unexpected"]}
        shown |= {"missing_count": counts.get("missing", 0), "unexpected_percent": share}
    elif "unexpected" in counts:
        shown["observed_value"] = counts["unexpected"]
    return shown


def _write_page(
    docs: ObjectStore,
    tenant: TenantStore,
    suite: Suite,
    manifest: ViewManifest,
    results: Sequence[Result],
) -> str:
    path = f"{tenant.tenant.name}/{suite.view}.html"
    docs.write(path, _page(suite, manifest, [result for _, result in results if result is not None]).encode())
    return docs.uri(path)


def _page(suite: Suite, manifest: ViewManifest, results: Sequence[ExpectationValidationResult]) -> str:
    from great_expectations.core import ExpectationSuiteValidationResult, RunIdentifier
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
    from great_expectations.render.view.view import DefaultJinjaPageView

    passed = sum(bool(one.success) for one in results)
    statistics = {
        "evaluated_expectations": len(results),
        "successful_expectations": passed,
        "unsuccessful_expectations": len(results) - passed,
        "success_percent": 100 * passed / len(results) if results else None,
    }
    run = RunIdentifier(run_time=datetime.fromisoformat(manifest.built))
    whole = ExpectationSuiteValidationResult(
        success=passed == len(results),
        results=list(results),
        suite_name=suite.view,
        suite_parameters={},
        statistics=statistics,
        meta={"run_id": run.to_json_dict(), "rows": manifest.rows},
    )
    html = DefaultJinjaPageView().render(ValidationResultsPageRenderer().render(whole))  # type: ignore[no-untyped-call]
    return self_contained(str(html))
