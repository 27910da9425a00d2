"""A reader that takes its time: `python lake_reader.py LAKE SECONDS LEAST STOP` reads until there is a file STOP.

It prints how many answers it got.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lacustre import Lake

DAY = timedelta(seconds=3)
"""For so long what is given up stays, in place of a day."""


def read(lake: Lake, seconds: float, least: int) -> int:
    """Ask for patients in three ways, wait, and take the answers, of which none may fail or be cut short.

    Returns how many there were: none where the machine was so slow that it took longer than what is promised.
    """
    started = time.monotonic()
    try:
        relations = [
            source.sql(f"SELECT id FROM {name}")
            for source, name in (
                (lake, "fhir.Patient"),
                (lake.at(datetime.now(UTC)), "fhir.Patient"),
                (lake, "patient"),
            )
        ]
        time.sleep(seconds)
        answers = [[row[0] for row in relation.fetchall()] for relation in relations]
    except Exception:
        if time.monotonic() - started < DAY.total_seconds():
            raise
        return 0
    for rows in answers:
        assert len(rows) == len(set(rows)) >= least, len(rows)
    return len(answers)


def main(place: str, seconds: str, least: str, stop: str) -> None:
    lake, answers = Lake.open(place), 0
    while not Path(stop).exists():
        answers += read(lake, float(seconds), int(least))
    print(answers)


if __name__ == "__main__":
    main(*sys.argv[1:])
