"""`python tests/benchmarks/s3_reading.py`: ways to read a lake in a bucket, against each other in one run.

The server is that of the tests: the one that `$LACUSTRE_TEST_S3` names, or one of our own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.data import make_base_set
from benchmarks.machine import describe_machine
from benchmarks.measure import Figure, best_of_turns
from benchmarks.report import render
from lacustre import Lake
from lacustre.store.cache import FileCache
from lacustre.store.digest import named, sha256_of
from lacustre.store.objects import ObjectStore
from lacustre.store.reading import RemoteFiles, StoredFile
from lacustre.store.scan import PARQUET, bind_table, connect, read_parquet
from lacustre.store.tenant import TenantStore
from lacustre.tenancy import TenantId
from lacustre.views.builds.manifest import ViewManifest
from lacustre.views.catalog import starter_views
from support.s3 import s3_bucket

MEGABYTES = 120
CACHE_BYTES = 1 << 30
SEGMENTS = 40
VIEWS = ("condition", "observation")
TURNS = 9

Work = Callable[[RemoteFiles | None], object]
"""Something that reads the lake: through what it is given, or through s3fs alone."""


@dataclass(frozen=True, slots=True)
class Ways:
    """The ways to read a store; `folder` is for caches."""

    store: ObjectStore
    folder: Path

    def s3fs(self, work: Work) -> object:
        return work(None)

    def ranges(self, work: Work) -> object:
        """Without a cache, but with sizes that are known."""
        return work(RemoteFiles(self.store, FileCache(self.folder / "none", 0)))

    def cold(self, work: Work) -> object:
        with TemporaryDirectory(dir=self.folder) as empty:
            return work(RemoteFiles(self.store, FileCache(Path(empty), CACHE_BYTES)))

    def warm(self, work: Work) -> object:
        return work(RemoteFiles(self.store, FileCache(self.folder / "warm", CACHE_BYTES)))


class Reader:
    """What is measured: each method opens a session of its own, as a query or a build does."""

    def __init__(self, tenant: TenantStore, views: Sequence[ViewManifest], segments: Sequence[StoredFile]) -> None:
        self._tenant, self._segments = tenant, segments
        self._views = {view.view: view for view in views}

    def small_view(self, files: RemoteFiles | None) -> object:
        return self._query(files, self._files("condition"), "count(*), count(DISTINCT patient_id)")

    def many_segments(self, files: RemoteFiles | None) -> object:
        return self._query(files, self._segments, "count(*), count(DISTINCT patient_id)")

    def wide_scan(self, files: RemoteFiles | None) -> object:
        return self._query(files, self._files("observation"), "max(COLUMNS(*))")

    def count_of_a_table(self, files: RemoteFiles | None) -> object:
        snapshot = self._tenant.fhir_table("ExplanationOfBenefit").snapshot()
        return self._query(files, list(snapshot.files) if snapshot else [], "count(*)")

    def view_build(self, files: RemoteFiles | None) -> object:
        snapshot = self._tenant.fhir_table("Observation").snapshot()
        assert snapshot is not None
        uris = snapshot.uris if files is None else files.checked(snapshot.files)
        with connect(self._tenant.store, files=files) as connection, TemporaryDirectory() as folder:
            bind_table(connection, "Observation", uris, snapshot.schema)
            sql = self._views["observation"].sql
            return connection.execute(f"COPY ({sql}) TO '{folder}/part.parquet' ({PARQUET})").fetchall()

    def _files(self, view: str) -> list[StoredFile]:
        return [file.stored(self._tenant.store) for file in self._views[view].files]

    def _query(self, files: RemoteFiles | None, stored: Sequence[StoredFile], columns: str) -> object:
        uris = [file.uri for file in stored] if files is None else files.checked(stored)
        with connect(self._tenant.store, files=files) as connection:
            return connection.execute(f"SELECT {columns} FROM {read_parquet(uris)}").fetchall()


def main() -> None:
    with s3_bucket() as bucket, TemporaryDirectory(prefix="lacustre-bench-") as folder:
        data = make_base_set(Path(folder) / "data", MEGABYTES)
        lake = Lake.open(bucket.uri("lake"), storage_options=bucket.settings)
        lake.load(data.folder)
        views = lake.build_views(*VIEWS, definitions=starter_views())
        store = ObjectStore(bucket.uri("lake"), bucket.settings)
        segments = _segments(views[0], store, Path(folder))
        reader = Reader(TenantStore(store, TenantId(lake.tenant)), views, segments)
        print(render(describe_machine(), _figures(reader, Ways(store, Path(folder)))))


def _segments(view: ViewManifest, store: ObjectStore, folder: Path) -> list[StoredFile]:
    """The rows of a view in as many small files as it has after that many loads."""
    source = read_parquet([store.uri(file.path) for file in view.files])
    found, local = [], folder / "part.parquet"
    with connect(store) as connection:
        for number in range(SEGMENTS):
            rows = f"SELECT * FROM {source} WHERE lake_patient_key % {SEGMENTS} IN ({number}, {-number})"
            connection.execute(f"COPY ({rows}) TO '{local}' ({PARQUET})")
            digest = sha256_of(local)
            path = f"segments/{named(f'{number:03d}', digest)}"
            store.put(local, path)
            found.append(StoredFile(store.uri(path), local.stat().st_size, digest))
            local.unlink()
    return found


def _figures(reader: Reader, ways: Ways) -> list[Figure]:
    works: list[Work] = [
        reader.small_view, reader.many_segments, reader.wide_scan, reader.count_of_a_table, reader.view_build
    ]  # fmt: skip
    figures = []
    for work in works:
        s3fs, *others = best_of_turns(
            [partial(way, work) for way in (ways.s3fs, ways.ranges, ways.cold, ways.warm)], 1.0, TURNS
        )
        for name, seconds in zip(("ranges of known files", "empty cache", "filled cache"), others, strict=True):
            detail = f"{seconds * 1e3:.0f} ms against {s3fs * 1e3:.0f} ms"
            figures.append(Figure(f"{work.__name__}: time against s3fs", name, seconds / s3fs, detail=detail))
    return figures


if __name__ == "__main__":
    main()
