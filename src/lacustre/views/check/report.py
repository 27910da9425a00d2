"""A report as text to read, as JSON, and as SARIF 2.1.0 (OASIS, Static Analysis Results Interchange Format)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, TypeAlias
from urllib.parse import quote

from lacustre.views.check.findings import LEVELS, CheckedColumn, CheckedView, CheckReport, Finding
from lacustre.views.check.rules import meaning_of

ReportFormat: TypeAlias = Literal["text", "json", "sarif"]
SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_BAR = 20


def write_report(report: CheckReport, form: ReportFormat, version: str = "") -> str:
    """The report in a format; `version` is that of Lacustre, for SARIF."""
    match form:
        case "text":
            return "\n".join(_text(report)) + "\n"
        case "json":
            return json.dumps(_json(report), indent=2, ensure_ascii=False) + "\n"
        case "sarif":
            return json.dumps(_sarif(report, version), indent=2, ensure_ascii=False) + "\n"


def _text(report: CheckReport) -> Iterator[str]:
    for view in report.views:
        for finding in view.findings:
            yield from _text_of_finding(view, finding)
            yield ""
    for view in report.views:
        if view.rows is not None:
            yield from _text_of_columns(view)
            yield ""
    yield _summary(report)


def _text_of_finding(view: CheckedView, finding: Finding) -> Iterator[str]:
    found = finding.diagnostic
    where = f"{view.path}:{found.line}:{found.column}" if found.line else view.path
    yield f"{where}: {finding.level}: {found.message} [{found.code}]"
    yield from (f"    {line}" for line in found.excerpt())
    if found.hint:
        yield f"    hint: {found.hint}"


def _text_of_columns(view: CheckedView) -> Iterator[str]:
    yield f"{view.name}: {view.rows} rows of {view.resource}"
    width = max((len(column.name) for column in view.columns), default=0)
    for column in view.columns:
        share = share_of(column, view.rows)
        bar = "#" * round(_BAR * share) if share is not None else ""
        yield f"  {column.name:<{width}}  {_percent(share):>7}  {bar:<{_BAR}}  {column.type}"


def share_of(column: CheckedColumn, rows: int | None) -> float | None:
    """The share of rows in which a column has a value, from 0 to 1; None where there are no rows."""
    return column.filled / rows if rows and column.filled is not None else None


def _percent(share: float | None) -> str:
    """Never 0 % or 100 % for what is not quite."""
    if share is None:
        return "-"
    if 0 < share < 0.001:
        return "<0.1 %"
    if 0.999 < share < 1:
        return ">99.9 %"
    return f"{100 * share:.{0 if share in (0, 1) else 1}f} %"


def _summary(report: CheckReport) -> str:
    counts = ", ".join(_counted(report.count(level), level) for level in LEVELS)
    against = f"the specification and {report.lake}"
    if report.lake is None:
        against = "the specification alone: there is no lake with data"
    return f"{_counted(len(report.views), 'view')} checked against {against}: {counts}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" + ("" if count == 1 else "s")


def _json(report: CheckReport) -> dict[str, Any]:
    counts = {f"{level}s": report.count(level) for level in LEVELS}
    return {"lake": report.lake, **counts, "views": [_json_of_view(view) for view in report.views]}


def _json_of_view(view: CheckedView) -> dict[str, Any]:
    columns = [
        {"name": column.name, "type": column.type, "filled": column.filled, "share": share_of(column, view.rows)}
        for column in view.columns
    ]
    return {
        "path": view.path,
        "name": view.name or None,
        "resource": view.resource or None,
        "rows": view.rows,
        "columns": columns,
        "findings": [_json_of_finding(finding) for finding in view.findings],
    }


def _json_of_finding(finding: Finding) -> dict[str, Any]:
    found = finding.diagnostic
    span = None if found.expression is None else {"start": found.start, "end": found.end}
    return {
        "code": found.code,
        "level": finding.level,
        "pointer": found.pointer,
        "line": found.line or None,
        "column": found.column or None,
        "end_line": finding.end_line or None,
        "end_column": finding.end_column or None,
        "expression": found.expression,
        "span": span,
        "message": found.message,
        "hint": found.hint,
    }


def _sarif(report: CheckReport, version: str) -> dict[str, Any]:
    codes = sorted({finding.code for _, finding in report.findings()})
    driver = {
        "name": "Lacustre",
        **({"semanticVersion": version} if version else {}),
        "rules": [_sarif_rule(code) for code in codes],
    }
    results = [_sarif_result(view, finding, codes.index(finding.code)) for view, finding in report.findings()]
    artifacts = [{"location": {"uri": uri}} for uri in dict.fromkeys(_uri(view.path) for view in report.views)]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "artifacts": artifacts, "results": results}
    return {"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}


def _sarif_rule(code: str) -> dict[str, Any]:
    name = "".join(word.capitalize() for word in code.split("_"))
    return {"id": code, "name": name, "shortDescription": {"text": f"{meaning_of(code)}."}}


def _sarif_result(view: CheckedView, finding: Finding, rule: int) -> dict[str, Any]:
    found = finding.diagnostic
    text = f"{found.message}. Hint: {found.hint}" if found.hint else found.message
    physical: dict[str, Any] = {"artifactLocation": {"uri": _uri(view.path)}}
    if found.line:
        physical["region"] = _sarif_region(finding)
    location: dict[str, Any] = {"physicalLocation": physical}
    if found.pointer:
        location["logicalLocations"] = [{"fullyQualifiedName": found.pointer, "kind": "member"}]
    return {
        "ruleId": found.code,
        "ruleIndex": rule,
        "level": finding.level,
        "message": {"text": text},
        "locations": [location],
    }


def _sarif_region(finding: Finding) -> dict[str, int]:
    found = finding.diagnostic
    region = {"startLine": found.line, "startColumn": found.column}
    if finding.end_line:
        region |= {"endLine": finding.end_line, "endColumn": finding.end_column}
    return region


def _uri(path: str) -> str:
    """A reference relative to where the command runs, or absolute for a file elsewhere."""
    place = Path(path)
    if place.is_absolute() and place.is_relative_to(Path.cwd()):
        place = place.relative_to(Path.cwd())
    return place.as_uri() if place.is_absolute() else quote(place.as_posix())
