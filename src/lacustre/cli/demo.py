"""`lacustre demo`: the whole path on made-up data, each step with its rows and seconds."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lacustre.cli import output
from lacustre.cli.results import print_rows
from lacustre.errors import InputError
from lacustre.lake import Lake
from lacustre.query.results import write_result
from lacustre.sample import generate_sample
from lacustre.sample.questions import QUESTIONS, TRAINING_TABLE
from lacustre.views.catalog import starter_views

_MARKER = ".lacustre-demo"


@dataclass(slots=True)
class _Steps:
    """The steps so far: what, rows, seconds."""

    rows: list[tuple[str, int, float]] = field(default_factory=list)

    @contextmanager
    def step(self, title: str) -> Iterator[list[int]]:
        """Time a step; it appends the rows it made."""
        started = time.monotonic()
        made: list[int] = []
        yield made
        self.rows.append((title, sum(made), round(time.monotonic() - started, 1)))


def run_demo(folder: Path, patients: int) -> None:
    """Make the sample, load it, build the starter views, answer the questions, write the training table."""
    _prepare(folder)
    export, lake = folder / "export", Lake.open(folder / "lake")
    steps = _Steps()
    with output.progress("demo") as report:
        report("making the export of a small French hospital", 0.0)
        with steps.step("sample export, FHIR NDJSON") as made:
            made.append(sum(generate_sample(export, patients=patients).lines.values()))
        with steps.step("load into Delta tables") as made:
            loaded = lake.load(export, progress=lambda stage, share: report(stage, 0.3 + 0.4 * share))
            made.append(loaded.total("inserted"))
        with steps.step("views in Parquet, built from ViewDefinitions") as made:
            views = lake.build_views(
                definitions=starter_views(), progress=lambda view, share: report(f"view {view}", 0.7 + 0.25 * share)
            )
            made.append(sum(view.rows for view in views))
        with steps.step("training table in Parquet") as made:
            report("training table", 0.95)
            made.append(write_result(lake.sql(TRAINING_TABLE.sql), folder / "training.parquet", "parquet"))
    output.print_load(loaded)
    for question in QUESTIONS:
        output.out.print(f"\n[bold]{question.title}[/bold]\n{question.question}\n", soft_wrap=True)
        with steps.step(f"SQL: {question.title}") as made:
            answer = lake.sql(question.sql)
            rows = answer.fetchall()
            made.append(len(rows))
        print_rows(answer.columns, rows)
    output.out.print()
    output.table("The steps", ("step", "rows", "seconds"), steps.rows)
    _say_what_next(folder)


def _prepare(folder: Path) -> None:
    """Empty the demo's own folder; never another one."""
    if folder.is_file():
        raise InputError("folder_in_use", f"{folder} is a file", "give another folder")
    if folder.exists() and any(folder.iterdir()):
        if not (folder / _MARKER).exists():
            raise InputError("folder_in_use", f"{folder} is not empty and not a demo's", "give another folder")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _MARKER).touch()


def _say_what_next(folder: Path) -> None:
    lake = folder / "lake"
    command = "uv run lacustre" if "UV" in os.environ else "lacustre"
    output.out.print(
        f"\nEverything is in {folder}/: export/ (FHIR NDJSON), lake/ (Delta tables, views), training.parquet\n\n"
        "Next:\n"
        f"  {command} tables --lake {lake}\n"
        f'  {command} sql --lake {lake} "SELECT gender, count(*) FROM patient GROUP BY ALL"\n'
        f"  {command} load YOUR_EXPORT/ --lake mylake && {command} views build --lake mylake",
        markup=False,
        soft_wrap=True,
    )
