"""What `lacustre conformance` prints: the cases of SQL on FHIR by file, those of FHIRPath by group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from lacustre.cli import output
from lacustre.query.conformance import run_conformance
from lacustre.query.fhirpath_conformance import run_fhirpath_cases
from lacustre.views.conformance import Result, write_report
from lacustre.views.fhirpath_cases import PathResult, Verdict, case_file


def run_cases(folder: Path, report: Path | None, fhir_version: str) -> bool:
    """Run the cases of a folder and print their counts; whether all pass, or are refused by name."""
    paths = case_file(folder)
    if paths is None:
        results = [result for suite in run_conformance(folder, fhir_version) for result in suite]
        _print_files(results)
    else:
        found = list(run_fhirpath_cases(paths, fhir_version))
        _print_groups(found)
        results = [entry.result for entry in found]
    if report is not None:
        report.write_text(write_report(results), encoding="utf-8")
        output.out.print(f"report written to {report}")
    apart = {entry.result.suite for entry in found if entry.case.disabled} if paths else set()
    return all(result.passed or result.unsupported or result.suite in apart for result in results)


def _print_files(results: Sequence[Result]) -> None:
    files = dict.fromkeys(result.suite for result in results)
    rows = []
    for name in files:
        of_file = [result for result in results if result.suite == name]
        rows.append((name, sum(result.passed for result in of_file), len(of_file)))
    output.table("", ("file", "passed", "cases"), rows)
    for result in results:
        if not result.passed:
            _print_line("failed", result.suite, result.title, result.reason)
    output.out.print(f"\n{sum(result.passed for result in results)} of {len(results)} cases pass")


def _print_groups(results: Sequence[PathResult]) -> None:
    enabled = [entry for entry in results if not entry.case.disabled]
    disabled = [entry for entry in results if entry.case.disabled]
    verdicts: tuple[Verdict, ...] = ("passed", "unsupported", "wrong", "failed")
    rows = []
    for group in dict.fromkeys(entry.case.group for entry in enabled):
        counts = Counter(entry.verdict for entry in enabled if entry.case.group == group)
        rows.append((group, *(counts[verdict] for verdict in verdicts), counts.total()))
    output.table("", ("group", *verdicts, "cases"), rows)
    for entry in enabled:
        if entry.verdict in ("wrong", "failed"):
            _print_line(entry.verdict, entry.case.group, entry.case.expression, entry.reason)
    output.out.print(f"\n{_counted(enabled)}\ndisabled in the suite, not counted above: {_counted(disabled)}")


def _print_line(verdict: str, suite: str, name: str, reason: str | None) -> None:
    output.out.print(f"{verdict}: {suite}: {name}: {reason}", markup=False, soft_wrap=True)


def _counted(results: Sequence[PathResult]) -> str:
    counts = Counter(entry.verdict for entry in results)
    refused = sum(entry.verdict == "passed" and entry.refusal is not None for entry in results)
    others = f"{counts['unsupported']} unsupported, {counts['wrong']} wrong, {counts['failed']} failed"
    return f"{counts['passed']} of {len(results)} cases pass ({refused} by a refusal that is expected), {others}"
