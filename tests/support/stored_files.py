"""Parquet files as a lake keeps them, and damage done to them."""

from __future__ import annotations

from pathlib import Path

import duckdb

from lacustre.store.digest import named, sha256_of
from lacustre.store.reading import StoredFile


def write_stored(folder: Path, number: int, rows: int) -> Path:
    """A file whose name has its digest; `id` counts on from file to file of as many rows, `text` has 32 characters."""
    path = folder / "part.parquet"
    columns = f"range + {number * rows} AS id, md5((range + {number * rows})::VARCHAR) AS text"
    duckdb.sql(f"COPY (SELECT {columns} FROM range({rows})) TO '{path}'")
    return path.rename(folder / named(f"part-{number}", sha256_of(path)))


def stored(path: Path) -> StoredFile:
    return StoredFile(str(path), path.stat().st_size, path.stem[-64:])


def flip(path: Path, position: int, bit: int = 0) -> None:
    """Turn one bit over, in place."""
    with path.open("r+b") as opened:
        opened.seek(position)
        (byte,) = opened.read(1)
        opened.seek(position)
        opened.write(bytes([byte ^ 1 << bit]))
