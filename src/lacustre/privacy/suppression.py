"""The list of erased patients, for those who ask by a patient's id."""

from __future__ import annotations

from lacustre.errors import InputError
from lacustre.privacy.subject import patient_of
from lacustre.privacy.tokens import Tokens, distinctive
from lacustre.store.ledger import Record
from lacustre.store.suppressed import lift
from lacustre.store.tenant import TenantStore


def lift_suppression(tenant: TenantStore, key: str, reason: str) -> Record:
    """Let loads take `Patient/id` again: a wrong erasure, or a patient who came back.

    Raises InputError for what names no patient, for one who is not on the list, for a reason that identifies the
    patient: the ledger keeps it.
    """
    patient = patient_of(key)
    if not reason.strip():
        raise InputError("no_reason", "to lift a suppression needs a reason", "say why: --reason")
    ids = frozenset({patient} if distinctive(patient) else ())
    if reason.encode() in Tokens(frozenset({key}), ids, frozenset(), 0).finder():
        raise InputError(
            "identifying_reason", "the reason identifies the patient", "name the ground and a file number instead"
        )
    return lift(tenant, patient, reason)
