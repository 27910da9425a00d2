"""Small JSON files that carry a digest of themselves, so that a flipped bit cannot pass for content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from lacustre.errors import StorageError

_SEAL = "sha256"
_LAST = b"\n}\n"
_BEFORE_SEAL, _END = f',\n "{_SEAL}": "'.encode(), b'"' + _LAST


def seal(members: Mapping[str, Any]) -> bytes:
    """The members as JSON, with `sha256` of the JSON without it as the last one."""
    body = json.dumps(members, indent=1, ensure_ascii=False).encode() + b"\n"
    return body.removesuffix(_LAST) + _BEFORE_SEAL + hashlib.sha256(body).hexdigest().encode() + _END


def unseal(data: bytes, path: str) -> dict[str, Any]:
    """The members without the seal; raises StorageError for bytes that are not what was written."""
    try:
        members: dict[str, Any] = json.loads(data)
        body, digest = _apart(data)
        whole = members.pop(_SEAL) == digest == hashlib.sha256(body).hexdigest()
    except (ValueError, KeyError, AttributeError):  # UnicodeDecodeError is a ValueError
        whole = False
    if not whole:
        raise damaged(path)
    return members


def _apart(data: bytes) -> tuple[bytes, str]:
    """The bytes without the seal, which is the last member, and the seal; raises ValueError where it is not there."""
    start = data.rindex(_BEFORE_SEAL)
    digest = data[start + len(_BEFORE_SEAL) :].removesuffix(_END)
    return data[:start] + _LAST, digest.decode()


def damaged(path: str) -> StorageError:
    """The error for a file of the lake whose bytes are not those that were written."""
    return StorageError(
        "damaged_file", f"{path} is damaged: its bytes are not those that were written", "restore it from a backup"
    )
