"""Loads of which half meet an object store that fails: each in a way of its own, and all of them are there once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest

from lacustre import Lake
from lacustre.errors import StorageError
from support.loading import Resource, write_lines
from support.s3 import Bucket
from support.s3_faults import KINDS, Rows, commits, found, load, patients, rows
from support.s3_proxy import S3Proxy

pytestmark = [pytest.mark.s3, pytest.mark.faults("S3 soak")]

SEED = 20_261
BATCHES, TENANTS = 60, 4
PASSING = sorted(KINDS.keys() - {"unavailable for ever", "slower than the client waits"})
"""Kinds that cost no more than a moment."""


def test_batches_of_which_half_meet_a_fault_are_loaded_once_each(
    bucket: Bucket, proxy: S3Proxy, tmp_path: Path, tally: Callable[[int, int], None]
) -> None:
    """The loads of several tenants run beside each other, which costs less time: most of it is waiting."""
    print("seed", SEED)
    random, strikes = Random(SEED), proxy.strikes
    faulty = {number: random.choice(PASSING) for number in random.sample(range(BATCHES), BATCHES // 2)}
    uri, options = bucket.uri("soak"), {**proxy.settings, "AWS_MAX_ATTEMPTS": "3"}

    def load_all(tenant: str, numbers: range) -> None:
        lake = Lake.open(uri, tenant=tenant, storage_options=options)
        for place, number in enumerate(numbers):
            file = write_lines(tmp_path / f"{tenant}-{place}.ndjson", batch(place))
            try:
                with proxy.spoilt(*(KINDS[faulty[number]] if number in faulty else ()), below=f"/{tenant}/"):
                    load(lake, file)
            except StorageError:
                load(lake, file)

    each = BATCHES // TENANTS
    tenants = {f"chu-{number}": range(number * each, (number + 1) * each) for number in range(TENANTS)}
    with ThreadPoolExecutor(TENANTS) as threads:
        list(threads.map(load_all, tenants, tenants.values()))
    survived = 0
    for tenant in tenants:
        there = found(Lake.open(uri, tenant=tenant, storage_options=bucket.settings))
        survived += sum(set(batch_rows(number, each)) <= set(there) for number in range(each))
        assert len(there) == 3 * each
        assert commits(bucket, uri, tenant) == each + 1
    assert proxy.strikes > strikes + len(faulty)
    tally(survived, BATCHES)


def batch(number: int) -> list[Resource]:
    """Three new patients, and the last of the batch before in its second version."""
    return patients(range(3 * number, 3 * number + 3), 1) + patients([3 * number - 1] if number else [], 2)


def batch_rows(number: int, batches: int) -> Rows:
    """Of a batch's new patients what is there in the end."""
    updated = number < batches - 1
    first = 3 * number
    return rows(v1=range(first, first + 3 - updated), v2=range(first + 3 - updated, first + 3))
