"""What a line of NDJSON has to become, judged by Python's own JSON parser and the written rules alone."""

from __future__ import annotations

import json
import re
from typing import Any

from lacustre.fhir.model import load_model
from support.lossless import parse_exactly

MAX_DEPTH = 64
_USABLE_ID = re.compile(r"[^\x00-\x20\x7f/?#|\ufdd0]{1,128}")
_RESOURCE_TYPES = load_model().resource_types


class NotAResourceError(ValueError):
    """Why a line must be rejected."""


def judge_line(line: bytes) -> Any:
    """The resource on a line, as `parse_exactly` gives it; raises NotAResourceError where it must be rejected."""
    try:
        text = line.decode()
        resource = json.loads(text, parse_int=float, parse_constant=_refuse, object_pairs_hook=_unique)
        json.dumps(resource, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise NotAResourceError(type(error).__name__) from None
    if not isinstance(resource, dict) or _depth(resource) > MAX_DEPTH:
        raise NotAResourceError("no object, or too deep")
    identifier = resource.get("id")
    if resource.get("resourceType") not in [*_RESOURCE_TYPES]:
        raise NotAResourceError("resourceType")
    if not isinstance(identifier, str) or not _USABLE_ID.fullmatch(identifier):
        raise NotAResourceError("id")
    return parse_exactly(line)


def _refuse(name: str) -> None:
    raise NotAResourceError(name)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise NotAResourceError("a member twice")
    return dict(pairs)


def _depth(value: Any) -> int:
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, items), default=0) if isinstance(value, dict | list) else 0
