"""What the environment may set: `LACUSTRE_LAKE`, `LACUSTRE_TENANT` and the other members of `Settings`."""

from __future__ import annotations

from pathlib import Path

from pydantic import NonNegativeInt, PositiveInt, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from lacustre.errors import SettingsError

DEFAULT_MAX_REJECTS = 0.001
"""Share of lines that may be rejected before a load fails."""


class Settings(BaseSettings):
    """Defaults of a session.

    `processes` is how many encode a load; None means one per core. `cache` is a folder for copies of the files of
    remote lakes, and `cache_bytes` how much they may take; None means `lacustre` in the user's cache folder.
    """

    model_config = SettingsConfigDict(env_prefix="LACUSTRE_", extra="ignore")

    lake: str = "lake"
    tenant: str = "default"
    processes: PositiveInt | None = None
    cache: Path | None = None
    cache_bytes: NonNegativeInt = 20 << 30


def read_settings() -> Settings:
    """The settings of the environment; raises SettingsError for a value that cannot be."""
    try:
        return Settings()
    except ValidationError as error:
        names = ", ".join(f"LACUSTRE_{str(fault['loc'][0]).upper()}: {fault['msg']}" for fault in error.errors())
        raise SettingsError("bad_setting", names, "correct or unset the environment variable") from None
