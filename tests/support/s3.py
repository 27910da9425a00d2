"""An S3 server for tests: the one that the environment names, or one of our own for as long as the process runs."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import fsspec
import pytest

from support.ports import free_port
from support.s3_proxy import S3Proxy, s3_proxy
from support.shared import REPOSITORY

ENDPOINT = "LACUSTRE_TEST_S3"
SCRIPT = REPOSITORY / "scripts" / "s3_server.sh"
START_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Bucket:
    """An empty bucket, and the settings that reach it, named as delta-rs and the AWS tools name them."""

    name: str
    settings: Mapping[str, str]

    def uri(self, path: str) -> str:
        return f"s3://{self.name}/{path}"

    def filesystem(self) -> Any:
        return fsspec.filesystem(
            "s3",
            key=self.settings["AWS_ACCESS_KEY_ID"],
            secret=self.settings["AWS_SECRET_ACCESS_KEY"],
            endpoint_url=self.settings["AWS_ENDPOINT_URL"],
            client_kwargs={"region_name": self.settings["AWS_REGION"]},
            use_listings_cache=False,
        )


@contextmanager
def s3_bucket() -> Iterator[Bucket]:
    """A bucket of its own on the server at `$LACUSTRE_TEST_S3` (keys in `AWS_ACCESS_KEY_ID` and
    `AWS_SECRET_ACCESS_KEY`), else on one that scripts/s3_server.sh starts. Skips without either, but not in CI.
    """
    bucket = Bucket(f"lacustre-test-{uuid.uuid4().hex[:12]}", _given() or _own())
    filesystem = bucket.filesystem()
    # mkdir would ask for the region as a place, which only AWS knows
    filesystem.call_s3("create_bucket", Bucket=bucket.name)
    try:
        yield bucket
    finally:
        filesystem.rm(bucket.name, recursive=True)


@pytest.fixture(scope="module")
def bucket() -> Iterator[Bucket]:
    """A bucket for the tests of a module."""
    with s3_bucket() as found:
        yield found


@pytest.fixture(scope="module")
def proxy(bucket: Bucket) -> Iterator[S3Proxy]:
    """A proxy before the bucket's server, which spoils what it is told to."""
    with s3_proxy(bucket.settings) as found:
        yield found


def _given() -> dict[str, str] | None:
    """The settings of the server that the environment names."""
    endpoint = os.environ.get(ENDPOINT)
    if not endpoint:
        return None
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": os.environ.get("AWS_REGION", "us-east-1"),
        "AWS_ACCESS_KEY_ID": os.environ["AWS_ACCESS_KEY_ID"],
        "AWS_SECRET_ACCESS_KEY": os.environ["AWS_SECRET_ACCESS_KEY"],
    }


@cache
def _own() -> dict[str, str]:
    """The settings of a server that starts with the first bucket and ends with this process."""
    if shutil.which("radosgw") is None and not os.environ.get("CI"):
        pytest.skip(f"no S3 server: set {ENDPOINT} to an endpoint, or install radosgw ceph-mon ceph-osd ceph-common")
    folder = tempfile.mkdtemp(prefix="lacustre-s3-")
    atexit.register(_stop, folder)
    return _start(folder)


def _stop(folder: str) -> None:
    subprocess.run([SCRIPT, "--stop", folder], check=True, timeout=60)
    shutil.rmtree(folder)


def _start(folder: str) -> dict[str, str]:
    command = [str(SCRIPT), folder, str(free_port(2))]  # its monitor takes the second one
    started = subprocess.run(command, capture_output=True, text=True, check=False, timeout=START_SECONDS)
    if started.returncode:
        pytest.fail(f"{SCRIPT.name} failed:\n{started.stderr}")
    lines = [line.removeprefix("export ") for line in started.stdout.splitlines() if line.startswith("export ")]
    return dict(line.split("=", 1) for line in lines)
