"""Lines of the sets of real data."""

from __future__ import annotations

from support.lossless import read_lines
from support.shared import shared_dir

SETS = ("mimic-iv-demo-fhir", "synthea-bulkserver-r4", "synthea-hiv-r4", "synthea-smart-r4")
LINES_OF_A_FILE = 60


def some_lines(name: str) -> list[bytes]:
    """Lines of each file of a set, spread over the file."""
    found = []
    for path in sorted(shared_dir("data", name).glob("*.ndjson.gz")):
        lines = list(read_lines(path))
        found += lines[:: max(1, len(lines) // LINES_OF_A_FILE)]
    return found
