"""The load against DuckDB's own way from the same NDJSON to Parquet, and against itself on a quarter of the data."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from benchmarks.data import DataSet
from benchmarks.measure import Figure, alternate, median_seconds
from lacustre import Lake

LOAD_TARGET = 0.5
GROWTH_TARGET = 4.4
Columns = Mapping[str, str]


def load_figures(data: DataSet, quarter: DataSet, folder: Path, rounds: int) -> list[Figure]:
    """Both ratios of the load; the lake that it leaves in `folder`/lake holds `data`."""
    lake = Lake.open(folder / "lake")
    load(lake, data)
    columns = columns_of(lake)
    ours, duckdbs = alternate(lambda: load(lake, data), lambda: copy_by_duckdb(data, columns, folder), rounds)
    small = median_seconds(lambda: load(Lake.open(folder / "quarter"), quarter), rounds)
    size, times = data.megabytes, data.megabytes / quarter.megabytes
    return [
        Figure(
            "load",
            "speed against DuckDB's bare COPY",
            duckdbs / ours,
            direction="at least",
            target=LOAD_TARGET,
            detail=f"{size:.0f} MB: {size / ours:.0f} MB/s against {size / duckdbs:.0f} MB/s",
        ),
        Figure(
            "load",
            "time for four times the data",
            ours / small * 4 / times,
            target=GROWTH_TARGET,
            detail=f"{ours:.1f} s for {size:.0f} MB, {small:.1f} s for {quarter.megabytes:.0f} MB",
        ),
    ]


def load(lake: Lake, data: DataSet) -> None:
    """A first load; SystemExit where it does not take every line."""
    shutil.rmtree(lake.uri, ignore_errors=True)
    result = lake.load(data.folder)
    if result.total("rejected"):
        raise SystemExit(f"{result.total('rejected')} lines of the benchmark's data were rejected")


def columns_of(lake: Lake) -> dict[str, Columns]:
    """The FHIR columns of each raw table with their SQL types."""
    with lake.session() as session:
        return {
            table.name: {
                name: kind
                for name, kind, *_ in session.execute(f'DESCRIBE fhir."{table.name}"').fetchall()
                if not name.startswith("lake_")
            }
            for table in lake.tables()
            if table.schema == "fhir"
        }


def copy_by_duckdb(data: DataSet, columns: Mapping[str, Columns], folder: Path) -> None:
    """The floor: NDJSON to one zstd Parquet file per type by DuckDB alone, with the columns of our tables declared.

    It drops what is not declared, coerces kinds and knows nothing of versions, partitions or commits.
    """
    target = folder / "duckdb"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    with duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false")
        for resource_type, files in data.by_type().items():
            read = _read_json(files, columns[resource_type])
            to = target / f"{resource_type}.parquet"
            connection.execute(f"COPY (FROM {read}) TO '{to}' (FORMAT parquet, COMPRESSION zstd)").fetchall()


def _read_json(files: Sequence[Path], columns: Columns) -> str:
    listed = ", ".join(f"'{path}'" for path in files)
    declared = ", ".join(f"'{name}': '{kind}'" for name, kind in columns.items())
    return f"read_json([{listed}], format = 'newline_delimited', columns = {{{declared}}})"
