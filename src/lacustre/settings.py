"""What the environment may set: `LACUSTRE_LAKE`, `LACUSTRE_TENANT`, `LACUSTRE_PROCESSES`."""

from __future__ import annotations

from pydantic import PositiveInt, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from lacustre.errors import SettingsError

DEFAULT_MAX_REJECTS = 0.001
"""Share of lines that may be rejected before a load fails."""


class Settings(BaseSettings):
    """Defaults of a session. `processes` is how many encode a load; None means one per core."""

    model_config = SettingsConfigDict(env_prefix="LACUSTRE_", extra="ignore")

    lake: str = "lake"
    tenant: str = "default"
    processes: PositiveInt | None = None


def read_settings() -> Settings:
    """The settings of the environment; raises SettingsError for a value that cannot be."""
    try:
        return Settings()
    except ValidationError as error:
        names = ", ".join(f"LACUSTRE_{str(fault['loc'][0]).upper()}: {fault['msg']}" for fault in error.errors())
        raise SettingsError("bad_setting", names, "correct or unset the environment variable") from None
