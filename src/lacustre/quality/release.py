"""Publishing what is held: somebody has looked at the reasons, and says that views may be built of it."""

from __future__ import annotations

from dataclasses import asdict

from lacustre.errors import InputError
from lacustre.store.ledger import RELEASE, UNFINISHED, Record, newest, unfinished_reasons
from lacustre.store.operation import operation
from lacustre.store.tenant import TenantStore


def publish_held(tenant: TenantStore, note: str, *, unfinished: bool = False) -> Record:
    """Write a record that releases the reasons that there are now, and says which; what comes meanwhile still holds.

    With `unfinished`, operations that were interrupted, or still run, are accepted as they are. Raises InputError
    where nothing is held, or an operation is unfinished and that is not accepted.
    """
    last = newest(tenant)
    held = [reason for reason in (last.reasons if last else ()) if reason.code != UNFINISHED]
    waiting = unfinished_reasons(tenant)
    if not waiting and (last is None or last.state == "published"):
        raise InputError("nothing_held", "the newest version of the lake is published, or there is none")
    if waiting and not unfinished:
        details = "; ".join(reason.detail for reason in waiting)
        hint = "run the same again, which finishes it, or accept what there is: --unfinished"
        raise InputError("unfinished_operations", details, hint)
    released = [*held, *waiting]
    statement = {"note": note, "released": [asdict(reason) for reason in released]}
    with operation(tenant, RELEASE, tenant.settings.time_zone) as running:
        return running.finish((), reasons=tuple(released), statement=statement)
