"""What checks say on an asset's page: names, codes and counts, never data."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dagster as dg

from lacustre.quality.gx import CRITICAL, Outcome, ViewValidation
from lacustre.store.ledger import Record
from pipelines.partitions import tenants

PUBLISHED = "published"
EXPECTATIONS = "expectations"


@contextmanager
def with_partitions() -> Iterator[None]:
    """Partitions of checks are new in Dagster 1.13, which says so each time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)
        yield


def published_spec(table: dg.AssetKey) -> dg.AssetCheckSpec:
    """Whether the load's statement lets views be built of the table."""
    said = "The load's statement is within its thresholds."
    with with_partitions():
        return dg.AssetCheckSpec(PUBLISHED, asset=table, blocking=True, description=said, partitions_def=tenants)


def published_check(table: dg.AssetKey, record: Record | None, load: str) -> dg.AssetCheckResult:
    """By the lake's newest record: a load that finds nothing new makes none, and releases nothing."""
    reasons = {reason.code: reason.detail for reason in (record.reasons if record else ())}
    return dg.AssetCheckResult(
        passed=record is None or record.state == "published",
        asset_key=table,
        check_name=PUBLISHED,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={
            "load": load,
            "version of the lake": record.number if record else 0,
            "state": record.state if record else "published",
            "reasons": dg.MetadataValue.json(reasons),
            **_of_statement(record.statement if record else {}, table.path[-1]),
        },
    )


def _of_statement(statement: Mapping[str, Any], resource_type: str) -> dict[str, str | int]:
    """What a load's statement says of one type; other operations have statements of other shapes."""
    references = [row for row in statement.get("references", ()) if row["source"] == resource_type]
    if "freshness" not in statement:
        return {}
    return {
        "newest data": statement["freshness"]["updated"].get(resource_type) or "",
        "newest export": statement["freshness"]["export"] or "",
        "references": sum(row["count"] for row in references),
        "references that lead nowhere": sum(row["count"] - row["resolved"] for row in references),
        "Encounters that wait for it": statement["completeness"]["waiting"].get(resource_type, 0),
        "lines missing in the export": statement["files"]["missing"],
    }


def expectations_check(found: ViewValidation) -> dg.AssetCheckResult:
    """Failed with ERROR, which blocks, only where something critical failed."""
    skipped = sum(one.success is None for one in found.outcomes)
    metadata: dict[str, dg.MetadataValue | str | int] = {
        "rows": found.rows,
        "build": found.build,
        "expectations": dg.MetadataValue.table(
            [dg.TableRecord(_row(one)) for one in found.outcomes], dg.TableSchema.from_name_type_dict(_COLUMNS)
        ),
        "failed": len(found.failed),
        "skipped": skipped,
    }
    if found.page is not None:
        metadata["data docs"] = dg.MetadataValue.path(found.page)
    return dg.AssetCheckResult(
        passed=not found.failed,
        severity=dg.AssetCheckSeverity.ERROR if found.blocks else dg.AssetCheckSeverity.WARN,
        metadata=metadata,
    )


_COLUMNS = {"expectation": "string", "columns": "string", "severity": "string", "verdict": "string", "counts": "string"}


def _row(one: Outcome) -> dict[str, str]:
    verdict = {True: "holds", False: "fails", None: f"skipped: {one.note}"}[one.success]
    return {
        "expectation": one.name.removeprefix("expect_"),
        "columns": ", ".join(one.columns),
        "severity": one.severity if one.severity != CRITICAL else "critical: blocks",
        "verdict": verdict,
        "counts": ", ".join(f"{name} {round(number, 4)}" for name, number in one.counts.items()),
    }
