"""What the tables of contained resources should hold, taken out of the exported JSON with nothing of the product's."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from lacustre import Lake
from lacustre.fhir.model import FhirModel
from lacustre.store.export import Restorer
from lacustre.store.schema import CONTAINER
from support.lossless import parse_exactly

_ID = re.compile(r"[A-Za-z0-9\-._]{1,128}")


def extracted(lines: Iterable[bytes], model: FhirModel) -> dict[tuple[str, str], Any]:
    """The contained resources of some lines that can be rows, by type and key, with their local ids."""
    found = {}
    for line in lines:
        container = parse_exactly(line)
        inner = container.get("contained")
        items = inner if isinstance(inner, list) else []
        named = [item for item in items if isinstance(item, dict) and _is_id(item.get("id"))]
        counts = Counter(item["id"] for item in named)
        for item in named:
            if item.get("resourceType") in model.resource_types and counts[item["id"]] == 1:
                key = f"{container['resourceType']}/{container['id']}#{item['id']}"
                found[item["resourceType"], key] = item
    return found


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def stored(lake: Lake) -> dict[tuple[str, str], Any]:
    """The rows of the tables as JSON, by type and key, with their local ids; fails where a key comes twice."""
    found: dict[tuple[str, str], Any] = {}
    with lake.session() as session:
        for name in _names(lake, "contained"):
            restore = Restorer(lake.settings.model, name)
            rest = "list_filter(lake_rest, lambda e: e.pointer <> '#') AS lake_rest"
            rows = session.sql(f'SELECT * EXCLUDE ({CONTAINER.name}) REPLACE ({rest}) FROM contained."{name}"')
            for batch in rows.to_arrow_reader():
                for line in restore.lines(batch):
                    resource = parse_exactly(line)
                    key = resource["id"]
                    assert (name, key) not in found
                    found[name, key] = {**resource, "id": key.partition("#")[2]}
    return found


def _names(lake: Lake, schema: str) -> list[str]:
    return [table.name for table in lake.tables() if table.schema == schema]


def require_in_step(lake: Lake) -> int:
    """Fail unless the tables hold what the exported resources contain, and no more; returns the rows."""
    found = stored(lake)
    lines = [line for name in _names(lake, "fhir") for line in lake.export(name)]
    assert found == extracted(lines, lake.settings.model)
    assert list(_strangers(lake)) == []
    return len(found)


def _strangers(lake: Lake) -> Iterator[str]:
    """The rows whose lake columns are not those of their containers."""
    same = "lake_patient, lake_patient_key, lake_patients, lake_source, lake_load, lake_updated, lake_hash"
    with lake.session() as session:
        for name in _names(lake, "contained"):
            for container in _names(lake, "fhir"):
                rows = session.execute(
                    f"SELECT id FROM contained.\"{name}\" WHERE starts_with(id, '{container}/') AND "
                    f"(lake_container, {same}) NOT IN (SELECT ('{container}/' || id, {same}) FROM fhir.\"{container}\")"
                )
                yield from (one for (one,) in rows.fetchall())
