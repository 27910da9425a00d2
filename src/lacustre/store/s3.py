"""An S3 server as both clients reach it: s3fs, which reads and writes files, and delta-rs, which keeps the tables."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import fsspec

from lacustre.errors import SettingsError

ATTEMPTS = 5
"""How often s3fs makes a request that fails for a passing reason; the waits between add up to some 8 seconds."""
READ_ATTEMPTS = 3
"""How often s3fs reads a body that ends too early."""
PART_BYTES = 16 << 20
PARTS_AT_ONCE = 4
"""An upload from 32 MiB on goes in parts, of which this many are in memory."""
_WRITER = "lacustre-writer"
_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_ENVIRONMENT = (
    *_KEYS, "AWS_PROFILE", "AWS_REGION", "AWS_ALLOW_HTTP", "AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "AWS_MAX_ATTEMPTS",
    "AWS_CA_BUNDLE", "SSL_CERT_FILE",
)  # fmt: skip
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")


class S3Client:
    """How the bucket of an `s3://bucket/prefix` is reached.

    `settings` are those given, then those of the environment. Where neither has keys, botocore looks for them: in
    the profile (`AWS_PROFILE`), in what a web identity or the machine's role gives, and renews them.
    """

    def __init__(self, uri: str, given: Mapping[str, str]) -> None:
        self.bucket = uri.removeprefix("s3://").split("/", 1)[0]
        self.settings = _settings(given)
        self.filesystem = self._filesystem()

    @property
    def table_options(self) -> dict[str, str]:
        """What delta-rs needs to know, which reads neither profiles nor `AWS_MAX_ATTEMPTS`. Keys may expire."""
        options = self._resolved if _KEYS[0] in self.settings else {**self._resolved, **self._found_keys()}
        if self._attempts:
            options = {**options, "max_retries": str(self._attempts - 1)}
        endpoint = urlsplit(options.get("AWS_ENDPOINT_URL", ""))
        if self._virtual_hosts and endpoint.netloc and not endpoint.netloc.startswith(f"{self.bucket}."):
            # the bucket is part of the host's name, and delta-rs takes the name as it is
            options = {**options, "AWS_ENDPOINT_URL": f"{endpoint.scheme}://{self.bucket}.{endpoint.netloc}"}
        return options

    @cached_property
    def _resolved(self) -> dict[str, str]:
        """The settings with a region, and with what the profile says where they have no keys."""
        settings = dict(self.settings)
        if _KEYS[0] not in settings:
            meta = self.filesystem.s3.meta
            if meta.region_name != "aws-global":
                settings.setdefault("AWS_REGION", meta.region_name)
            if not (urlsplit(meta.endpoint_url).hostname or "").endswith((".amazonaws.com", ".amazonaws.com.cn")):
                settings.setdefault("AWS_ENDPOINT_URL", meta.endpoint_url)
        return _with_defaults(settings)

    def _found_keys(self) -> dict[str, str]:
        found = fsspec.asyn.sync(self.filesystem.loop, _frozen_credentials, self.filesystem)
        return {name: value for name, value in zip(_KEYS, found, strict=True) if value}

    @property
    def _virtual_hosts(self) -> bool:
        return self.settings.get("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "").lower() == "true"

    @property
    def _attempts(self) -> int | None:
        wanted = self.settings.get("AWS_MAX_ATTEMPTS")
        if wanted is None or (wanted.isdecimal() and int(wanted) > 0):
            return int(wanted) if wanted else None
        raise SettingsError("bad_setting", f"AWS_MAX_ATTEMPTS is {wanted!r}", "give a number from 1 on")

    def _filesystem(self) -> Any:
        settings = self.settings
        region = settings.get("AWS_REGION")
        bundle = settings.get("AWS_CA_BUNDLE") or settings.get("SSL_CERT_FILE")
        profile = {} if _KEYS[0] in settings else {"profile": settings.get("AWS_PROFILE")}
        try:
            filesystem = fsspec.filesystem(
                "s3",
                key=settings.get("AWS_ACCESS_KEY_ID"),
                secret=settings.get("AWS_SECRET_ACCESS_KEY"),
                token=settings.get("AWS_SESSION_TOKEN"),
                endpoint_url=settings.get("AWS_ENDPOINT_URL"),
                client_kwargs={"region_name": region} | ({"verify": bundle} if bundle else {}),
                config_kwargs=self._configuration(),
                use_listings_cache=False,
                **profile,
            )
        except ImportError:
            raise SettingsError("s3_not_installed", "s3:// needs s3fs", "pip install 'lacustre[s3]'") from None
        filesystem.retries = READ_ATTEMPTS
        return filesystem

    def _configuration(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "retries": {"mode": "standard", "total_max_attempts": self._attempts or ATTEMPTS},
            "connect_timeout": 10,
            "read_timeout": 60,
        }
        if self._virtual_hosts:
            found["s3"] = {"addressing_style": "virtual"}
        if "AWS_REQUEST_CHECKSUM_CALCULATION" not in os.environ:
            # botocore's trailing checksums over TLS are refused by other servers than Amazon's (Ceph 16: 400)
            found |= {"request_checksum_calculation": "when_required", "response_checksum_validation": "when_required"}
        return found

    def key(self, uri: str) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": uri.removeprefix(f"s3://{self.bucket}/")}

    def create(self, uri: str, data: bytes) -> bool:
        """Write an object unless it exists; says whether it was written.

        The writer's mark tells whose the object is, where the answer was lost and a second try meets the first.
        """
        mark, key = uuid.uuid4().hex, self.key(uri)
        for attempt in range(ATTEMPTS):
            try:
                self.filesystem.call_s3("put_object", **key, Body=data, IfNoneMatch="*", Metadata={_WRITER: mark})
            except OSError as error:
                if status_of(error) == 412:
                    return bool(self.filesystem.call_s3("head_object", **key)["Metadata"].get(_WRITER) == mark)
                if status_of(error) != 409 or attempt == ATTEMPTS - 1:
                    raise
                time.sleep(0.1 * 2**attempt)  # somebody else writes the same object at this moment
            else:
                break
        return True

    def upload(self, local: Path, uri: str) -> None:
        """Write a local file, a large one in parts."""
        for last in (False, True):
            try:
                self.filesystem.put_file(str(local), uri, chunksize=PART_BYTES, max_concurrency=PARTS_AT_ONCE)
            except FileNotFoundError:
                if last:
                    raise
                # the upload is over and not to be found any more: the answer to its last request was lost
            else:
                return

    def remove_all(self, uri: str) -> None:
        """Remove every object below a prefix; raises OSError where the server keeps one."""
        names = iter(self.filesystem.find(uri))
        while batch := list(islice(names, 1000)):
            objects = [{"Key": name.removeprefix(f"{self.bucket}/")} for name in batch]
            answer = self.filesystem.call_s3(
                "delete_objects", Bucket=self.bucket, Delete={"Objects": objects, "Quiet": True}
            )
            if errors := answer.get("Errors"):
                raise OSError(f"{len(errors)} objects stay, the first: {errors[0].get('Code')}")

    def remove_unfinished(self, uri: str, age: timedelta) -> int:
        """Give up uploads in parts below a prefix that began `age` ago or earlier; returns how many.

        A killed process leaves their parts in the bucket, where no listing of objects shows them.
        """
        found = [upload for upload in self._uploads(uri) if datetime.now(UTC) - upload["Initiated"] >= age]
        for upload in found:
            key = {"Bucket": self.bucket, "Key": upload["Key"]}
            self.filesystem.call_s3("abort_multipart_upload", **key, UploadId=upload["UploadId"])
        return len(found)

    def _uploads(self, uri: str) -> Iterator[Mapping[str, Any]]:
        where = {"Bucket": self.bucket, "Prefix": self.key(uri)["Key"]}
        page = self.filesystem.call_s3("list_multipart_uploads", **where)
        yield from page.get("Uploads", ())
        while page.get("IsTruncated"):
            marks = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}
            page = self.filesystem.call_s3("list_multipart_uploads", **where, **marks)
            yield from page.get("Uploads", ())


async def _frozen_credentials(filesystem: Any) -> tuple[str, str, str | None]:
    """Key, secret and token that the client's own session has found; renewed where they would expire soon."""
    await filesystem.set_session()
    credentials = await filesystem.session.get_credentials()
    if credentials is None:
        raise SettingsError(
            "no_credentials",
            "there are no keys for the object store",
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
        )
    frozen = await credentials.get_frozen_credentials()
    return frozen.access_key, frozen.secret_key, frozen.token


def _settings(given: Mapping[str, str]) -> dict[str, str]:
    mine = _one_name({name.upper(): value for name, value in given.items()})
    around = {
        name: os.environ[name] for name in (*_ENVIRONMENT, *_ENDPOINTS, "AWS_DEFAULT_REGION") if name in os.environ
    }
    around = _one_name(around)
    if _KEYS[0] in mine or "AWS_PROFILE" in mine:
        # a token of somebody else's keys would spoil them
        around = {name: value for name, value in around.items() if name not in (*_KEYS, "AWS_PROFILE")}
    found = around | mine
    return _with_defaults(found) if _KEYS[0] in found else found


def _with_defaults(settings: Mapping[str, str]) -> dict[str, str]:
    insecure = settings.get("AWS_ENDPOINT_URL", "").startswith("http://")
    return {"AWS_REGION": "us-east-1"} | ({"AWS_ALLOW_HTTP": "true"} if insecure else {}) | dict(settings)


def _one_name(settings: Mapping[str, str]) -> dict[str, str]:
    """The settings with one name for what has several."""
    found = {name: value for name, value in settings.items() if name not in (*_ENDPOINTS, "AWS_DEFAULT_REGION")}
    endpoints = [settings[name] for name in _ENDPOINTS if settings.get(name)]
    if endpoints:
        found["AWS_ENDPOINT_URL"] = endpoints[0]
    if "AWS_DEFAULT_REGION" in settings:
        found.setdefault("AWS_REGION", settings["AWS_DEFAULT_REGION"])
    return found


def status_of(error: BaseException) -> int | None:
    """The HTTP status that an error of s3fs stands for, None where there was no answer."""
    response = getattr(error, "response", None) or getattr(error.__cause__, "response", None) or {}
    status: int | None = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status
