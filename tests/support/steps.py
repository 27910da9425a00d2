"""What a fork of `support.workshop` does with a lake."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import duckdb

from lacustre import Lake
from support.lossless import parse_exactly


def _command(lake: Lake, *arguments: str) -> None:
    """The `lacustre` command on the lake; it ends the fork unless it succeeds."""
    from lacustre.cli import main

    os.environ |= {"LACUSTRE_LAKE": lake.uri, "LACUSTRE_TENANT": lake.tenant}
    sys.argv = ["lacustre", *arguments]
    try:
        main()
    except SystemExit as end:
        if end.code:
            raise


def _load(lake: Lake, *places: str) -> None:
    lake.load(*places, processes=1, max_rejects=1.0)


def _views(lake: Lake, definitions: str) -> None:
    lake.build_views(definitions=definitions)


def _delete(lake: Lake, *keys: str) -> None:
    lake.delete(*keys)


def _maintain(lake: Lake) -> None:
    """`lacustre maintain` as it will be in two days, with no version kept but the newest one that is published.

    A log gets a checkpoint when it has two entries without one.
    """
    from lacustre.store import maintain, retention

    maintain.CHECKPOINT_ENTRIES = 2
    retention.datetime = InTwoDays  # type: ignore[attr-defined]
    _command(lake, "maintain", "--keep-days", "0")


class InTwoDays(datetime):
    """A clock that goes before."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return datetime.now(tz) + timedelta(days=2)


def _memory(lake: Lake, limit: str) -> None:
    """A merge of this fork spills when it needs more."""
    from lacustre.store import operation

    operation.QUERY_MEMORY = limit


def _checkpoints(lake: Lake, interval: str) -> None:
    """From now on every table gets a checkpoint at every `interval`-th commit, in place of the hundredth."""
    from deltalake import DeltaTable

    for log in Path(lake.uri).glob("tenants/**/_delta_log"):
        DeltaTable(log.parent).alter.set_table_properties({"delta.checkpointInterval": interval})


def _settled(lake: Lake) -> tuple[list[Any], dict[str, list[Any]]]:
    """The state of the newest version, how many operations are unfinished, and the files that are not as written;
    and the content.
    """
    from lacustre.store.ledger import intents
    from lacustre.store.verify import verify

    found = verify(lake._tenant)
    faulty = [*found.damaged, *found.missing, *found.unexpected]
    return [next(lake.history()).state, len(intents(lake._tenant)), faulty], _content(lake)


def _content(lake: Lake) -> dict[str, list[Any]]:
    return {name: [len(rows), _digest(rows)] for name, rows in _rows(lake) if rows}


def _rows(lake: Lake) -> Iterator[tuple[str, list[bytes]]]:
    with lake.session() as session:
        for table in lake.tables():
            if table.rows and table.schema == "fhir":
                yield f"fhir.{table.name}", sorted(map(_canonical, _resources(lake, session, table.name)))
            elif table.rows and table.schema == "contained":
                yield f"contained.{table.name}", sorted(map(_canonical, _contained(session, table.name)))
            elif table.rows:
                found = session.execute(f'FROM main."{table.name}"').fetchall()
                yield f"main.{table.name}", sorted(repr(row).encode() for row in found)
        rejects = session.execute("SELECT file, line, reason, raw FROM lake.rejects").fetchall()
        yield "lake.rejects", sorted(repr(row).encode() for row in rejects)


def _resources(lake: Lake, session: duckdb.DuckDBPyConnection, resource_type: str) -> Iterator[bytes]:
    """What `Lake.export` gives, in a session that is there already."""
    from lacustre.store.export import Restorer

    restore = Restorer(lake._tenant.model, resource_type)
    for batch in session.sql(f'FROM fhir."{resource_type}"').to_arrow_reader():
        yield from restore.lines(batch)


def _contained(session: duckdb.DuckDBPyConnection, resource_type: str) -> Iterator[bytes]:
    """Rows as JSON, but for which load wrote them, and when: that depends on how often it was tried."""
    query = f'SELECT to_json(r) FROM (SELECT * EXCLUDE (lake_load, lake_updated) FROM contained."{resource_type}") AS r'
    for (row,) in session.execute(query).fetchall():
        yield row.encode()


def _canonical(line: bytes) -> bytes:
    """The order of members is that of a table's columns, which is not content."""
    return json.dumps(parse_exactly(line), sort_keys=True).encode()


def _digest(rows: Sequence[bytes]) -> str:
    return hashlib.sha256(b"\n".join(rows)).hexdigest()


STEPS: Mapping[str, Callable[..., Any]] = {
    "command": _command,
    "load": _load,
    "delete": _delete,
    "maintain": _maintain,
    "memory": _memory,
    "views": _views,
    "checkpoints": _checkpoints,
    "content": _content,
    "settled": _settled,
}
