"""An object store that fails in 13 ways under every operation; one that does not keep what commits rest on.

Each operation ends in its effect, once, or in an error of the store; the same operation again brings it about.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from lacustre import Lake
from lacustre.errors import StorageError
from lacustre.store.maintain import maintain
from lacustre.store.objects import ObjectStore
from lacustre.store.probe import require_conditional_writes
from lacustre.store.retention import Retention
from support import s3_proxy as proxied
from support.loading import write_lines
from support.s3 import Bucket
from support.s3_faults import KINDS, Rows, commits, found, load, patients, rows
from support.s3_proxy import FOR_EVER, Behaviour, Fault, S3Proxy, s3_proxy

pytestmark = pytest.mark.s3


@dataclass(frozen=True, slots=True)
class Work:
    """An operation, the patients after it, and the commits that it makes, None where any number will do."""

    perform: Callable[[Lake, Path], object]
    rows: Rows
    commits: int | None = 1


def vacuum(lake: Lake) -> None:
    """Put small files together, give up the versions before that, and remove what only they needed."""
    for _ in range(4):
        if maintain(lake._tenant, Retention(keep_days=0, keep_rejects_days=0, grace=timedelta(0))).version is None:
            return
    raise AssertionError("there is always something to do")


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
def prepared(bucket: Bucket, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URI of a lake with the patients `BEFORE`, two of them in their second version."""
    uri, folder = bucket.uri("prepared"), tmp_path_factory.mktemp("prepared")
    lake = Lake.open(uri, tenant="chu", storage_options=bucket.settings)
    load(lake, write_lines(folder / "first.ndjson", patients(range(8), 1)))
    load(lake, write_lines(folder / "second.ndjson", patients(range(6, 8), 2)))
    assert found(lake) == BEFORE
    return uri


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
