"""How a store fails, and a table of patients on it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

from lacustre import Lake
from support import s3_proxy as proxied
from support.loading import Resource
from support.s3 import Bucket
from support.s3_proxy import FOR_EVER, Fault

LOG = r"/_delta_log/\d+\.json$"
MAIN = r"_delta_log/\d|/fhir/|/ledger/\d"
"""What an operation is about, without its by-products: each of those costs half a second of waiting more."""
WRITES = "PUT POST DELETE"
KINDS = {
    "unavailable once": [Fault(proxied.UNAVAILABLE, WRITES, MAIN, each=True)],
    "unavailable three times": [
        Fault(proxied.UNAVAILABLE, "PUT", LOG, times=3, each=True),
        Fault(proxied.UNAVAILABLE, WRITES, r"\.parquet$", times=3),
    ],
    "unavailable for ever": [Fault(proxied.UNAVAILABLE, WRITES, times=FOR_EVER)],
    "reads broken": [Fault(proxied.BROKEN, "GET", LOG, each=True), Fault(proxied.BROKEN, "GET HEAD", r"\.parquet$")],
    "reset": [Fault(proxied.RESET, WRITES, each=True)],
    "reply lost": [Fault(proxied.REPLY_LOST, WRITES, each=True)],
    "reply lost and log reset twice": [
        Fault(proxied.REPLY_LOST, "PUT", LOG, each=True),
        Fault(proxied.RESET, "GET", LOG, times=2),
    ],
    "applied but unavailable": [Fault(proxied.APPLIED_BUT_UNAVAILABLE, WRITES, MAIN, each=True)],
    "applied but refused": [Fault(proxied.APPLIED_BUT_REFUSED, "PUT", conditional=True, each=True)],
    "forbidden": [Fault(proxied.FORBIDDEN, WRITES, "/fhir/")],
    "slower than the client waits": [Fault(proxied.SLOW, "PUT", rf"{LOG}|/ledger/\d", each=True)],
    "bodies cut short": [Fault(proxied.TRUNCATED, "GET", r"\.(json|parquet)$", times=3)],
    "busy": [Fault(proxied.BUSY, "PUT", conditional=True, each=True)],
}

Rows: TypeAlias = list[tuple[str, str]]
"""Ids and versions of the patients, sorted."""


def patients(numbers: Iterable[int], version: int) -> list[Resource]:
    meta = {"versionId": str(version), "lastUpdated": f"2026-01-0{version}T00:00:00Z"}
    return [{"resourceType": "Patient", "id": f"p{number:02d}", "meta": meta} for number in numbers]


def rows(**versions: Iterable[int]) -> Rows:
    """`rows(v1=range(3))`: patients 0 to 2 in version 1."""
    return sorted((f"p{number:02d}", name[1:]) for name, numbers in versions.items() for number in numbers)


def load(lake: Lake, file: Path) -> None:
    lake.load(file, processes=1)


def found(lake: Lake) -> Rows:
    return sorted(lake.sql("SELECT id, meta.versionId FROM fhir.Patient").fetchall())


def commits(bucket: Bucket, uri: str, tenant: str = "chu") -> int:
    """Commits of the table of patients, with the one that made it."""
    return len(bucket.filesystem().glob(f"{uri}/tenants/{tenant}/fhir/Patient/_delta_log/*.json"))
