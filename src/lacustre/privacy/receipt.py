"""The receipt of an erasure: what was done and proven, with nothing of the person's.

It lies in `tenants/<t>/receipts/<operation>.json`, sealed by its own digest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Any

from lacustre.store.sealed import seal, unseal
from lacustre.store.tenant import TenantStore


@dataclass(frozen=True, slots=True)
class Receipt:
    """`erased` counts rows by table and kind (`own`, `shared`, `mentions`, …), `views` rows of views.

    `proof` has the files and bytes that were searched, how many tokens were looked for and left out, and the hits
    by file; it is None where the search was not asked for. `complete` says that it found nothing. `kept_mentions` says
    that resources of others were to stay which refer to the patient.
    """

    id: str
    started: str
    finished: str
    reason: str
    request_id: str
    complete: bool
    resumed: bool
    erased: Mapping[str, Mapping[str, int]]
    views: int
    raw: Mapping[str, int]
    files_rewritten: int
    files_removed: int
    proof: Mapping[str, Any] | None
    lacustre: str = field(default_factory=lambda: version("lacustre"))
    kept_mentions: bool = False

    def write(self, tenant: TenantStore) -> str:
        """Write it; returns its path below the tenant's folder."""
        path = f"receipts/{self.id}.json"
        tenant.store.write(f"{tenant.tenant.root}/{path}", seal(asdict(self)))
        return path


def receipts(tenant: TenantStore) -> list[Receipt]:
    """All receipts, the oldest first; raises StorageError for a damaged one."""
    found = []
    for path, _ in tenant.store.walk(f"{tenant.tenant.root}/receipts"):
        data = tenant.store.read(path)
        if data is not None:
            found.append(Receipt(**unseal(data, path)))
    return found
