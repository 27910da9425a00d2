"""Manifests and notes of builds that are damaged, or that another release of Lacustre wrote."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lacustre import Lake
from lacustre.errors import DataError, StorageError
from lacustre.store.sealed import seal, unseal
from lacustre.views.builds.manifest import UnreadableManifestError
from lacustre.views.catalog import starter_views
from support.loading import load_lines
from support.two_patients import GONE, files_below, gone_lines, other_lines, traces


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    monkeypatch.setenv("LACUSTRE_CACHE", str(tmp_path / "cache"))
    lake = Lake.open(tmp_path / "lake")
    load_lines(lake, tmp_path, *gone_lines(), *other_lines())
    build(lake)
    return lake


def build(lake: Lake) -> list[str]:
    return [view.whole for view in lake.build_views("observation", "patient", definitions=starter_views())]


def note(lake: Lake, name: str) -> Path:
    return Path(lake.uri) / "tenants/default/views/observation" / name


def states(lake: Lake) -> dict[str, str]:
    return {state.view: state.state for state in lake.view_states()}


def of_a_later_release(data: bytes) -> bytes:
    return seal(unseal(data, "") | {"later": 1})


@pytest.mark.parametrize("spoil", [lambda data: data[:200], lambda _: b"[]", lambda _: b"", of_a_later_release])
def test_one_unreadable_manifest_is_a_failed_view_that_the_next_build_mends(
    lake: Lake, spoil: Callable[[bytes], bytes]
) -> None:
    manifest = note(lake, "manifest.json")
    manifest.write_bytes(spoil(manifest.read_bytes()))
    assert states(lake) == {"observation": "failed", "patient": "fresh"}
    assert lake.sql("SELECT count(*) > 0 FROM patient").fetchall() == [(True,)]
    with pytest.raises(UnreadableManifestError, match="views build observation"):
        lake.sql("FROM observation")
    lake.maintain()
    assert build(lake) == ["manifest damaged", ""]
    assert states(lake) == {"observation": "fresh", "patient": "fresh"}


def test_an_unreadable_manifest_does_not_stop_an_erasure(lake: Lake) -> None:
    note(lake, "manifest.json").write_bytes(b"{")
    assert lake.erase(f"Patient/{GONE}", reason="RGPD, article 17").complete
    assert traces(files_below(Path(lake.uri))) == []
    assert states(lake) == {"observation": "failed", "patient": "fresh"}
    assert build(lake) == ["manifest damaged", ""]
    assert lake.sql("SELECT count(*) FROM observation").fetchall() == [(6,)]


def test_a_store_that_does_not_answer_is_no_damaged_manifest(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    read = type(lake._tenant.store).read

    def failing(store: object, path: str) -> bytes | None:
        if path.endswith("manifest.json"):
            raise StorageError("storage_failed", "no answer", transient=True)
        return read(store, path)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(type(lake._tenant.store), "read", failing)
        with pytest.raises(StorageError, match="no answer"):
            build(lake)
    assert build(lake) == ["", ""]


@pytest.mark.parametrize("data", [b"{", b"[]", b"", seal({"later": 1})])
def test_an_unreadable_note_is_a_failed_build(lake: Lake, data: bytes) -> None:
    path = note(lake, "attempts/build.json")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    assert states(lake) == {"observation": "failed", "patient": "fresh"}
    assert build(lake) == ["", ""]
    assert states(lake) == {"observation": "fresh", "patient": "fresh"}


def test_an_erasure_does_not_make_a_failed_view_fresh(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "views").mkdir()
    column = '{"name": "code", "path": "code.coding.code"}'
    (tmp_path / "views/observation.json").write_text(
        f'{{"resource": "Observation", "name": "observation", "select": [{{"column": [{column}]}}]}}'
    )
    load_lines(lake, tmp_path, _with_two_codes())
    with pytest.raises(DataError, match="several values"):
        lake.build_views(definitions=tmp_path / "views")
    assert lake.erase(f"Patient/{GONE}", reason="RGPD, article 17").complete
    assert states(lake)["observation"] == "failed"


def _with_two_codes() -> dict[str, object]:
    return {"resourceType": "Observation", "id": "two", "code": {"coding": [{"code": "a"}, {"code": "b"}]}}
