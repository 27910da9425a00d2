"""What an export needs to know: a TOML file, checked. Secrets stand in the environment or in a file, never here."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError, model_validator

from lacustre.acquire.urls import joined
from lacustre.errors import SettingsError, near

_SECRETS = re.compile(r"secret|password|token|private_key|assertion", re.IGNORECASE)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_GROUP = re.compile(r"[A-Za-z0-9.\-]{1,64}")

ResourceType = Annotated[str, Field(pattern=r"^[A-Z][A-Za-z]+$")]


class AuthConfig(BaseModel):
    """SMART Backend Services: who the client is and where its private key lies.

    `private_key_file` is a PEM or JWK(S) file, `private_key_env` the *name* of an environment variable with the
    same text. `key_id` chooses among the keys of a set. `token_url` replaces the discovery.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    client_id: str
    private_key_file: Path | None = None
    private_key_env: str | None = None
    key_id: str | None = None
    token_url: str | None = None
    jwks_url: str | None = None
    scope: str = "system/*.read"

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if (self.private_key_file is None) == (self.private_key_env is None):
            raise ValueError("give either private_key_file or private_key_env")
        return self


class ExportConfig(BaseModel):
    """One export: a FHIR server, what to ask it for, and the local folder that holds the results and the state.

    `since` is `last` (the transactionTime of the last complete export of the same request), `never`, or an
    instant. `token_origins` are further origins (`https://files.example.org`) that may see the access token.
    `accept_incomplete` lets `_since` advance although the server reported errors or its counts do not agree.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    url: str
    folder: Path
    level: Literal["system", "group", "patient"] = "system"
    group: str | None = None
    types: tuple[ResourceType, ...] = ()
    type_filters: tuple[str, ...] = ()
    elements: tuple[str, ...] = ()
    since: str = "last"
    parallel: Annotated[int, Field(ge=1, le=32)] = 4
    attempts: PositiveInt = 6
    timeout_seconds: PositiveFloat = 60
    poll_seconds: PositiveFloat = 10
    time_limit_hours: PositiveFloat = 24
    token_origins: tuple[str, ...] = ()
    accept_incomplete: bool = False
    allow_http: bool = False
    ca_file: Path | None = None
    auth: AuthConfig | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for fault in self._faults():
            raise ValueError(fault)
        return self

    def _faults(self) -> list[str]:
        place = urlsplit(self.url)
        checks = {
            "url is not an http(s) URL": joined(self.url, self.url) is not None,
            "url holds a user or password": "@" not in place.netloc,
            "url has a query or fragment": not (place.query or place.fragment),
            "url is plain http; use https, or allow_http where the network is safe": self.may_reach(self.url),
            "level group needs group, the id of a Group": self.level != "group" or self.group is not None,
            "group goes with level group": self.level == "group" or self.group is None,
            "group is not a FHIR id": self.group is None or bool(_GROUP.fullmatch(self.group)),
            "since is last, never or an instant with its time zone": self.since in ("last", "never")
            or bool(_INSTANT.fullmatch(self.since)),
            "a token origin looks like https://files.example.org": all(joined(o, o) == o for o in self.token_origins),
            "a type filter looks like Observation?category=laboratory": all("?" in f for f in self.type_filters),
        }
        return [fault for fault, holds in checks.items() if not holds]

    def may_reach(self, url: str) -> bool:
        """Whether data and tokens may travel to the URL: by https, to this machine, or where http is allowed."""
        place = urlsplit(url)
        return place.scheme == "https" or (place.scheme == "http" and (_is_here(place.hostname) or self.allow_http))

    @property
    def base(self) -> str:
        return self.url.rstrip("/")

    @property
    def fingerprint(self) -> str:
        """Names the request: a `_since` counts only for the one that it came from."""
        asked = [
            self.base,
            self.level,
            self.group,
            sorted(self.types),
            sorted(self.type_filters),
            sorted(self.elements),
        ]
        return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:32]


def read_config(path: Path) -> ExportConfig:
    """The export that a TOML file describes; relative paths in it start at the file.

    Raises SettingsError where the file cannot be read, or says what cannot be. Values are never shown.
    """
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError("no_config", f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise SettingsError("bad_config", f"{path} is not TOML: {error}") from None
    _refuse_secrets(path, found)
    try:
        return ExportConfig.model_validate(_placed(found, path.absolute().parent))
    except ValidationError as error:
        raise _wrong(path, error) from None


def _is_here(host: str | None) -> bool:
    """Whether it is this machine; `127.0.0.1.example.org` is another one."""
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return host == "localhost"


def _refuse_secrets(path: Path, found: Mapping[str, Any]) -> None:
    """A secret in the text is refused by the name of its member, before anything shows it."""
    auth = found.get("auth")
    known = {*AuthConfig.model_fields, *ExportConfig.model_fields}
    for name in [*found, *(auth if isinstance(auth, dict) else ())]:
        if name not in known and _SECRETS.search(name):
            raise SettingsError(
                "secret_in_config",
                f"{path}: {name} would be a secret in the text",
                "name a file with private_key_file or an environment variable with private_key_env",
            )


def _placed(found: dict[str, Any], folder: Path) -> dict[str, Any]:
    placed = {name: _below(folder, value) if name in ("folder", "ca_file") else value for name, value in found.items()}
    if isinstance(auth := placed.get("auth"), dict) and "private_key_file" in auth:
        placed["auth"] = {**auth, "private_key_file": _below(folder, auth["private_key_file"])}
    return placed


def _below(folder: Path, value: object) -> object:
    return folder / Path(value).expanduser() if isinstance(value, str) else value


def _wrong(path: Path, error: ValidationError) -> SettingsError:
    faults = error.errors(include_input=False, include_url=False)
    said = "; ".join(": ".join(filter(None, (".".join(map(str, f["loc"])), f["msg"]))) for f in faults)
    unknown = [str(fault["loc"][-1]) for fault in faults if fault["type"] == "extra_forbidden"]
    hint = near(unknown[0], [*ExportConfig.model_fields, *AuthConfig.model_fields]) if unknown else None
    return SettingsError("bad_config", f"{path}: {said}", hint)
