"""Processes that encode chunks beside each other.

Plain child processes which talk over pipes, so that a caller's script needs no `if __name__ == "__main__"` guard
and nothing is forked under running threads. Messages are pickles with a length in front; both ends are ours.
"""

from __future__ import annotations

import gc
import os
import pickle
import signal
import struct
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, as_completed, wait
from contextlib import ExitStack, contextmanager, suppress
from importlib.abc import MetaPathFinder
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any

from lacustre.errors import LacustreError, StorageError
from lacustre.fhir.shape import Shape
from lacustre.store.chunks import Chunk, ChunkEncoder, ChunkResult, ChunkSettings

_LENGTH = struct.Struct(">Q")
_MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(256 << 20)}
"""Blocks of some megabytes come and go: glibc keeps their memory instead of asking for zeroed pages each time."""

_FEWER = "load with fewer processes (--processes 1)"

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
                result = _encode(encoder, chunk)
            yield result
        return
    # workers are ended before the threads that wait for them are
    with ThreadPoolExecutor(processes) as threads, ExitStack() as stack:
        workers = [stack.enter_context(_worker(settings, shapes)) for _ in range(processes)]
        yield from _share_out(chunks, workers, threads)


def _encode(encoder: ChunkEncoder, chunk: Chunk) -> ChunkResult:
    try:
        return encoder.encode(chunk)
    except MemoryError:
        raise StorageError("out_of_memory", "there is not enough memory to encode a chunk", _FEWER) from None


def _share_out(chunks: Iterable[Chunk], workers: list[Encode], threads: ThreadPoolExecutor) -> Iterator[ChunkResult]:
    idle: SimpleQueue[Encode] = SimpleQueue()
    for worker in workers:
        idle.put(worker)

    def run(chunk: Chunk) -> ChunkResult:
        worker = idle.get()
        try:
            return worker(chunk)
        finally:
            idle.put(worker)

    running: set[Future[ChunkResult]] = set()
    for chunk in chunks:
        if len(running) > len(workers):  # one more, so that nobody waits while the next is read
            done, running = wait(running, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)
        running.add(threads.submit(run, chunk))
    yield from (future.result() for future in as_completed(running))


@contextmanager
def _worker(settings: ChunkSettings, shapes: Mapping[str, Shape]) -> Iterator[Encode]:
    process = subprocess.Popen(
        # -P: a file of the current folder must not stand for a module of the same name
        [sys.executable, "-P", "-c", "from lacustre.store.workers import serve; serve()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**_MALLOC, **os.environ, "PYTHONPATH": os.pathsep.join(str(Path(path).absolute()) for path in sys.path)},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    to_worker, from_worker = process.stdin, process.stdout

    def encode(chunk: Chunk) -> ChunkResult:
        with _its_end_is_an_error(process):
            _send(to_worker, chunk)
            outcome = _receive(from_worker)
        if isinstance(outcome, LacustreError):
            raise outcome
        result: ChunkResult = outcome
        return result

    try:
        with _its_end_is_an_error(process):
            _send(to_worker, (settings, shapes))
        yield encode
    finally:
        process.kill()
        process.wait()
        with suppress(OSError):  # what it did not read is of no use any more
            to_worker.close()
        from_worker.close()


@contextmanager
def _its_end_is_an_error(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    except (EOFError, OSError):
        status = process.wait()
        raise StorageError(
            "worker_ended",
            f"a loading process ended before its work, with exit status {status}",
            f"a kill for lack of memory is the usual cause: {_FEWER}" if status < 0 else "what it printed says why",
        ) from None


class _WithoutPandas(MetaPathFinder):
    """pyarrow imports pandas where it is installed, which takes longer than half of all that a worker imports."""

    def find_spec(self, fullname: str, *_: object) -> None:
        if fullname == "pandas":
            raise ModuleNotFoundError(fullname, name=fullname)


def serve() -> None:
    """The body of a worker process: chunks from standard input, results to standard output, until the end."""
    gc.disable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all; the first process ends this one
    source, target = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not end up among the results
    sys.meta_path.insert(0, _WithoutPandas())
    with suppress(EOFError, BrokenPipeError):
        settings, shapes = _receive(source)
        encoder = ChunkEncoder(settings, shapes)
        while True:
            _send(target, _outcome(encoder, _receive(source)))
    os._exit(0)  # nothing is left to write, and nobody to read it


def _outcome(encoder: ChunkEncoder, chunk: Chunk) -> ChunkResult | LacustreError:
    try:
        return _encode(encoder, chunk)
    except LacustreError as error:
        return error


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
