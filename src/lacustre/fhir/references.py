"""References between resources, and the stable key of a patient."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final

_ID: Final = r"[^\s/?#|]+"
_REFERENCE: Final = re.compile(
    rf"(?:(?P<base>[Hh][Tt][Tt][Pp][Ss]?://[^\s?#]+)/)?"
    rf"(?P<type>[A-Z][A-Za-z]*)/(?P<id>{_ID})(?:/_history/(?P<version>{_ID}))?"
)


@dataclass(frozen=True, slots=True)
class Reference:
    """A literal reference to one resource.

    `version` is that of a version-specific reference, `base` the service base URL of an absolute one
    (`"https://host/fhir"`, without a slash at its end), each None otherwise.
    """

    type: str
    id: str
    version: str | None = None
    base: str | None = None


def parse_reference(text: str) -> Reference | None:
    """Read a relative or absolute RESTful reference (FHIR, References, "Literal References").

    None for what names no resource by type and id: `#contained`, `urn:uuid:…`, `urn:oid:…`, conditional
    references (`Patient?identifier=…`), canonicals with a version, and text that is not a reference. Ids that
    FHIR would not allow (underscores, more than 64 characters) are taken as they are: systems send them.

    >>> parse_reference("Patient/123/_history/2")
    Reference(type='Patient', id='123', version='2', base=None)
    >>> parse_reference("https://ehr.example.org/fhir/Patient/123")
    Reference(type='Patient', id='123', version=None, base='https://ehr.example.org/fhir')
    >>> parse_reference("#p1") is None
    True
    """
    match = _REFERENCE.fullmatch(text)
    if match is None:
        return None
    return Reference(match["type"], match["id"], match["version"], match["base"])


def patient_key(tenant: str, patient_id: str) -> int:
    """The stable key of a patient: a signed 64-bit integer, the same in every process and in SQL.

    The first 8 bytes, big-endian, of the MD5 of the UTF-8 text `lacustre:patient:v1|<tenant>|<patient id>`.

    >>> patient_key("default", "123")
    7341104519423405547
    """
    digest = hashlib.md5(f"lacustre:patient:v1|{tenant}|{patient_id}".encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def patient_key_sql(tenant_sql: str, id_sql: str) -> str:
    """The DuckDB expression of `patient_key` over two SQL expressions of type VARCHAR; null where either is.

    The arguments are SQL text, put in as they are: quote literals before. The digest is taken in hexadecimal
    because DuckDB's `md5_number_upper` reads the bytes in the other order.

    >>> patient_key_sql("'default'", "id")
    "(('0x' || md5('lacustre:patient:v1|' || ('default') || '|' || (id))[1:16])::UBIGINT::BIT::BIGINT)"
    """
    text = f"'lacustre:patient:v1|' || ({tenant_sql}) || '|' || ({id_sql})"
    return f"(('0x' || md5({text})[1:16])::UBIGINT::BIT::BIGINT)"
