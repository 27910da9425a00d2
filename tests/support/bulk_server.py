"""A FHIR Bulk Data server for tests: real HTTP on loopback, real signatures, and faults on command.

By hand: `python -m support.bulk_server FOLDER --port 8099` serves a folder of NDJSON to anybody;
`--jwks FILE` (as `lacustre export-from CONFIG --jwks` prints it) lets in the client with that key only.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
from joserfc import errors, jwt
from joserfc.jwk import KeySet

CLIENT = "lacustre-test"
_BLOCK = 64 << 10


@dataclass(slots=True)
class Reply:
    """What is sent: `cut` bytes of the body only, then the connection is closed; `lost` closes it before a byte.

    `pause` is in seconds, after each 64 KiB.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    lost: bool = False
    pause: float = 0.0


@dataclass(slots=True)
class Fault:
    """Changes the replies to requests whose `METHOD /path` the pattern finds: `times` of them, after `skip`."""

    on: str
    do: Callable[[Reply], Reply]
    times: float = 1
    skip: int = 0

    def takes(self, request: str) -> bool:
        if not re.search(self.on, request):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1
        return self.times >= 0


FOREVER = float("inf")


def status(code: int, body: bytes = b"", **headers: str) -> Callable[[Reply], Reply]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _reply: Reply(code, body, named)


def outcome(code: int, issue: str) -> Callable[[Reply], Reply]:
    issues = [{"severity": "error", "code": issue, "diagnostics": "Patient/secret-patient"}]
    return status(code, json.dumps({"resourceType": "OperationOutcome", "issue": issues}).encode())


def cut_at(count: int) -> Callable[[Reply], Reply]:
    return lambda reply: replace(reply, cut=count)


def lost() -> Callable[[Reply], Reply]:
    return lambda reply: replace(reply, lost=True)


def slow(seconds: float) -> Callable[[Reply], Reply]:
    return lambda reply: replace(reply, pause=seconds)


def page(body: bytes = b"<html><body>Sign in</body></html>", kind: str = "text/html") -> Callable[[Reply], Reply]:
    return lambda _reply: Reply(200, body, {"Content-Type": kind})


def with_body(change: Callable[[bytes], bytes]) -> Callable[[Reply], Reply]:
    return lambda reply: replace(reply, body=change(reply.body))


def with_headers(**headers: str) -> Callable[[Reply], Reply]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda reply: replace(reply, headers={**reply.headers, **named})


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as it came: `token` says whether it had an Authorization header, `sent` counts the bytes of the reply's body."""

    method: str
    target: str
    host: str
    token: bool
    range: str | None
    status: int
    sent: int

    @property
    def path(self) -> str:
        return urlsplit(self.target).path


@dataclass(slots=True)
class Behaviour:
    """What the server does when it does nothing wrong."""

    pending: int = 0
    """Polls that are answered 202 before the manifest."""
    retry_after: str | None = None
    lines_per_file: int = 1000
    page_size: int | None = None
    requires_token: bool = True
    packed: str = ""
    """`encoding` for Content-Encoding: gzip, `file` for .ndjson.gz."""
    ranges: bool = True
    etags: bool = True
    counts: bool = True
    signed: bool = False
    """File URLs carry a signature that is another one each time the manifest is asked for."""
    expires_in: int = 300
    files_at: str | None = None
    """Another origin of this server for the files, such as that of `also_on`."""


@dataclass(slots=True)
class _File:
    kind: str
    type: str
    name: str
    body: bytes
    count: int


@dataclass(slots=True)
class _Job:
    number: int
    request: str
    transaction_time: str
    files: list[_File]
    polls: int = 0


class BulkServer:
    """Serves resources by type; `seen` has every request, `faults` and `edits` (of manifests) what goes wrong."""

    def __init__(
        self,
        resources: Mapping[str, Sequence[bytes]],
        *,
        behaviour: Behaviour | None = None,
        jwks: dict[str, Any] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.resources = {name: list(lines) for name, lines in resources.items()}
        self.behaviour = behaviour or Behaviour()
        self.keys = KeySet.import_key_set(jwks) if jwks else None
        self.faults: list[Fault] = []
        self.edits: list[Callable[[dict[str, Any]], None]] = []
        self.errors: list[bytes] = []
        self.deletions: list[tuple[datetime, str]] = []
        self.time: datetime | None = None
        self.clock: Callable[[], float] = time.time
        self.seen: list[Seen] = []
        self.jobs: dict[int, _Job] = {}
        self.started_jobs = 0
        self.given_tokens: list[str] = []
        self.assertions: list[str] = []
        self._tokens: dict[str, float] = {}
        self._used: set[str] = set()
        self._lock = threading.Lock()
        self._listeners: list[ThreadingHTTPServer] = []
        self.origin = self.also_on(host, port)

    @property
    def url(self) -> str:
        return f"{self.origin}/fhir"

    def also_on(self, host: str, port: int = 0) -> str:
        """Listen there too; gives the origin."""
        listener = ThreadingHTTPServer((host, port), _handler(self))
        listener.daemon_threads = True
        self._listeners.append(listener)
        threading.Thread(target=listener.serve_forever, args=(0.05,), daemon=True).start()
        return f"http://{host}:{listener.server_address[1]}"

    def close(self) -> None:
        for listener in self._listeners:
            listener.shutdown()
            listener.server_close()

    def revoke(self) -> None:
        """No token given so far is good any more."""
        with self._lock:
            self._tokens.clear()

    def count(self, pattern: str) -> int:
        """Requests whose `METHOD /path` the pattern finds."""
        with self._lock:
            return sum(bool(re.search(pattern, f"{seen.method} {seen.target}")) for seen in self.seen)

    def downloads(self) -> Counter[str]:
        """How often each file was sent, whole or in part."""
        with self._lock:
            return Counter(s.path for s in self.seen if "/files/" in s.path and s.status in (200, 206))

    def hosts_with_token(self) -> set[str]:
        with self._lock:
            return {seen.host for seen in self.seen if seen.token}

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """The reply to a request, with its fault, if one takes it."""
        with self._lock:
            reply = self._answer(method, urlsplit(target).path, parse_qs(urlsplit(target).query), headers, body)
            for fault in self.faults:
                if fault.takes(f"{method} {target}"):
                    return fault.do(reply)
            return reply

    def note(self, seen: Seen) -> None:
        with self._lock:
            self.seen.append(seen)

    def _answer(
        self, method: str, path: str, query: dict[str, list[str]], headers: Mapping[str, str], body: bytes
    ) -> Reply:
        if path == "/fhir/.well-known/smart-configuration":
            return _json({"token_endpoint": f"{self.origin}/token", "capabilities": ["client-confidential-asymmetric"]})
        if path == "/token" and method == "POST":
            return self._give_token(parse_qs(body.decode()))
        is_file = path.startswith("/files/")
        if not (is_file and not self.behaviour.requires_token) and not self._is_let_in(headers):
            return Reply(401)
        if path.endswith("/$export"):
            return self._kick_off(path, query)
        if found := re.fullmatch(r"/fhir/jobs/(\d+)(?:/(\d+))?", path):
            return self._status(method, int(found[1]), int(found[2] or 0))
        return self._file(path, headers) if is_file else Reply(404)

    def _give_token(self, form: dict[str, list[str]]) -> Reply:
        try:
            self._verify(form["client_assertion"][0])
        except (errors.JoseError, ValueError, KeyError) as error:
            return _json({"error": "invalid_client", "error_description": str(error)}, 400)
        token = f"token-{secrets.token_hex(16)}"
        self._tokens[token] = self.clock() + self.behaviour.expires_in
        self.given_tokens.append(token)
        return _json({"access_token": token, "token_type": "bearer", "expires_in": self.behaviour.expires_in})

    def _verify(self, assertion: str) -> None:
        """As the specification asks: signature, algorithm, issuer, audience, at most five minutes, a new jti."""
        assert self.keys is not None
        self.assertions.append(assertion)
        token = jwt.decode(assertion, self.keys, algorithms=["RS384", "ES384"])
        claims = token.claims
        if claims["iss"] != CLIENT or claims["sub"] != CLIENT or claims["aud"] != f"{self.origin}/token":
            raise ValueError("wrong issuer or audience")
        if not self.clock() < claims["exp"] <= self.clock() + 300:
            raise ValueError("exp is not in the next five minutes")
        if claims["jti"] in self._used or not token.header.get("kid"):
            raise ValueError("jti is used, or no kid")
        self._used.add(claims["jti"])

    def _is_let_in(self, headers: Mapping[str, str]) -> bool:
        token = headers.get("Authorization", "").removeprefix("Bearer ")
        return self.keys is None or self._tokens.get(token, 0) > self.clock()

    def _kick_off(self, path: str, query: dict[str, list[str]]) -> Reply:
        self.started_jobs += 1
        number = self.started_jobs
        moment = self.time or datetime.now(UTC)
        since = datetime.fromisoformat(query["_since"][0]) if "_since" in query else None
        types = query["_type"][0].split(",") if "_type" in query else list(self.resources)
        files = [file for name in types for file in self._files_of(name, since)] + self._extra_files(since)
        text = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self.jobs[number] = _Job(number, f"{self.origin}{path}", text, files)
        return Reply(202, headers={"Content-Location": f"{self.url}/jobs/{number}"})

    def _files_of(self, name: str, since: datetime | None) -> Iterator[_File]:
        lines = [line for line in self.resources.get(name, ()) if since is None or _updated(line) > since]
        size = self.behaviour.lines_per_file
        for number, start in enumerate(range(0, len(lines), size), 1):
            part = lines[start : start + size]
            yield _File("output", name, f"{name}.{number}", b"".join(line + b"\n" for line in part), len(part))

    def _extra_files(self, since: datetime | None) -> list[_File]:
        files = []
        gone = [key for moment, key in self.deletions if since is not None and moment > since]
        if gone:
            entries = [{"request": {"method": "DELETE", "url": key}} for key in gone]
            bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
            files.append(_File("deleted", "Bundle", "deleted.1", orjson.dumps(bundle) + b"\n", len(gone)))
        if self.errors:
            body = b"".join(line + b"\n" for line in self.errors)
            files.append(_File("error", "OperationOutcome", "error.1", body, len(self.errors)))
        return files

    def _status(self, method: str, number: int, start: int) -> Reply:
        job = self.jobs.get(number)
        if job is None:
            return Reply(404)
        if method == "DELETE":
            del self.jobs[number]
            return Reply(202)
        job.polls += 1
        if job.polls <= self.behaviour.pending:
            share = 100 * job.polls // (self.behaviour.pending + 1)
            asked = {"Retry-After": self.behaviour.retry_after} if self.behaviour.retry_after else {}
            return Reply(202, headers={"X-Progress": f"{share}%", **asked})
        return _json(self._manifest(job, start))

    def _manifest(self, job: _Job, start: int) -> dict[str, Any]:
        stop = start + (self.behaviour.page_size or len(job.files) + 1)
        manifest: dict[str, Any] = {
            "transactionTime": job.transaction_time,
            "request": job.request,
            "requiresAccessToken": self.behaviour.requires_token,
            "output": [],
            "deleted": [],
            "error": [],
        }
        for file in job.files[start:stop]:
            count = {"count": file.count} if self.behaviour.counts and file.kind == "output" else {}
            manifest[file.kind].append({"type": file.type, "url": self._file_url(job, file), **count})
        if stop < len(job.files):
            manifest["link"] = [{"relation": "next", "url": f"{self.url}/jobs/{job.number}/{stop}"}]
        for edit in self.edits:
            edit(manifest)
        return manifest

    def _file_url(self, job: _Job, file: _File) -> str:
        ending = ".ndjson.gz" if self.behaviour.packed == "file" else ".ndjson"
        signature = f"?sig={secrets.token_hex(8)}" if self.behaviour.signed else ""
        return f"{self.behaviour.files_at or self.origin}/files/{job.number}/{file.name}{ending}{signature}"

    def _file(self, path: str, headers: Mapping[str, str]) -> Reply:
        _, _, number, name = path.split("/")
        job = self.jobs.get(int(number))
        file = next((file for file in job.files if name.split(".ndjson")[0] == file.name), None) if job else None
        if file is None:
            return Reply(404)
        body, sent = file.body, {"Content-Type": "application/fhir+ndjson"}
        encoded = self.behaviour.packed == "encoding" and "gzip" in headers.get("Accept-Encoding", "")
        if encoded or self.behaviour.packed == "file":
            body = gzip.compress(body, mtime=0)
            sent |= {"Content-Encoding": "gzip"} if encoded else {}
        if self.behaviour.etags:
            sent["ETag"] = f'"{number}-{file.name}-{len(body)}"'
        return self._ranged(Reply(200, body, sent), headers) if self.behaviour.ranges else Reply(200, body, sent)

    def _ranged(self, reply: Reply, headers: Mapping[str, str]) -> Reply:
        reply.headers["Accept-Ranges"] = "bytes"
        found = re.fullmatch(r"bytes=(\d+)-", headers.get("Range", ""))
        if not found or headers.get("If-Range", reply.headers.get("ETag")) != reply.headers.get("ETag"):
            return reply
        start, total = int(found[1]), len(reply.body)
        if start >= total:
            return Reply(416, headers={"Content-Range": f"bytes */{total}"})
        reply.headers["Content-Range"] = f"bytes {start}-{total - 1}/{total}"
        return replace(reply, status=206, body=reply.body[start:])


def _json(document: dict[str, Any], code: int = 200) -> Reply:
    return Reply(code, json.dumps(document).encode(), {"Content-Type": "application/json"})


def _updated(line: bytes) -> datetime:
    updated = orjson.loads(line).get("meta", {}).get("lastUpdated")
    return datetime.fromisoformat(updated) if updated else datetime.max.replace(tzinfo=UTC)


def _handler(server: BulkServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            reply = server.answer(self.command, self.path, self.headers, body)
            # noted before it is sent: whoever has the reply finds it in `seen`
            server.note(
                Seen(
                    method=self.command,
                    target=self.path,
                    host=self.headers.get("Host", "").split(":")[0],
                    token="Authorization" in self.headers,
                    range=self.headers.get("Range"),
                    status=0 if reply.lost else reply.status,
                    sent=0 if reply.lost else len(reply.body[: reply.cut]),
                )
            )
            with suppress(ConnectionError):
                self._send(reply)

        do_GET = do_POST = do_DELETE = _handle  # noqa: N815

        def _send(self, reply: Reply) -> None:
            if reply.lost:
                self.close_connection = True
                return
            self.send_response(reply.status)
            for name, value in ({"Content-Length": str(len(reply.body))} | reply.headers).items():
                self.send_header(name, value)
            self.end_headers()
            body = reply.body if reply.cut is None else reply.body[: reply.cut]
            for start in range(0, len(body), _BLOCK):
                self.wfile.write(body[start : start + _BLOCK])
                if reply.pause:
                    time.sleep(reply.pause)
            self.close_connection = reply.cut is not None

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


def read_folder(folder: Path) -> dict[str, list[bytes]]:
    """Resources by type of all NDJSON files below a folder."""
    found: dict[str, list[bytes]] = {}
    for path in sorted(folder.rglob("*.ndjson*")):
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        for line in data.splitlines():
            if line.strip() and (name := re.search(rb'"resourceType"\s*:\s*"(\w+)"', line)):
                found.setdefault(name[1].decode(), []).append(line)
    return found


@contextmanager
def serving(resources: Mapping[str, Sequence[bytes]], **options: Any) -> Iterator[BulkServer]:
    server = BulkServer(resources, **options)
    try:
        yield server
    finally:
        server.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m support.bulk_server", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--jwks", type=Path)
    parser.add_argument("--pending", type=int, default=2, help="polls before an export is done")
    chosen = parser.parse_args()
    jwks = json.loads(chosen.jwks.read_text()) if chosen.jwks else None
    behaviour = Behaviour(pending=chosen.pending, retry_after="1")
    with serving(read_folder(chosen.folder), behaviour=behaviour, jwks=jwks, port=chosen.port) as server:
        print(f"serving {server.url}, client {CLIENT}; Ctrl-C ends it", flush=True)
        with suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
