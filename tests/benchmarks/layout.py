"""What an update, an erasure and a scan cost under four layouts of one table (the measurement of ADR 2).

python tests/benchmarks/layout.py FOLDER: FOLDER has Observation NDJSON, amplified. Prints a table: files, the
share of the bytes that has to be rewritten, and seconds of a scan, each as a ratio to the layout that was chosen.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from lacustre import Lake

SEGMENTS = 8
BUCKETS = 16
SEED = 0.42

LAYOUTS = {
    "shard of patient + segment of load": f"abs(lake_patient_key) % {BUCKETS} AS a, segment AS b",
    "bucket of resource id": f"hash(id) % {BUCKETS} AS a, 0 AS b",
    "segment of load": "0 AS a, segment AS b",
    "one folder": "0 AS a, 0 AS b",
}


@dataclass(frozen=True, slots=True)
class Measured:
    """Shares of the table's bytes, and seconds."""

    files: int
    erase_patient: float
    update_recent: float
    update_any: float
    scan: float


@contextmanager
def _observations(folder: Path, work: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    lake = Lake.open(work / "lake")
    lake.load(str(folder / "Observation*.ndjson"))
    connection = lake.session()
    connection.execute("SET preserve_insertion_order = false")
    connection.execute(f"SELECT setseed({SEED})").fetchall()
    # eight loads of one eighth each, in the order of time, as exports of a running hospital are
    connection.execute(
        f"CREATE TABLE observation AS SELECT *, ntile({SEGMENTS}) OVER (ORDER BY effectiveDateTime) AS segment "
        "FROM fhir.Observation"
    ).fetchall()
    yield connection
    connection.close()


def measure(connection: duckdb.DuckDBPyConnection, partition: str, target: Path) -> Measured:
    connection.execute(
        f"COPY (SELECT *, {partition} FROM observation) TO '{target}' (FORMAT parquet, COMPRESSION zstd, "
        "PARTITION_BY (a, b), WRITE_PARTITION_COLUMNS false)"
    ).fetchall()
    size = {str(path): path.stat().st_size for path in target.rglob("*.parquet")}
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE place AS SELECT id, lake_patient, segment, filename FROM "
        f"read_parquet('{target}/**/*.parquet', filename = true, hive_partitioning = false)"
    ).fetchall()

    def share(condition: str) -> float:
        touched = connection.execute(f"SELECT DISTINCT filename FROM place WHERE {condition}").fetchall()
        return sum(size[name] for (name,) in touched) / sum(size.values())

    erased = [
        share(f"lake_patient = '{patient}'")
        for (patient,) in connection.execute(
            "SELECT DISTINCT lake_patient FROM place ORDER BY md5(lake_patient) LIMIT 20"
        ).fetchall()
    ]
    recent = f"id IN (SELECT id FROM place WHERE segment = {SEGMENTS} ORDER BY md5(id) LIMIT 500)"
    return Measured(
        len(size),
        statistics.mean(erased),
        share(recent),
        share("id IN (SELECT id FROM place ORDER BY md5(id) LIMIT 500)"),
        _scan_seconds(connection, target),
    )


def _scan_seconds(connection: duckdb.DuckDBPyConnection, target: Path) -> float:
    query = (
        f"SELECT code.coding[1].code, count(*), avg(TRY_CAST(valueQuantity.value AS DOUBLE)) "
        f"FROM read_parquet('{target}/**/*.parquet', union_by_name = true, hive_partitioning = false) GROUP BY 1"
    )
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        connection.execute(query).fetchall()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    work = Path(tempfile.mkdtemp(prefix="lacustre-layout-"))
    try:
        with _observations(folder, work) as connection:
            found = {
                name: measure(connection, partition, work / f"layout{number}")
                for number, (name, partition) in enumerate(LAYOUTS.items())
            }
    finally:
        shutil.rmtree(work)
    chosen = next(iter(found.values())).scan
    print(f"{'layout':<36}{'files':>6}{'erase':>8}{'recent':>8}{'any':>8}{'scan':>8}")
    for name, row in found.items():
        print(
            f"{name:<36}{row.files:>6}{row.erase_patient:>8.1%}{row.update_recent:>8.1%}{row.update_any:>8.1%}"
            f"{row.scan / chosen:>7.2f}x"
        )


if __name__ == "__main__":
    main()
