"""How full the columns of a view were in the builds that passed: what the next build is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from lacustre.store.sealed import seal, unseal
from lacustre.store.tenant import TenantStore

TOLERANCE = 0.05
"""How much of a column's values may be missing beyond the last build, as a share of the rows."""


@dataclass(frozen=True, slots=True)
class Profile:
    """The share of rows with a value, by column, of one build of a view."""

    build: str
    rows: int
    filled: Mapping[str, float]


def baseline(tenant: TenantStore, view: str, build: str) -> Profile | None:
    """The profile of the last build that passed, other than `build` itself; None where there is none."""
    return next((profile for profile in reversed(_read(tenant, view)) if profile.build != build), None)


def remember(tenant: TenantStore, view: str, profile: Profile) -> None:
    """Keep the profile of a build that passed, and of the one before it."""
    others = [one for one in _read(tenant, view) if one.build != profile.build]
    kept = [asdict(one) for one in [*others, profile][-2:]]
    tenant.store.write(_path(tenant, view), seal({"builds": kept}))


def _read(tenant: TenantStore, view: str) -> list[Profile]:
    data = tenant.store.read(_path(tenant, view))
    return [] if data is None else [Profile(**one) for one in unseal(data, _path(tenant, view))["builds"]]


def _path(tenant: TenantStore, view: str) -> str:
    return f"{tenant.tenant.root}/quality/{view}.json"
