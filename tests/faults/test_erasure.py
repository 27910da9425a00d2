"""Erasure in eight layouts of a lake: no byte of the patient's is left, nobody else's resource has changed."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from deltalake import DeltaTable

from lacustre import Lake
from lacustre.errors import InputError
from lacustre.views.catalog import starter_views
from support.lake_content import exported
from support.loading import load_lines
from support.s3 import Bucket
from support.two_patients import (
    GONE,
    OTHER,
    files_below,
    gone_lines,
    gone_patient,
    group,
    observation,
    other_lines,
    other_patient,
    reject,
    traces,
    without,
)

pytestmark = pytest.mark.faults("erasure")
VIEWS = ("patient", "encounter", "observation")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of copies of its own."""
    monkeypatch.setenv("LACUSTRE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def build(lake: Lake) -> None:
    lake.build_views(*VIEWS, definitions=starter_views())


def view_rows(lake: Lake) -> dict[str, list[tuple[object, ...]]]:
    """The rows of others in the views, with their lineage."""
    rows = {name: lake.sql(f"FROM lineage.{name} ORDER BY lake_resource").fetchall() for name in VIEWS}
    return {name: [row for row in found if GONE not in repr(row)] for name, found in rows.items()}


def shards(lake: Lake, work: Path) -> None:
    """Several shards and segments, and views of two builds."""
    load_lines(lake, work, *gone_lines(), *other_lines(), shards=8)
    build(lake)
    load_lines(lake, work, observation("obs-gone-late", GONE), observation("obs-late", OTHER))
    build(lake)


def history(lake: Lake, work: Path) -> None:
    """Many versions of the patient and a checkpoint."""
    load_lines(lake, work, *gone_lines(), *other_lines())
    for day in range(2, 7):
        load_lines(lake, work, gone_patient(day), other_patient(0, day), observation("obs-gone-1", GONE, day))
    for name in ("Patient", "Observation"):
        DeltaTable(f"{lake.uri}/tenants/default/fhir/{name}").create_checkpoint()
    build(lake)


def rejects(lake: Lake, work: Path) -> None:
    """Lines of the patient's that were refused, of two loads, and some of others'."""
    load_lines(lake, work, *gone_lines(), *other_lines(), reject(GONE), reject(OTHER, "obs-bad"))
    load_lines(lake, work, reject(GONE, "obs-gone-worse"), f'{{"resourceType":"Patient","id":"{GONE}"')
    build(lake)


def deleted(lake: Lake, work: Path) -> None:
    """Deleted before: only tombstones and old versions know the patient."""
    load_lines(lake, work, *gone_lines(), *other_lines())
    build(lake)
    keys = [f"Patient/{GONE}", "Encounter/enc-gone-1", *(f"Observation/obs-gone-{n}" for n in range(5))]
    lake.delete(*keys, "Patient/pat-other-0001")
    build(lake)


def moved(lake: Lake, work: Path) -> None:
    """Resources that changed hands, in both directions, and one of both patients."""
    load_lines(
        lake, work, *gone_lines(), *other_lines(), observation("obs-moved", GONE), observation("obs-gone-m", OTHER)
    )
    build(lake)
    load_lines(lake, work, observation("obs-moved", OTHER, 3), observation("obs-gone-m", GONE, 3))
    load_lines(lake, work, group("grp-gone-1", OTHER, GONE), group("grp-1", OTHER, "pat-other-0002"))
    build(lake)


def orphans(lake: Lake, work: Path) -> None:
    """A load that died between putting its files and committing them, and what it staged."""
    load_lines(lake, work, *gone_lines(), *other_lines())
    build(lake)
    tenant = Path(lake.uri) / "tenants/default"
    aside = work / "aside"
    for path in list(tenant.glob("fhir/*/lake_shard=*/*/*.parquet")):
        target = aside / path.relative_to(tenant)
        target.parent.mkdir(parents=True)
        shutil.copy(path, target)
    for path in aside.rglob("*.parquet"):
        place = tenant / path.relative_to(aside)
        shutil.copy(path, place.with_name("000009-20260101T000000Z-dead-" + place.name[-72:]))
    staged = tenant / "_staging" / "20260101T000000Z-dead"
    staged.mkdir(parents=True)
    (staged / "chunk.ndjson").write_text(json.dumps(gone_patient()))
    (tenant / "views/patient/20990101T000000Z-dead").mkdir()
    shutil.copy(
        next(tenant.glob("views/patient/*/*/*/*.parquet")), tenant / "views/patient/20990101T000000Z-dead/x.parquet"
    )


def raw(lake: Lake, work: Path) -> None:
    """Raw exports that were kept, also packed."""
    load_lines(lake, work, *gone_lines(), *other_lines())
    kept = work / "raw"
    kept.mkdir()
    lines = b"".join(
        (one if isinstance(one, str) else json.dumps(one)).encode() + b"\n" for one in [*gone_lines(), *other_lines()]
    )
    (kept / "all.ndjson").write_bytes(lines)
    (kept / "all.ndjson.gz").write_bytes(gzip.compress(lines))
    manifest = {"output": [{"type": "Patient", "url": "https://server.example/all.ndjson", "count": 27}]}
    (kept / "manifest.json").write_text(json.dumps(manifest))
    build(lake)


LAYOUTS: dict[str, Callable[[Lake, Path], None]] = {
    "shards": shards,
    "history": history,
    "rejects": rejects,
    "deleted": deleted,
    "moved": moved,
    "orphans": orphans,
    "raw": raw,
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_nothing_of_the_patient_is_left(layout: str, tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake")
    LAYOUTS[layout](lake, tmp_path)
    assert traces(files_below(tmp_path / "lake")), "the search finds what is there"
    before, views = exported(lake), view_rows(lake)
    folders = [tmp_path / "raw"] if layout == "raw" else []
    receipt = lake.erase(f"Patient/{GONE}", reason="RGPD, article 17", request_id="D-17", raw=folders)
    assert traces(files_below(tmp_path / "lake")) == []
    assert [found for folder in folders for found in traces(files_below(folder))] == []
    assert (receipt.complete, receipt.proof and receipt.proof["hits"]) == (True, {})
    assert exported(lake) == without(before)
    assert view_rows(lake) == views
    with pytest.raises(InputError, match="beyond the retention"):
        lake.at(1)
    build(lake)
    assert view_rows(lake) == views
    assert traces(files_below(tmp_path / "lake")) == []


@pytest.mark.s3
def test_nothing_is_left_in_a_bucket_and_its_cache(tmp_path: Path, cache: Path, bucket: Bucket) -> None:
    lake = Lake.open(bucket.uri("lake"), storage_options=bucket.settings)
    load_lines(lake, tmp_path, *gone_lines(), *other_lines(), reject(GONE))
    build(lake)
    load_lines(lake, tmp_path, gone_patient(3))
    before, views = exported(lake), view_rows(lake)

    def objects() -> Iterator[tuple[str, bytes]]:
        filesystem = bucket.filesystem()
        for name in sorted(filesystem.find(bucket.uri("lake"))):
            yield name, filesystem.cat_file(name)

    assert traces(objects())
    receipt = lake.erase(f"Patient/{GONE}", reason="RGPD, article 17")
    assert receipt.complete
    assert traces(objects()) == []
    assert traces(files_below(cache)) == []
    assert (exported(lake), view_rows(lake)) == (without(before), views)
