"""Processes that encode chunks beside each other.

Plain child processes which talk over pipes, so that a caller's script needs no `if __name__ == "__main__"` guard
and nothing is forked under running threads. Messages are pickles with a length in front; both ends are ours.
"""

from __future__ import annotations

import gc
import os
import pickle
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from queue import Queue
from typing import IO, Any

from lacustre.errors import LacustreError, StorageError
from lacustre.fhir.shape import Shape
from lacustre.store.chunks import Chunk, ChunkEncoder, ChunkResult, ChunkSettings

_LENGTH = struct.Struct(">Q")
_MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(256 << 20)}
"""Blocks of some megabytes come and go: glibc keeps their memory instead of asking for zeroed pages each time."""

Encode = Callable[[Chunk], ChunkResult]


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Lines become millions of short-lived objects without cycles: collecting among them doubles the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def encode_chunks(
    chunks: Iterable[Chunk], settings: ChunkSettings, shapes: Mapping[str, Shape], processes: int
) -> Iterator[ChunkResult]:
    """The results of the chunks, in any order; with one process, in this one.

    Raises what the encoding raises, or StorageError where a process ends before its work.
    """
    if processes <= 1:
        encoder = ChunkEncoder(settings, shapes)
        for chunk in chunks:
            with without_garbage_collection():
                result = encoder.encode(chunk)
            yield result
        return
    with ExitStack() as stack:
        workers = [stack.enter_context(_worker(settings, shapes)) for _ in range(processes)]
        yield from _share_out(chunks, workers)


def _share_out(chunks: Iterable[Chunk], workers: list[Encode]) -> Iterator[ChunkResult]:
    idle: Queue[Encode] = Queue()
    done: Queue[ChunkResult | BaseException] = Queue()
    for worker in workers:
        idle.put(worker)

    def run(worker: Encode, chunk: Chunk) -> None:
        try:
            done.put(worker(chunk))
        except (LacustreError, OSError, MemoryError) as error:
            done.put(error)
        idle.put(worker)

    running = 0
    for chunk in chunks:
        threading.Thread(target=run, args=(idle.get(), chunk), daemon=True).start()
        running += 1
        while not done.empty():
            running -= 1
            yield _result(done.get())
    for _ in range(running):
        yield _result(done.get())


def _result(outcome: ChunkResult | BaseException) -> ChunkResult:
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


@contextmanager
def _worker(settings: ChunkSettings, shapes: Mapping[str, Shape]) -> Iterator[Encode]:
    process = subprocess.Popen(
        [sys.executable, "-c", "from lacustre.store.workers import serve; serve()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**_MALLOC, **os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    to_worker, from_worker = process.stdin, process.stdout

    def encode(chunk: Chunk) -> ChunkResult:
        try:
            _send(to_worker, chunk)
            outcome = _receive(from_worker)
        except (EOFError, BrokenPipeError):
            raise StorageError(
                "worker_ended",
                f"a loading process ended before its work, with exit status {process.wait()}",
                "a kill for lack of memory is the usual cause: load with fewer processes (--processes 1)",
            ) from None
        return _result(outcome)

    try:
        _send(to_worker, (settings, shapes))
        yield encode
    finally:
        process.kill()
        process.wait()
        to_worker.close()
        from_worker.close()


def serve() -> None:
    """The body of a worker process: chunks from standard input, results to standard output, until the end."""
    gc.disable()
    source, target = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not end up among the results
    settings, shapes = _receive(source)
    encoder = ChunkEncoder(settings, shapes)
    while True:
        try:
            chunk = _receive(source)
        except EOFError:
            return
        try:
            outcome: Any = encoder.encode(chunk)
        except (LacustreError, OSError, MemoryError) as error:
            outcome = error
        _send(target, outcome)


def _send(pipe: IO[bytes], message: object) -> None:
    data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    pipe.write(_LENGTH.pack(len(data)))
    pipe.write(data)
    pipe.flush()


def _receive(pipe: IO[bytes]) -> Any:
    header = pipe.read(_LENGTH.size)
    if len(header) < _LENGTH.size:
        raise EOFError
    (length,) = _LENGTH.unpack(header)
    data = pipe.read(length)
    if len(data) < length:
        raise EOFError
    return pickle.loads(data)
