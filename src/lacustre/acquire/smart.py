"""SMART Backend Services: a signed assertion buys an access token (SMART App Launch 2.2, Backend Services).

The client signs with RS384 or ES384, whatever its key is; the token is kept in memory only.
"""

from __future__ import annotations

import json
import os
import re
import threading
import uuid
from typing import TYPE_CHECKING, Any, Protocol

from lacustre.acquire.config import AuthConfig
from lacustre.acquire.urls import joined
from lacustre.acquire.waiting import Clock
from lacustre.errors import AccessError, SettingsError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import httpx
    from joserfc.jwk import ECKey, RSAKey

_ASSERTION_SECONDS = 240
"""The specification allows 300; the rest is for clocks that differ."""
_DEFAULT_LIFETIME = 300.0
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_OAUTH_ERROR = re.compile(r"[a-z_]{1,40}")


class Exchange(Protocol):
    def __call__(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        *,
        token: bool = True,
        form: Callable[[], dict[str, str]] | None = None,
    ) -> httpx.Response: ...


class TokenSource:
    """The access token of a client: fetched when first needed, kept, renewed before it ends or when it is refused."""

    def __init__(self, auth: AuthConfig, base: str, exchange: Exchange, clock: Clock) -> None:
        self._auth = auth
        self._base = base
        self._exchange = exchange
        self._clock = clock
        self._key = signing_key(auth)
        self._url = auth.token_url
        self._token: str | None = None
        self._until = 0.0
        self._lock = threading.Lock()

    def token(self) -> str:
        """Raises AccessError where the server refuses the client, StorageError where its reply makes no sense."""
        with self._lock:
            if self._token is None or self._clock.now() >= self._until:
                self._token, lifetime = self._fetch()
                self._until = self._clock.now() + lifetime - min(60.0, lifetime / 5)
            return self._token

    def forget(self, token: str) -> None:
        """The server refused this one; another thread may have a newer one already."""
        with self._lock:
            if self._token == token:
                self._token = None

    def _fetch(self) -> tuple[str, float]:
        if self._url is None:
            self._url = self._discover()
        url = self._url
        headers = {"Accept": "application/json"}
        response = self._exchange("POST", url, headers, token=False, form=lambda: self._form(url))
        body = _json(response)
        token = body.get("access_token")
        if response.status_code != 200:
            raise _refused(response.status_code, body.get("error"))
        if not isinstance(token, str) or str(body.get("token_type", "bearer")).lower() != "bearer":
            raise StorageError("bad_token_reply", "the token endpoint gave no bearer token", transient=True)
        lifetime = body.get("expires_in")
        return token, float(lifetime) if isinstance(lifetime, int | float) and lifetime > 0 else _DEFAULT_LIFETIME

    def _discover(self) -> str:
        place = f"{self._base}/.well-known/smart-configuration"
        response = self._exchange("GET", place, {"Accept": "application/json"}, token=False)
        url = joined(place, _json(response).get("token_endpoint")) if response.status_code == 200 else None
        if url is None:
            raise SettingsError(
                "no_token_endpoint", f"{place} names no token_endpoint", "set token_url in [auth], or check url"
            )
        return url

    def _form(self, url: str) -> dict[str, str]:
        return {
            "grant_type": "client_credentials",
            "scope": self._auth.scope,
            "client_assertion_type": _ASSERTION_TYPE,
            "client_assertion": sign_assertion(self._auth, self._key, url, self._clock.now()),
        }


def sign_assertion(auth: AuthConfig, key: RSAKey | ECKey, audience: str, now: float) -> str:
    """The client's JWT for one token request: valid for minutes, with a `jti` of its own."""
    from joserfc import jwt  # noqa: PLC0415

    algorithm = _algorithm(key)
    header = {"alg": algorithm, "typ": "JWT", "kid": _key_id(auth, key)}
    if auth.jwks_url is not None:
        header["jku"] = auth.jwks_url
    claims = {
        "iss": auth.client_id,
        "sub": auth.client_id,
        "aud": audience,
        "exp": int(now) + _ASSERTION_SECONDS,
        "jti": uuid.uuid4().hex,
    }
    return jwt.encode(header, claims, key, algorithms=[algorithm])


def public_key_set(auth: AuthConfig) -> dict[str, Any]:
    """The JWKS to register with the server, or to publish: the public half of the key only."""
    key = signing_key(auth)
    use = {"kid": _key_id(auth, key), "alg": _algorithm(key), "use": "sig", "key_ops": ["verify"]}
    return {"keys": [{**key.as_dict(private=False), **use}]}


def signing_key(auth: AuthConfig) -> RSAKey | ECKey:
    """The private key, RSA of 2048 bits or more, or EC P-384. Raises SettingsError; the text is never shown."""
    try:
        from joserfc import errors  # noqa: PLC0415
    except ImportError:
        raise not_installed("joserfc") from None
    place, text = _key_text(auth)
    try:
        key = _read_key(text, auth.key_id)
        if key is not None and key.is_private and _algorithm(key):
            return key
    except (ValueError, KeyError, TypeError, errors.JoseError):
        key = None
    raise SettingsError(
        "bad_key",
        f"{place} holds no private key to sign with" + (f" with the id {auth.key_id}" if auth.key_id else ""),
        "a PEM or JWK(S) with an RSA key of at least 2048 bits or an EC key on P-384",
    )


def not_installed(package: str) -> SettingsError:
    return SettingsError("acquire_not_installed", f"an export needs {package}", "pip install 'lacustre[acquire]'")


def _key_text(auth: AuthConfig) -> tuple[str, str]:
    if auth.private_key_file is not None:
        try:
            return str(auth.private_key_file), auth.private_key_file.read_text(encoding="ascii")
        except OSError as error:
            raise SettingsError("bad_key", f"cannot read {auth.private_key_file}: {error.strerror}") from None
        except ValueError:
            return str(auth.private_key_file), ""
    name = auth.private_key_env or ""
    if not os.environ.get(name):
        raise SettingsError("bad_key", f"the environment variable {name} is not set", "it holds the PEM or JWK text")
    return f"${name}", os.environ[name]


def _read_key(text: str, key_id: str | None) -> RSAKey | ECKey | None:
    from joserfc.errors import InvalidKeyTypeError  # noqa: PLC0415
    from joserfc.jwk import ECKey, RSAKey, import_key  # noqa: PLC0415

    if not text.lstrip().startswith("{"):
        try:
            return RSAKey.import_key(text)
        except InvalidKeyTypeError:
            return ECKey.import_key(text)
    document = json.loads(text)
    keys = [import_key(entry) for entry in document.get("keys", [document])]
    fitting = (key for key in keys if isinstance(key, RSAKey | ECKey) and key.is_private)
    return next((key for key in fitting if key_id in (None, key.kid)), None)


def _algorithm(key: RSAKey | ECKey) -> str:
    """RS384 or ES384, which every server must take; empty for a key that fits neither."""
    from joserfc.jwk import ECKey  # noqa: PLC0415

    if isinstance(key, ECKey):
        return "ES384" if key.curve_name == "P-384" else ""
    return "RS384" if key.private_key is not None and key.private_key.key_size >= 2048 else ""


def _key_id(auth: AuthConfig, key: RSAKey | ECKey) -> str:
    return auth.key_id or key.kid or key.thumbprint()


def _json(response: httpx.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _refused(status: int, error: object) -> AccessError | StorageError:
    """Of the reply only OAuth's error code is shown."""
    code = error if isinstance(error, str) and _OAUTH_ERROR.fullmatch(error) else "no reason"
    if status >= 500 or status == 429:
        return StorageError("token_failed", f"the token endpoint fails: {status}", transient=True)
    return AccessError(
        "token_refused",
        f"the token endpoint refuses this client: {status}, {code}",
        "check client_id, that the public key (`--jwks`) is registered, and this machine's clock",
    )
