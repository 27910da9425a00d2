"""One file of a manifest, down to the disk: whole, unpacked, looked at, and noted as finished."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from lacustre.acquire.checkpoint import Checkpoint, Finished, PlannedFile, Validator
from lacustre.acquire.contents import Contents, is_gzip, read_contents, unpack
from lacustre.acquire.job import failed
from lacustre.acquire.session import Session
from lacustre.acquire.urls import shown
from lacustre.acquire.waiting import Clock, backoff
from lacustre.errors import DataError, StorageError
from lacustre.store.objects import failures, storage_error

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

_WHOLE_TRIES = 3
"""How often a file that arrived in full, and is not what it should be, is asked for."""
_CHUNK = 1 << 20
_WORTH_RESUMING = 1 << 20
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")


class Download:
    """A file at a URL; `run` may be called once."""

    def __init__(
        self, session: Session, checkpoint: Checkpoint, clock: Clock, attempts: int, file: PlannedFile, url: str
    ) -> None:
        self._session = session
        self._checkpoint = checkpoint
        self._clock = clock
        self._attempts = attempts
        self._file = file
        self._url = url
        self._part = checkpoint.part(file.key)
        self._target = checkpoint.complete(file.key)

    def run(self, *, token: bool) -> Finished | None:
        """What is here then; None where the server has the file no more (404, 410).

        Raises AccessError, StorageError, and DataError for something that is no NDJSON of resources.
        """
        try:
            return self._run(token)
        except failures() as error:
            raise storage_error("write", str(self._checkpoint.folder), error) from error

    def _run(self, token: bool) -> Finished | None:
        for attempt in range(1, _WHOLE_TRIES + 1):
            if not self._fetch(token):
                return None
            finished = self._finish(last=attempt == _WHOLE_TRIES)
            if finished is not None:
                self._part.unlink(missing_ok=True)
                _sync(self._target)
                self._checkpoint.done(finished)
                return finished
            self._part.unlink(missing_ok=True)
        raise DataError(
            "not_ndjson",
            f"{shown(self._url)} gives something else than whole NDJSON of {self._file.resource_type or 'FHIR'}",
            "look at what the server sends; the other files are kept, run the export again",
        )

    def _fetch(self, token: bool) -> bool:
        """Bring every byte into the part; False where the file is gone. Tries that get further than ever are free."""
        failures_in_a_row, most = 0, self._size()
        while True:
            found = self._receive(token)
            if found is not None:
                return found
            failures_in_a_row = 1 if self._size() > most else failures_in_a_row + 1
            most = max(most, self._size())
            if failures_in_a_row >= self._attempts:
                raise StorageError(
                    "download_broken",
                    f"{shown(self._url)} breaks off again and again",
                    "run the export again: it goes on from here",
                    transient=True,
                )
            self._clock.sleep(backoff(failures_in_a_row))

    def _receive(self, token: bool) -> bool | None:
        """One request: True when the body came to its end, False when the file is gone, None to try again."""
        import httpx  # noqa: PLC0415

        offset = self._size()
        validator = self._checkpoint.validators.get(self._file.key) if offset else None
        headers = {"Accept": "application/fhir+ndjson, */*;q=0.1", "Accept-Encoding": "gzip"}
        if validator is not None:
            headers |= {"Range": f"bytes={offset}-", "If-Range": validator.value}
        with self._session.stream("GET", self._url, headers, token=token) as response:
            if response.status_code in (404, 410):
                return False
            if response.status_code == 416 and response.headers.get("content-range") == f"bytes */{offset}":
                return True
            if response.status_code == 416 or (
                response.status_code == 206 and not _continues(response, offset, validator)
            ):
                self._part.unlink(missing_ok=True)
                return None
            if response.status_code not in (200, 206):
                raise failed(self._session, self._url, response)
            try:
                self._copy(response)
            except httpx.TransportError:
                return None
            # a server may give less than was asked for, and that is whole in itself (RFC 9110, 15.3.7)
            return True if response.status_code == 200 or self._size() == _total(response) else None

    def _copy(self, response: httpx.Response) -> None:
        with self._part.open("ab" if response.status_code == 206 else "wb") as part:
            if response.status_code == 200:
                self._note(response)
            for chunk in response.iter_raw(_CHUNK):
                part.write(chunk)
                self._clock.check()

    def _note(self, response: httpx.Response) -> None:
        """Keep what a later `Range` needs, where the server can do it and the file is worth it."""
        self._checkpoint.validators.pop(self._file.key, None)
        value = _validator(response)
        length = response.headers.get("content-length", "")
        small = length.isdigit() and int(length) < _WORTH_RESUMING
        if value and not small and response.headers.get("accept-ranges", "").lower() == "bytes":
            encoding = response.headers.get("content-encoding", "")
            self._checkpoint.started(self._file.key, Validator(value, encoding))

    def _finish(self, *, last: bool) -> Finished | None:
        """What the body turned out to be; None where another try may give a better one."""
        if is_gzip(self._part):
            if not unpack(self._part, self._target):
                return None
        else:
            self._part.replace(self._target)
        contents = read_contents(self._target)
        if contents.lines and not self._is_expected(contents):
            return None
        problem = self._problem(contents)
        if problem is not None and not last:
            return None
        size = self._target.stat().st_size
        return Finished(self._file.key, size, contents.lines, contents.resource_type, problem)

    def _is_expected(self, contents: Contents) -> bool:
        """A page of HTML is no resource, and an OperationOutcome in the place of resources an error of the server."""
        if contents.resource_type is None:
            return False
        if self._file.kind == "deleted":
            return contents.resource_type == "Bundle"
        expected = self._file.resource_type or ""
        return not (
            self._file.kind == "output"
            and contents.resource_type == "OperationOutcome"
            and expected not in ("", "OperationOutcome")
        )

    def _problem(self, contents: Contents) -> str | None:
        """A fault that leaves the file of use. Only outputs have counts that are of lines."""
        name = self._file.resource_type or self._file.kind
        if contents.cut:
            return f"{name}: the last line is cut"
        if self._file.kind == "output" and self._file.count not in (None, contents.lines):
            return f"{name}: the server counts {self._file.count}, the file has {contents.lines}"
        return None

    def _size(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0


def _validator(response: httpx.Response) -> str | None:
    """A strong ETag, else the date: what `If-Range` takes (RFC 9110, 13.1.5)."""
    etag = response.headers.get("etag", "")
    if etag:
        return None if etag.startswith("W/") or not etag.isascii() else str(etag)
    return str(response.headers.get("last-modified", "")) or None


def _total(response: httpx.Response) -> int | None:
    """The length of the whole, of which a 206 is a part."""
    found = _RANGE.fullmatch(response.headers.get("content-range", ""))
    return int(found[2]) if found else None


def _continues(response: httpx.Response, offset: int, validator: Validator | None) -> bool:
    """Whether a 206 is what follows our bytes of the same representation, or its beginning, and how long all is."""
    found = _RANGE.fullmatch(response.headers.get("content-range", ""))
    if found is None or validator is None or int(found[1]) != offset:
        return False
    same = response.headers.get("content-encoding", "") == validator.encoding
    value = _validator(response)
    return same and value in (None, validator.value)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
