"""An S3 server as both clients reach it, through a proxy that spoils what it is told to."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lacustre.errors import SettingsError, StorageError
from lacustre.store.objects import ObjectStore
from lacustre.store.s3 import PART_BYTES, S3Client
from support import s3_proxy as proxied
from support.s3 import Bucket
from support.s3_proxy import FOR_EVER, Fault, S3Proxy, s3_proxy

KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
TRY = """
import pyarrow, sys
from deltalake import DeltaTable, write_deltalake
from lacustre.store.objects import ObjectStore
store = ObjectStore(sys.argv[1])
store.write("file", b"data")
assert store.read("file") == b"data"
write_deltalake(store.uri("table"), pyarrow.table({"x": [1]}), storage_options=store.table_options)
assert DeltaTable(store.uri("table"), storage_options=store.table_options).version() == 0
store.remove("", recursive=True)
assert list(store.walk("")) == []
"""
"""Both clients write and read, with the settings of the environment alone."""


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the machine's own settings, but for the server of the tests."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "SSL_CERT_"))]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"])
def test_an_endpoint_has_three_names(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:9")
    client = S3Client("s3://bucket/lake", KEYS)
    assert client.table_options["AWS_ENDPOINT_URL"] == client.filesystem.endpoint_url == "http://127.0.0.1:9"
    assert client.table_options["AWS_ALLOW_HTTP"] == "true"


def test_the_endpoint_of_s3_goes_before_that_of_all_services(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://s3.example.org")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://all.example.org")
    assert S3Client("s3://bucket", KEYS).settings["AWS_ENDPOINT_URL"] == "https://s3.example.org"
    given = {**KEYS, "aws_endpoint_url": "https://given.example.org"}
    assert S3Client("s3://bucket", given).settings["AWS_ENDPOINT_URL"] == "https://given.example.org"


def test_given_keys_are_not_mixed_with_those_around(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "other")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token of the other")
    assert "AWS_SESSION_TOKEN" not in S3Client("s3://bucket", KEYS).settings
    assert "AWS_ACCESS_KEY_ID" not in S3Client("s3://bucket", {"AWS_PROFILE": "chu"}).settings


def test_a_bucket_in_the_name_of_the_host() -> None:
    given = {**KEYS, "AWS_ENDPOINT_URL": "https://s3.example.org", "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "true"}
    client = S3Client("s3://bucket/lake", given)
    assert client.table_options["AWS_ENDPOINT_URL"] == "https://bucket.s3.example.org"
    assert client.filesystem.endpoint_url == "https://s3.example.org"
    assert client.filesystem.config_kwargs["s3"] == {"addressing_style": "virtual"}


def test_attempts_are_those_of_both_clients() -> None:
    client = S3Client("s3://bucket", {**KEYS, "AWS_MAX_ATTEMPTS": "3"})
    assert client.table_options["max_retries"] == "2"
    assert client.filesystem.config_kwargs["retries"]["total_max_attempts"] == 3
    with pytest.raises(SettingsError, match="AWS_MAX_ATTEMPTS"):
        S3Client("s3://bucket", {**KEYS, "AWS_MAX_ATTEMPTS": "many"})


def test_no_keys_at_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    store = ObjectStore("s3://bucket/lake", {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"})
    with pytest.raises(SettingsError, match="no_credentials"):
        _ = store.table_options
    with pytest.raises(StorageError, match="NoCredentialsError"):
        store.read("file")


@pytest.fixture
def store(bucket: Bucket, proxy: S3Proxy, tmp_path: Path) -> ObjectStore:
    return ObjectStore(bucket.uri(tmp_path.name), {**proxy.settings, "AWS_MAX_ATTEMPTS": "3"})


def run(uri: str, **environment: str) -> None:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    settings = {**kept, "PYTHONPATH": os.pathsep.join(sys.path), "AWS_EC2_METADATA_DISABLED": "true", **environment}
    done = subprocess.run(
        [sys.executable, "-c", TRY, uri], env=settings, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.s3
def test_keys_and_endpoint_of_a_profile(bucket: Bucket, tmp_path: Path) -> None:
    keys, config = tmp_path / "credentials", tmp_path / "config"
    names = ("aws_access_key_id", "aws_secret_access_key")
    keys.write_text("[chu]\n" + "".join(f"{name} = {bucket.settings[name.upper()]}\n" for name in names))
    endpoint, region = bucket.settings["AWS_ENDPOINT_URL"], bucket.settings["AWS_REGION"]
    config.write_text(f"[profile chu]\nregion = {region}\nendpoint_url = {endpoint}\n")
    files = {"AWS_SHARED_CREDENTIALS_FILE": str(keys), "AWS_CONFIG_FILE": str(config)}
    run(bucket.uri("profile"), AWS_PROFILE="chu", **files)


@pytest.mark.s3
def test_a_certificate_of_an_authority_of_ones_own(bucket: Bucket, tmp_path: Path) -> None:
    authority, certificate = certificates(tmp_path)
    with s3_proxy(bucket.settings, certificate) as proxy:
        run(bucket.uri("tls"), **proxy.settings, SSL_CERT_FILE=str(authority))


@pytest.mark.s3
@pytest.mark.parametrize("behaviour", [proxied.REPLY_LOST, proxied.APPLIED_BUT_UNAVAILABLE, proxied.BUSY])
def test_a_creator_knows_its_own_file(behaviour: proxied.Behaviour, store: ObjectStore, proxy: S3Proxy) -> None:
    with proxy.spoilt(Fault(behaviour, conditional=True)):
        assert store.create("file", b"first")
    assert not store.create("file", b"first")
    assert store.read("file") == b"first"


@pytest.mark.s3
def test_a_store_that_stays_away_is_said_to_be_passing(store: ObjectStore, proxy: S3Proxy) -> None:
    with (
        proxy.spoilt(Fault(proxied.TRUNCATED, "GET", times=FOR_EVER), Fault(proxied.BROKEN, times=FOR_EVER)),
        pytest.raises(StorageError) as writing,
    ):
        store.write("file", b"data")
    store.write("file", b"data")
    with proxy.spoilt(Fault(proxied.TRUNCATED, "GET", times=FOR_EVER)), pytest.raises(StorageError) as reading:
        store.read("file")
    assert writing.value.transient
    assert reading.value.transient


PARTS = {
    "a part is not taken": Fault(proxied.UNAVAILABLE, key="partNumber=3"),
    "the answer to a part is lost": Fault(proxied.REPLY_LOST, key="partNumber=2"),
    "the answer to the last request is lost": Fault(proxied.REPLY_LOST, "POST", "uploadId"),
    "the last request is done and answered with 503": Fault(proxied.APPLIED_BUT_UNAVAILABLE, "POST", "uploadId"),
}


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that goes in three parts."""
    path = tmp_path_factory.mktemp("large") / "file"
    path.write_bytes(b"".join(bytes([number]) * (PART_BYTES // 2) for number in range(5)))
    return path


@pytest.mark.s3
@pytest.mark.parametrize("fault", PARTS.values(), ids=PARTS)
def test_a_large_file_goes_in_parts(fault: Fault, store: ObjectStore, proxy: S3Proxy, large: Path) -> None:
    strikes = proxy.strikes
    with proxy.spoilt(fault):
        store.put(large, "file")
    assert proxy.strikes > strikes
    with store.open("file") as opened:
        assert hashlib.file_digest(opened, "sha256").digest() == hashlib.sha256(large.read_bytes()).digest()
    assert large.exists()


@pytest.mark.s3
def test_an_upload_that_failed_is_not_there_and_leaves_nothing(store: ObjectStore, proxy: S3Proxy, large: Path) -> None:
    with proxy.spoilt(Fault(proxied.FORBIDDEN, key="partNumber=2")), pytest.raises(StorageError):
        store.put(large, "file")
    assert store.read("file") is None
    assert store.remove_unfinished("", timedelta(0)) == 0


@pytest.mark.s3
def test_uploads_that_were_never_finished_are_given_up_after_a_while(store: ObjectStore) -> None:
    bucket, prefix = store.root.removeprefix("s3://").split("/", 1)
    store.filesystem.call_s3("create_multipart_upload", Bucket=bucket, Key=f"{prefix}/tenants/chu/file")
    assert store.remove_unfinished("tenants/other", timedelta(0)) == 0
    assert store.remove_unfinished("tenants/chu", timedelta(days=1)) == 0
    assert store.remove_unfinished("tenants/chu", timedelta(0)) == 1
    assert store.remove_unfinished("tenants/chu", timedelta(0)) == 0


def certificates(folder: Path) -> tuple[Path, tuple[str, str]]:
    """An authority's certificate, and a certificate for 127.0.0.1 that it signed, with its key."""
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    names = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]) for name in ("authority", "server")]
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    authority = _certificate(names[0], names[0], authority_key.public_key(), x509.BasicConstraints(True, None))
    server = _certificate(names[1], names[0], key.public_key(), x509.BasicConstraints(False, None), address)
    pem = serialization.Encoding.PEM
    files = [folder / name for name in ("authority.pem", "server.pem", "server.key")]
    files[0].write_bytes(authority.sign(authority_key, hashes.SHA256()).public_bytes(pem))
    files[1].write_bytes(server.sign(authority_key, hashes.SHA256()).public_bytes(pem))
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    files[2].write_bytes(key.private_bytes(pem, *plain))
    return files[0], (str(files[1]), str(files[2]))


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, *extensions: x509.ExtensionType
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(issuer, subject, key, x509.random_serial_number(), now, now + timedelta(days=1))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    return builder
