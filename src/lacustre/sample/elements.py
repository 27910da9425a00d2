"""FHIR data types as plain JSON objects. Cached ones are shared: never change an element in place."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from lacustre.sample.clock import EXPORT_TIME, local_time, utc_time
from lacustre.sample.codes import UCUM

# A FHIR resource or element; numbers with significant zeros are decimal.Decimal.
Json = dict[str, Any]

# The versions of one resource, oldest first: same type, same id, rising meta.versionId.
Versions = tuple[Json, ...]


@dataclass(frozen=True, slots=True)
class Ids:
    """Logical ids: UUIDs (in the form of version 4) of the establishment, seed, resource type and a key."""

    scope: str

    def of(self, resource_type: str, *key: object) -> str:
        text = "/".join([self.scope, resource_type, *map(str, key)])
        h = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
        return f"{h[:8]}-{h[8:12]}-4{h[13:16]}-8{h[17:20]}-{h[20:]}"

    def reference(self, resource_type: str, *key: object) -> Json:
        return {"reference": f"{resource_type}/{self.of(resource_type, *key)}"}


@cache
def coding(system: str, code: str, display: str | None = None) -> Json:
    shown = {} if display is None else {"display": display}
    return {"system": system, "code": code, **shown}


@cache
def concept(system: str, code: str, display: str | None = None, text: str | None = None) -> Json:
    said = {} if text is None else {"text": text}
    return {"coding": [coding(system, code, display)], **said}


def quantity(value: Decimal, unit: str, ucum: str, comparator: str | None = None) -> Json:
    compared = {} if comparator is None else {"comparator": comparator}
    return {"value": value, **compared, "unit": unit, "system": UCUM, "code": ucum}


def period(start: datetime, end: datetime | None) -> Json:
    ended = {} if end is None else {"end": local_time(end)}
    return {"start": local_time(start), **ended}


def meta(version: int, updated: datetime, *, utc: bool = False) -> Json:
    """Version and instant of the last update, never later than the export; `utc` as laboratories write it."""
    moment = min(updated, EXPORT_TIME - timedelta(minutes=30))
    return {"versionId": str(version), "lastUpdated": utc_time(moment) if utc else local_time(moment)}


def resource(resource_type: str, logical_id: str, version_meta: Json, **elements: object) -> Json:
    """A resource; elements that are None are left out, a trailing underscore protects Python keywords."""
    present = {name.rstrip("_"): value for name, value in elements.items() if value is not None}
    return {"resourceType": resource_type, "id": logical_id, "meta": version_meta, **present}


def revised(current: Json, version: int, updated: datetime, **changes: object) -> Json:
    """The next version of a resource, with elements replaced, or taken out where the change is None."""
    merged = {**current, **{name.rstrip("_"): value for name, value in changes.items()}}
    utc = current["meta"]["lastUpdated"].endswith("Z")
    kept = {name: value for name, value in merged.items() if value is not None}
    return {**kept, "meta": meta(version, updated, utc=utc)}
