"""Tenants: who owns which part of a lake, and what is fixed for all of their data."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, fields
from zoneinfo import ZoneInfo

from lacustre.errors import SettingsError
from lacustre.fhir.model import FhirModel, load_model

LAYOUT_VERSION = 1
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


@dataclass(frozen=True, slots=True)
class TenantId:
    """The name of a tenant: lower-case letters, digits, `-` and `_`, at most 63 of them."""

    name: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise SettingsError(
                "bad_tenant",
                f"{self.name!r} is not a tenant name",
                "use lower-case letters, digits, '-' and '_', at most 63, beginning with a letter or digit",
            )

    @property
    def root(self) -> str:
        """The tenant's folder, relative to the lake."""
        return f"tenants/{self.name}"


@dataclass(frozen=True, slots=True)
class TenantSettings:
    """What is fixed at a tenant's first load.

    `fhir_version` is the full version ("4.0.1"); `time_zone` is an IANA name, used for partial and zone-less
    dates; `shards` is the number of patient shards, a power of two.
    """

    fhir_version: str
    time_zone: str
    shards: int
    layout: int = LAYOUT_VERSION

    def __post_init__(self) -> None:
        if self.layout > LAYOUT_VERSION:
            raise SettingsError(
                "newer_layout",
                f"the tenant's layout version is {self.layout}, this Lacustre reads up to {LAYOUT_VERSION}",
                "upgrade Lacustre",
            )
        if self.shards < 1 or self.shards & (self.shards - 1) or self.shards > 4096:
            raise SettingsError("bad_shards", f"{self.shards} shards", "give a power of two between 1 and 4096")
        if not _is_time_zone(self.time_zone):
            raise SettingsError(
                "bad_time_zone", f"{self.time_zone!r} is not a time zone", "give an IANA name: Europe/Paris"
            )

    @property
    def model(self) -> FhirModel:
        return load_model(self.fhir_version)

    def to_json(self) -> bytes:
        return json.dumps(asdict(self), indent=2, sort_keys=True).encode() + b"\n"

    @classmethod
    def from_json(cls, data: bytes) -> TenantSettings:
        try:
            members = json.loads(data)
            if members["layout"] > LAYOUT_VERSION:  # which may have other members
                members = {field.name: members[field.name] for field in fields(cls)}
            return cls(**members)
        except (ValueError, TypeError, KeyError):
            raise SettingsError("bad_tenant_settings", "the tenant's tenant.json cannot be read") from None


def _is_time_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return name != "localtime"  # another one on every machine, and none to DuckDB


DEFAULT_SETTINGS = TenantSettings(fhir_version="4.0.1", time_zone="Europe/Paris", shards=1)


@dataclass(frozen=True, slots=True)
class RequestedSettings:
    """Settings that a caller asks for; None leaves the tenant's, or the default at a first load."""

    fhir_version: str | None = None
    time_zone: str | None = None
    shards: int | None = None

    def settle(self, fixed: TenantSettings | None) -> TenantSettings:
        """The settings to use; raises SettingsError where the tenant's are fixed to others."""
        if fixed is None:
            version = load_model(self.fhir_version or DEFAULT_SETTINGS.fhir_version).version
            shards = DEFAULT_SETTINGS.shards if self.shards is None else self.shards
            return TenantSettings(version, self.time_zone or DEFAULT_SETTINGS.time_zone, shards)
        if self.fhir_version is not None:
            self._same("FHIR version", load_model(self.fhir_version).version, fixed.fhir_version)
        self._same("time zone", self.time_zone, fixed.time_zone)
        self._same("number of shards", self.shards, fixed.shards)
        return fixed

    @staticmethod
    def _same(what: str, asked: object, fixed: object) -> None:
        if asked is not None and asked != fixed:
            raise SettingsError(
                "tenant_settings_fixed",
                f"the tenant's {what} is {fixed}, not {asked}",
                "it was fixed at the first load; load into another tenant",
            )
