"""The whole benchmark: makes the data, measures, reports."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.command import memory_figure, select_figure
from benchmarks.data import SAMPLE_SHARE, join_files, make_base_set, make_sample_set
from benchmarks.increments import compaction_figure, increment_figures, make_history, one_part_figures, s3_figure
from benchmarks.loads import load, load_figures
from benchmarks.machine import describe_machine
from benchmarks.measure import Figure
from benchmarks.paths import repeat_figure, row_at_a_time_figure
from benchmarks.refresh import make_exports, refresh_figures
from benchmarks.report import render, to_json
from benchmarks.views import build_all, compile_figure, growth_figure, hand_written_figures, or_null_figures
from lacustre import Lake
from support.s3 import s3_bucket

DEFAULT_MEGABYTES = 250
LARGE_FILE_MEGABYTES = 2000


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options(arguments)
    if options.folder is not None:
        options.folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="lacustre-bench-", dir=options.folder) as folder:
        figures = measure(Path(folder), options.size, options.rounds, full=options.full) if options.size else []
        figures += _growth(Path(folder), options.increments, s3=options.s3) if options.increments else []
        figures += _refresh(Path(folder), options.refresh) if options.refresh else []
    machine = describe_machine()
    print(render(machine, figures))
    if options.json is not None:
        options.json.write_text(to_json(machine, figures) + "\n", encoding="utf-8")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Ratios of the load, the views and the command, taken in one run.")
    parser.add_argument(
        "--size", type=float, default=DEFAULT_MEGABYTES, help="MB of FHIR to load, 0 for none (default: %(default)s)"
    )
    parser.add_argument("--rounds", type=int, default=3, help="loads of each kind (default: %(default)s)")
    parser.add_argument("--full", action="store_true", help=f"also load one file of {LARGE_FILE_MEGABYTES} MB")
    parser.add_argument("--increments", type=int, help="also let a table grow to that many Observations")
    parser.add_argument("--refresh", type=int, help="also build views again over a lake of that many patients")
    parser.add_argument(
        "--s3", action="store_true", help="with --increments: also load from S3 to S3, on $LACUSTRE_TEST_S3 or our own"
    )
    parser.add_argument("--json", type=Path, help="file for the figures as JSON")
    parser.add_argument("--folder", type=Path, help="where the data and lakes are made (default: the temporary folder)")
    return parser.parse_args(arguments)


def measure(folder: Path, megabytes: float, rounds: int, *, full: bool = False) -> list[Figure]:
    """All figures, on data and lakes that are made in `folder`."""
    base = make_base_set(folder / "base", megabytes)
    quarter = make_base_set(folder / "quarter-base", megabytes / 4)
    sample = make_sample_set(folder / "sample", megabytes * SAMPLE_SHARE)
    _say(f"data made: {base.megabytes:.0f} MB, {quarter.megabytes:.0f} MB, sample {sample.megabytes:.0f} MB")
    figures = load_figures(base, quarter, folder, rounds)
    _say("loads measured")
    lakes = [Lake.open(folder / name) for name in ("lake", "sample-lake", "quarter")]
    load(lakes[1], sample)
    figures += _view_figures(*lakes, factor=base.megabytes / quarter.megabytes, budget=min(0.5, megabytes / 100))
    figures += [row_at_a_time_figure(folder / "rows", 0.5), repeat_figure(folder / "repeat", 0.5)]
    figures += [select_figure(folder / "lake", 2 * rounds + 1), compile_figure(lakes[0])]
    if full:
        _say(f"loading one file of {LARGE_FILE_MEGABYTES} MB")
        large = join_files(base, folder / "large.ndjson", LARGE_FILE_MEGABYTES)
        figures.insert(2, memory_figure(large, folder / "large-lake"))
    return figures


def _view_figures(base: Lake, sample: Lake, quarter: Lake, *, factor: float, budget: float) -> list[Figure]:
    views = build_all(base, sample)
    return [
        *hand_written_figures(views, budget),
        *or_null_figures(base, views, budget),
        growth_figure(base, quarter, factor),
    ]


def _growth(folder: Path, rows: int, *, s3: bool) -> list[Figure]:
    history = make_history(folder / "history", rows)
    _say(f"history made: {history.rows} rows")
    figures = []
    if s3:
        with s3_bucket() as bucket:
            figures.append(s3_figure(history, folder, bucket))
    grown, memory = increment_figures(history, folder / "growing-lake")
    _say("compaction")
    figures += [*grown, compaction_figure(history, folder / "compaction"), *memory]
    return [*figures, *one_part_figures(history, folder / "one-part")]


def _refresh(folder: Path, patients: int) -> list[Figure]:
    exports = make_exports(folder / "exports", patients)
    _say("exports made")
    return refresh_figures(exports, folder / "refreshed-lake")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
