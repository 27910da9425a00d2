"""Notes of operations whose subject must not be told: a slow digest with a salt, which goes away with the note."""

from __future__ import annotations

import hashlib
import secrets

from lacustre.store.ledger import Intent, intents
from lacustre.store.tenant import TenantStore


def salted(subject: str) -> str:
    """The digest of what an operation is about, with a new salt."""
    return _digest(subject, secrets.token_hex(16))


def interrupted(tenant: TenantStore, kind: str, subject: str) -> Intent | None:
    """The note of an unfinished operation of a kind that is about the same."""
    for intent in intents(tenant):
        if intent.kind == kind and intent.covers:
            salt = intent.covers[0].partition(":")[0]
            if intent.covers[0] == _digest(subject, salt):
                return intent
    return None


def _digest(subject: str, salt: str) -> str:
    """Slow, since ids can be guessed."""
    return f"{salt}:{hashlib.scrypt(subject.encode(), salt=salt.encode(), n=1 << 14, r=8, p=1, dklen=16).hex()}"
