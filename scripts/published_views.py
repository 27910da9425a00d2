"""Every published ViewDefinition over every set of real data, as a page: `docs/reference/published-views.md`.

Both are found in the folder of shared test material, which the repository does not contain. Run it after a change of
what the compiler supports:

    uv run python scripts/published_views.py ../shared
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lacustre import Lake
from lacustre.views.check import CheckedView

PAGE = Path(__file__).parents[1] / "docs/reference/published-views.md"
SETS = ("mimic-iv-demo-fhir", "synthea-bulkserver-r4", "synthea-hiv-r4", "synthea-smart-r4")
ORIGINS = {
    "fhir-data-pipes": "flat views of OHS FHIR Data Pipes",
    "hl7-spec": "examples of the HL7 specification",
    "pathling": "tests and benchmark of Pathling",
}
REASONS = {
    "diagnostic_report_flat_view.json": (
        "The view iterates over the codings of `DiagnosticReport.conclusion`, which is a string in every FHIR release: "
        "the codes of a conclusion are in `conclusionCode`."
    ),
}
"""What is wrong with the views that are refused."""

HEAD = """# Published ViewDefinitions

What others published, run as it is over four sets of real and synthetic FHIR R4 data (MIMIC-IV demo, three of Synthea).
A number is that of the view's rows. Zero says that the set has no such resources, or none that the view asks for: the
readings of the MIMIC views, for instance, are in files that the demo leaves out. A refused view is not run at all,
whatever the data.

This page is made by `scripts/published_views.py`, and `tests/views/test_published.py` checks that it is current.
"""


@dataclass(frozen=True, slots=True)
class Published:
    """A published view: what became of it on each set of data."""

    path: Path
    results: Mapping[str, CheckedView]

    @property
    def refused(self) -> CheckedView | None:
        """What was found of it where it was refused."""
        return next((view for view in self.results.values() if view.rows is None and errors_of(view)), None)


def errors_of(view: CheckedView) -> list[str]:
    """The errors of a view, each with its code and its place in the file."""
    found = (finding.diagnostic for finding in view.findings if finding.level == "error")
    return [f"`{fault.code}`, line {fault.line}, `{fault.expression}`: {fault.message}" for fault in found]


def run_published(shared: Path, folder: Path) -> list[Published]:
    """Run all published views over lakes that are made of the sets in an empty folder."""
    files = sorted((shared / "view_definitions").rglob("*.json"))
    types = {str(json.loads(path.read_bytes())["resource"]) for path in files}
    lakes = {name: load_set(shared / "data" / name, types, folder / name) for name in SETS}
    return [Published(path, {name: check_one(lake, path) for name, lake in lakes.items()}) for path in files]


def load_set(source: Path, types: Iterable[str], target: Path) -> Lake:
    """A lake with those files of a set that the views are about: they are named after their type."""
    wanted = tuple(f"{prefix}{name}" for name in types for prefix in ("", "Mimic"))
    lake = Lake.open(target)
    lake.load(*(path for path in sorted(source.glob("*.ndjson.gz")) if path.name.startswith(wanted)))
    return lake


def check_one(lake: Lake, path: Path) -> CheckedView:
    (view,) = lake.check_views(path).views
    return view


def write_page(published: Sequence[Published]) -> str:
    """The page, in Markdown."""
    refused = [view for view in published if view.refused]
    counted = f"{len(published) - len(refused)} of {len(published)} views run; {len(refused)} refused."
    lines = [HEAD, counted]
    for origin, title in ORIGINS.items():
        own = [view for view in published if view.path.parent.name == origin]
        lines += ["", f"## {title[0].upper()}{title[1:]}", "", *_table(own)]
    lines += ["", "## Why views are refused", ""]
    for view in refused:
        lines += [f"- `{view.path.parent.name}/{view.path.name}`: {REASONS.get(view.path.name, '')}"]
        lines += [f"  - {fault}" for fault in _faults(view)]
    return "\n".join(lines) + "\n"


def _faults(view: Published) -> list[str]:
    assert view.refused is not None
    return errors_of(view.refused)


def _table(published: Sequence[Published]) -> Iterator[str]:
    yield f"| view | resource type | {' | '.join(SETS)} |"
    yield "|---|---|" + "---:|" * len(SETS)
    for view in published:
        cells = [_result(view.results[name]) for name in SETS]
        yield f"| {view.path.name} | {next(iter(view.results.values())).resource} | {' | '.join(cells)} |"


def _result(view: CheckedView) -> str:
    if view.rows is not None:
        return str(view.rows)
    return "refused" if errors_of(view) else "0"


def main() -> None:
    shared = Path(sys.argv[1] if len(sys.argv) > 1 else "../shared")
    with tempfile.TemporaryDirectory(prefix="lacustre-published-") as folder:
        PAGE.write_text(write_page(run_published(shared, Path(folder))), encoding="utf-8")
    print(f"written to {PAGE}")


if __name__ == "__main__":
    main()
