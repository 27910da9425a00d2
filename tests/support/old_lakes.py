"""Lakes as an older Lacustre would have left them."""

from __future__ import annotations

import shutil
from pathlib import Path

from lacustre import Lake
from lacustre.store.ledger import newest
from lacustre.store.operation import operation


def forget_contained(lake: Lake) -> None:
    """Take away the tables of contained resources and every word of them; one record of what is left takes the place
    of all.
    """
    root = Path(lake.uri) / lake._tenant.tenant.root
    shutil.rmtree(root / "contained", ignore_errors=True)
    for path in sorted((root / "ledger").glob("*.json")):
        path.unlink()
    with operation(lake._tenant, "load", "UTC") as running:
        running.finish(())
    record = newest(lake._tenant)
    assert record is not None
    assert not any(name.startswith("contained") for name in (*record.tables, *record.members))
