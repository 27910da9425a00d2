"""SMART Backend Services against a server that verifies every signature, audience, lifetime and `jti`."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from joserfc import jws, jwt
from joserfc.jwk import ECKey, RSAKey

from lacustre.acquire.config import AuthConfig
from lacustre.acquire.smart import public_key_set, sign_assertion, signing_key
from lacustre.errors import AccessError, LacustreError, SettingsError
from support.bulk_server import CLIENT, FOREVER, Fault, outcome, status
from support.bulk_site import Site, assert_whole, bulk_site, key_file, private_key


@pytest.mark.parametrize("kind", ["RS384", "ES384"])
def test_both_algorithms_that_servers_must_take_are_let_in(tmp_path: Path, kind: str) -> None:
    with bulk_site(tmp_path, kind=kind) as site:
        assert_whole(site, site.run())
        header = jws.extract_compact(site.server.assertions[0].encode()).headers()
        assert header["alg"] == kind and header["kid"] == private_key(kind).thumbprint() and header["typ"] == "JWT"
        assert len(site.server.given_tokens) == 1, "the token is kept"


def test_an_assertion_has_the_claims_of_the_specification(tmp_path: Path) -> None:
    auth = AuthConfig(client_id=CLIENT, private_key_file=key_file(tmp_path), jwks_url="https://lake.example/jwks")
    key = signing_key(auth)
    made = [jwt.decode(sign_assertion(auth, key, "https://a.example/token", 1e9), key, ["ES384"]) for _ in range(2)]
    claims = made[0].claims
    assert (claims["iss"], claims["sub"], claims["aud"]) == (CLIENT, CLIENT, "https://a.example/token")
    assert 0 < claims["exp"] - 1e9 <= 300 and made[0].header["jku"] == "https://lake.example/jwks"
    assert made[0].claims["jti"] != made[1].claims["jti"]


def test_a_token_is_renewed_before_it_ends(tmp_path: Path) -> None:
    with bulk_site(tmp_path, pending=8, expires_in=60) as site:
        assert_whole(site, site.run(poll_seconds=40))
        assert len(site.server.given_tokens) > 3
        assert site.server.count("GET /fhir/jobs") == 9, "no poll was refused"


def test_a_client_that_the_server_does_not_know_is_refused(site: Site) -> None:
    assert site.auth is not None
    with pytest.raises(AccessError, match=r"token_refused.*invalid_client"):
        site.run(auth=site.auth.model_copy(update={"client_id": "another"}))


def test_a_token_that_is_refused_twice_ends_the_export(site: Site) -> None:
    site.server.faults = [Fault("GET .*export", outcome(401, "login"), FOREVER)]
    with pytest.raises(AccessError, match="access_refused"):
        site.run()
    assert len(site.server.given_tokens) == 2


def test_a_server_without_discovery_needs_token_url(site: Site) -> None:
    site.server.faults = [Fault("smart-configuration", status(404), FOREVER)]
    with pytest.raises(SettingsError, match="no_token_endpoint"):
        site.run()
    assert site.auth is not None
    auth = site.auth.model_copy(update={"token_url": f"{site.server.origin}/token"})
    assert_whole(site, site.run(auth=auth))


def test_the_assertion_does_not_follow_a_redirect(site: Site) -> None:
    site.server.faults = [Fault("POST /token", status(307, Location="http://127.0.0.2:9/token"), FOREVER)]
    with pytest.raises(AccessError, match="token_refused"):
        site.run()


def key_set(*keys: RSAKey | ECKey) -> str:
    return json.dumps({"keys": [{**key.as_dict(private=True), "kid": f"key-{n}"} for n, key in enumerate(keys)]})


def test_a_key_set_serves_the_rotation_of_keys(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text(key_set(private_key("RS384"), private_key("ES384")))
    auth = AuthConfig(client_id=CLIENT, private_key_file=path)
    assert public_key_set(auth)["keys"][0]["kid"] == "key-0"
    second = public_key_set(auth.model_copy(update={"key_id": "key-1"}))["keys"][0]
    assert second["alg"] == "ES384" and "d" not in second


def test_a_key_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    auth = AuthConfig(client_id=CLIENT, private_key_env="LAKE_KEY")
    monkeypatch.delenv("LAKE_KEY", raising=False)
    with pytest.raises(SettingsError, match="LAKE_KEY is not set"):
        signing_key(auth)
    monkeypatch.setenv("LAKE_KEY", private_key("RS384").as_pem(private=True).decode())
    assert public_key_set(auth)["keys"][0]["alg"] == "RS384"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "canary",
        '{"kty": "canary"}',
        '{"keys": 3}',
        "-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----",
        private_key("ES384").as_pem(private=False).decode(),
        ECKey.generate_key("P-256").as_pem(private=True).decode(),
    ],
)
def test_what_is_no_key_to_sign_with_is_refused_and_not_shown(tmp_path: Path, text: str) -> None:
    path = tmp_path / "key"
    path.write_text(text)
    with pytest.raises(SettingsError, match="bad_key") as caught:
        signing_key(AuthConfig(client_id=CLIENT, private_key_file=path))
    assert "canary" not in str(caught.value) and "BEGIN" not in str(caught.value)


def secrets_of(site: Site) -> list[str]:
    assert site.auth is not None and site.auth.private_key_file is not None
    key = "".join(site.auth.private_key_file.read_text().splitlines()[1:-1])[:32]
    return [*site.server.given_tokens, *site.server.assertions, key, "sig="]


def test_no_secret_is_in_logs_errors_or_files(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    with bulk_site(tmp_path, signed=True, lines_per_file=10) as site:
        site.server.faults = [Fault("files/1/Obs", outcome(400, "exception")), Fault("GET /files/1/Pat", status(401))]
        with pytest.raises(LacustreError) as caught:
            site.run(parallel=1)
        files = [path.read_text() for path in site.folder.rglob("*") if path.is_file()]
        result = site.run()
        files += [path.read_text() for path in site.folder.rglob("*") if path.is_file()]
        everything = "\n".join([caplog.text, str(caught.value), repr(caught.value.__dict__), repr(result), *files])
        everything += "".join(capfd.readouterr())
        assert len(secrets_of(site)) > 4 and not [secret for secret in secrets_of(site) if secret in everything]
        assert "HTTP Request: GET" in caplog.text


def without(package: str, call: str) -> subprocess.CompletedProcess[str]:
    code = f"import sys; sys.modules[{package!r}] = None\n{call}"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("package", ["httpx", "joserfc"])
def test_a_missing_package_is_named(tmp_path: Path, package: str) -> None:
    given: dict[str, Any] = {"url": "https://a.example", "folder": str(tmp_path / "x")}
    given["auth"] = {"client_id": "x", "private_key_file": str(key_file(tmp_path))}
    call = f"from lacustre.acquire.bulk import *\nrun_export(ExportConfig.model_validate({given!r}))"
    assert "pip install 'lacustre[acquire]'" in without(package, call).stderr


def test_nothing_is_imported_before_it_is_used() -> None:
    code = "import sys, lacustre.acquire.bulk; print({'httpx', 'joserfc'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "set()"
