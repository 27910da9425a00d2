"""An object store that fails in 13 ways under every operation; one that does not keep what commits rest on.

Each operation ends in its effect, once, or in an error of the store; the same operation again brings it about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import TypeAlias

import pytest

from lacustre import Lake
from lacustre.errors import StorageError
from lacustre.store.maintain import maintain
from lacustre.store.objects import ObjectStore
from lacustre.store.probe import require_conditional_writes
from lacustre.store.retention import Retention
from support import s3_proxy as proxied
from support.loading import Resource, write_lines
from support.s3 import Bucket, s3_bucket
from support.s3_proxy import FOR_EVER, Behaviour, Fault, S3Proxy, s3_proxy

pytestmark = pytest.mark.s3

LOG = r"/_delta_log/\d+\.json$"
MAIN = r"_delta_log/\d|/fhir/|/ledger/\d"
"""What an operation is about, without its by-products: each of those costs half a second of waiting more."""
WRITES = "PUT POST DELETE"
SEED = 20_261
BATCHES, TENANTS = 60, 4

KINDS = {
    "unavailable once": [Fault(proxied.UNAVAILABLE, WRITES, MAIN, each=True)],
    "unavailable three times": [
        Fault(proxied.UNAVAILABLE, "PUT", LOG, times=3, each=True),
        Fault(proxied.UNAVAILABLE, WRITES, r"\.parquet$", times=3),
    ],
    "unavailable for ever": [Fault(proxied.UNAVAILABLE, WRITES, times=FOR_EVER)],
    "reads broken": [Fault(proxied.BROKEN, "GET", LOG, each=True), Fault(proxied.BROKEN, "GET HEAD", r"\.parquet$")],
    "reset": [Fault(proxied.RESET, WRITES, each=True)],
    "reply lost": [Fault(proxied.REPLY_LOST, WRITES, each=True)],
    "reply lost and log reset twice": [
        Fault(proxied.REPLY_LOST, "PUT", LOG, each=True),
        Fault(proxied.RESET, "GET", LOG, times=2),
    ],
    "applied but unavailable": [Fault(proxied.APPLIED_BUT_UNAVAILABLE, WRITES, MAIN, each=True)],
    "applied but refused": [Fault(proxied.APPLIED_BUT_REFUSED, "PUT", conditional=True, each=True)],
    "forbidden": [Fault(proxied.FORBIDDEN, WRITES, "/fhir/")],
    "slower than the client waits": [Fault(proxied.SLOW, "PUT", rf"{LOG}|/ledger/\d", each=True)],
    "bodies cut short": [Fault(proxied.TRUNCATED, "GET", r"\.(json|parquet)$", times=3)],
    "busy": [Fault(proxied.BUSY, "PUT", conditional=True, each=True)],
}

PASSING = sorted(KINDS.keys() - {"unavailable for ever", "slower than the client waits"})
"""Kinds that cost no more than a moment."""

Rows: TypeAlias = list[tuple[str, str]]
"""Ids and versions of the patients, sorted."""


@dataclass(frozen=True, slots=True)
class Work:
    """An operation, the patients after it, and the commits that it makes, None where any number will do."""

    perform: Callable[[Lake, Path], object]
    rows: Rows
    commits: int | None = 1


def patients(numbers: Iterable[int], version: int) -> list[Resource]:
    meta = {"versionId": str(version), "lastUpdated": f"2026-01-0{version}T00:00:00Z"}
    return [{"resourceType": "Patient", "id": f"p{number:02d}", "meta": meta} for number in numbers]


def rows(**versions: Iterable[int]) -> Rows:
    """`rows(v1=range(3))`: patients 0 to 2 in version 1."""
    return sorted((f"p{number:02d}", name[1:]) for name, numbers in versions.items() for number in numbers)


def load(lake: Lake, file: Path) -> None:
    lake.load(file, processes=1)


def vacuum(lake: Lake) -> None:
    """Put small files together, give up the versions before that, and remove what only they needed."""
    for _ in range(3):
        maintain(lake._tenant, Retention(keep_days=0, keep_rejects_days=0, grace=timedelta(0)))


BEFORE = rows(v1=range(6), v2=range(6, 8))
WORKS = {
    "append": Work(
        lambda lake, folder: load(lake, write_lines(folder / "new.ndjson", patients(range(8, 10), 1))),
        rows(v1=[*range(6), 8, 9], v2=range(6, 8)),
    ),
    "replace": Work(
        lambda lake, folder: load(lake, write_lines(folder / "newer.ndjson", patients(range(3), 3))),
        rows(v1=range(3, 6), v2=range(6, 8), v3=range(3)),
    ),
    "delete": Work(lambda lake, folder: lake.delete("Patient/p05"), rows(v1=range(5), v2=range(6, 8))),
    "vacuum": Work(lambda lake, folder: vacuum(lake), BEFORE, commits=None),
}
"""What is done to a lake with the patients `BEFORE`."""


@pytest.fixture(scope="module")
def bucket() -> Iterator[Bucket]:
    with s3_bucket() as found:
        yield found


@pytest.fixture(scope="module")
def proxy(bucket: Bucket) -> Iterator[S3Proxy]:
    with s3_proxy(bucket.settings) as found:
        yield found


@pytest.fixture(scope="module")
def prepared(bucket: Bucket, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URI of a lake with the patients `BEFORE`, two of them in their second version."""
    uri, folder = bucket.uri("prepared"), tmp_path_factory.mktemp("prepared")
    lake = Lake.open(uri, tenant="chu", storage_options=bucket.settings)
    load(lake, write_lines(folder / "first.ndjson", patients(range(8), 1)))
    load(lake, write_lines(folder / "second.ndjson", patients(range(6, 8), 2)))
    assert found(lake) == BEFORE
    return uri


def found(lake: Lake) -> Rows:
    return sorted(lake.sql("SELECT id, meta.versionId FROM fhir.Patient").fetchall())


def commits(bucket: Bucket, uri: str, tenant: str = "chu") -> int:
    """Commits of the table of patients, with the one that made it."""
    return len(bucket.filesystem().glob(f"{uri}/tenants/{tenant}/fhir/Patient/_delta_log/*.json"))


def data_files(bucket: Bucket, uri: str) -> set[str]:
    """The files that lie in the table of patients, by their names."""
    return {
        name.rsplit("/", 1)[1] for name in bucket.filesystem().glob(f"{uri}/tenants/chu/fhir/Patient/*/*/*.parquet")
    }


def needed(lake: Lake) -> set[str]:
    """The files that the table of patients lists."""
    snapshot = lake._tenant.fhir_table("Patient").snapshot()
    assert snapshot is not None
    return {file.path.rsplit("/", 1)[1] for file in snapshot.files}


@pytest.mark.faults("S3 faults")
@pytest.mark.parametrize("work", WORKS.values(), ids=WORKS)
@pytest.mark.parametrize("kind", KINDS)
def test_an_operation_takes_place_once_or_not_at_all(
    kind: str, work: Work, prepared: str, bucket: Bucket, proxy: S3Proxy, tmp_path: Path
) -> None:
    uri = bucket.uri(tmp_path.name)
    bucket.filesystem().copy(prepared, uri, recursive=True)
    before = commits(bucket, uri)
    options = {**proxy.settings, "TIMEOUT": "1s", "AWS_MAX_ATTEMPTS": "2" if "for ever" in kind else "5"}
    spoilt = Lake.open(uri, tenant="chu", storage_options=options)
    lake = Lake.open(uri, tenant="chu", storage_options=bucket.settings)
    strikes = proxy.strikes
    with proxy.spoilt(*KINDS[kind]):
        try:
            work.perform(spoilt, tmp_path)
        except StorageError:
            assert found(lake) in (BEFORE, work.rows)
        else:
            assert found(lake) == work.rows
    assert proxy.strikes > strikes
    work.perform(spoilt, tmp_path)
    assert found(lake) == work.rows
    if work.commits is not None:
        assert commits(bucket, uri) == before + work.commits
    else:
        assert data_files(bucket, uri) == needed(lake)
    assert next(lake.history()).state == "published"


@pytest.mark.faults("S3 soak")
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


STORES = {
    "honest": Behaviour(),
    "that is not told the condition": proxied.UNCONDITIONAL,
    "that says 200 always": proxied.OBLIGING,
    "that has no conditions": proxied.UNSUPPORTED,
}


@pytest.mark.faults("store preflight")
@pytest.mark.parametrize("store", STORES)
def test_a_store_without_conditional_writes_is_refused(store: str, bucket: Bucket) -> None:
    """Each through a proxy of its own, since a server is asked once."""
    with s3_proxy(bucket.settings) as proxy, proxy.spoilt(Fault(STORES[store], conditional=True, times=FOR_EVER)):
        place = ObjectStore(bucket.uri("lake"), proxy.settings)
        if store == "honest":
            require_conditional_writes(place)
        else:
            with pytest.raises(StorageError, match="no_conditional_writes"):
                require_conditional_writes(place)
        assert list(place.walk("_probe")) == []
