"""Several processes: the same results as one, and an error that can be read whatever happens to them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lacustre.errors import InputError, StorageError
from lacustre.store import workers
from lacustre.store.chunks import Chunk, ChunkSettings, Stretch
from lacustre.store.lake_columns import FileOrigin, Origin
from lacustre.store.workers import encode_chunks

LINE = b'{"resourceType":"Patient","id":"p%03d"}\n'
LINE_BYTES = len(LINE % 0)


@pytest.fixture
def chunk_settings(tmp_path: Path) -> ChunkSettings:
    staging = tmp_path / "staging"
    staging.mkdir()
    return ChunkSettings("4.0.1", 1, Origin("t", "load", "UTC"), staging)


def chunks_of(path: Path, count: int, beyond: int = 0) -> Iterator[Chunk]:
    """Chunks of two lines each of a new file; the last one asks for some bytes more than there are."""
    path.write_bytes(b"".join(LINE % number for number in range(2 * count)))
    for number in range(count):
        size = 2 * LINE_BYTES + (beyond if number == count - 1 else 0)
        stretch = Stretch(0, 2 * number + 1, 2 * number * LINE_BYTES, size, str(path))
        yield Chunk(number, (stretch,), {0: FileOrigin(path.name, datetime(2026, 1, 1, tzinfo=UTC))})


def test_two_processes_do_what_one_does(chunk_settings: ChunkSettings, tmp_path: Path) -> None:
    found = []
    for processes in (1, 2):
        results = list(encode_chunks(chunks_of(tmp_path / "a.ndjson", 5), chunk_settings, {}, processes))
        staged = sorted((file.path.name, file.rows) for result in results for file in result.staged)
        found.append((staged, sum(result.read["Patient"].total() for result in results)))
    assert found[0] == found[1]
    assert (len(found[0][0]), found[0][1]) == (5, 10)


@pytest.mark.parametrize("processes", [1, 2])
def test_an_error_of_the_encoding_arrives(processes: int, chunk_settings: ChunkSettings, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"source_changed.*became shorter") as caught:
        list(encode_chunks(chunks_of(tmp_path / "a.ndjson", 4, beyond=1), chunk_settings, {}, processes))
    assert (caught.value.code, caught.value.hint) == ("source_changed", "load it again")


@pytest.mark.parametrize("processes", [1, 2])
def test_a_full_or_missing_staging_is_an_error_of_the_store(
    processes: int, chunk_settings: ChunkSettings, tmp_path: Path
) -> None:
    chunk_settings.staging.rmdir()
    with pytest.raises(StorageError, match="cannot write"):
        list(encode_chunks(chunks_of(tmp_path / "a.ndjson", 4), chunk_settings, {}, processes))


def test_a_killed_process_is_named(
    chunk_settings: ChunkSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[bytes]] = []

    class Seen(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            started.append(self)

    monkeypatch.setattr(workers.subprocess, "Popen", Seen)

    def chunks() -> Iterator[Chunk]:
        for chunk in chunks_of(tmp_path / "a.ndjson", 6):
            if chunk.number == 3:
                started[0].kill()
            yield chunk

    with pytest.raises(StorageError, match=r"worker_ended.*exit status -9"):
        list(encode_chunks(chunks(), chunk_settings, {}, 2))
    assert [process.poll() is not None for process in started] == [True, True]


def test_files_of_the_current_folder_are_not_imported(
    chunk_settings: ChunkSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pickle.py").write_text("raise SystemExit('imported from the current folder')")
    monkeypatch.chdir(tmp_path)
    assert len(list(encode_chunks(chunks_of(tmp_path / "a.ndjson", 2), chunk_settings, {}, 2))) == 2


SCRIPT = """
from lacustre import Lake
from lacustre.store import chunk_reader, load

load.CHUNK_BYTES = chunk_reader.CHUNK_BYTES = chunk_reader.BLOCK_BYTES = 1000
print(Lake.open("lake").load("a.ndjson", processes=2).total("inserted"))
"""


def test_a_script_needs_no_guard(tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_bytes(b"".join(LINE % number for number in range(200)))
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, "script.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout.strip(), done.stderr, done.returncode) == ("200", "", 0)
