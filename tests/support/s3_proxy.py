"""An S3 server that misbehaves: a proxy on loopback before a real one, which spoils the requests it is told to.

Signatures cover the Host header, so the proxy hands on what the client sent. They cover the condition of a write too,
so the proxy signs those again that it takes the condition from.
"""

from __future__ import annotations

import re
import socket
import ssl
import struct
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from urllib.parse import unquote, urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

UPSTREAM_SECONDS = 60
FOR_EVER = 1_000_000
CONDITION = "If-None-Match"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What becomes of a request: whether the server sees it, and what the client sees."""

    applied: bool = True
    status: int | None = None
    """Answered instead of the server's status, with the error `code`."""
    code: str = ""
    reset: bool = False
    """The connection is reset in place of an answer."""
    truncated: bool = False
    """The connection is closed in the middle of the body."""
    seconds: float = 0.0
    """How late the answer is."""
    unconditional: bool = False
    """The condition of a write does not reach the server."""
    obliging: bool = False
    """A failed condition is answered with 200."""


UNAVAILABLE = Behaviour(applied=False, status=503, code="SlowDown")
BROKEN = Behaviour(applied=False, status=500, code="InternalError")
RESET = Behaviour(applied=False, reset=True)
REPLY_LOST = Behaviour(reset=True)
APPLIED_BUT_UNAVAILABLE = Behaviour(status=503, code="ServiceUnavailable")
APPLIED_BUT_REFUSED = Behaviour(status=412, code="PreconditionFailed")
FORBIDDEN = Behaviour(applied=False, status=403, code="AccessDenied")
SLOW = Behaviour(seconds=1.5)
TRUNCATED = Behaviour(truncated=True)
BUSY = Behaviour(applied=False, status=409, code="ConditionalRequestConflict")
UNCONDITIONAL = Behaviour(unconditional=True)
OBLIGING = Behaviour(obliging=True)
UNSUPPORTED = Behaviour(applied=False, status=501, code="NotImplemented")


@dataclass(frozen=True, slots=True)
class Fault:
    """A behaviour and the requests that it befalls: of those that match, the `first` to `first + times - 1`.

    `key` is a regular expression, searched in the unquoted `/bucket/key?query`; with `each`, requests are counted
    for every method and path apart. `conditional` asks for a write with a condition.
    """

    behaviour: Behaviour
    methods: str = "PUT"
    key: str = ""
    first: int = 1
    times: int = 1
    each: bool = False
    conditional: bool = False


@dataclass(slots=True, eq=False)
class _Armed:
    """A fault in force for the paths with `below` in them, and the requests that it has met."""

    fault: Fault
    below: str
    met: Counter[str] = field(default_factory=Counter)

    def strikes(self, method: str, target: str, conditional: bool) -> bool:
        fault = self.fault
        if method not in fault.methods.split() or fault.conditional > conditional or self.below not in target:
            return False
        if not re.search(fault.key, target):
            return False
        counted = f"{method} {target}" if fault.each else ""
        self.met[counted] += 1
        return fault.first <= self.met[counted] < fault.first + fault.times


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it went by, with the status that the server gave, None where it never saw it."""

    method: str
    target: str
    status: int | None
    spoilt: bool


class S3Proxy:
    """The proxy's endpoint, what it is told to spoil, and what went by."""

    def __init__(self, direct: Mapping[str, str], server: ThreadingHTTPServer, scheme: str) -> None:
        self.settings = {**direct, "AWS_ENDPOINT_URL": f"{scheme}://127.0.0.1:{server.server_address[1]}"}
        self.upstream = urlsplit(direct["AWS_ENDPOINT_URL"]).netloc
        self.requests: list[Request] = []
        self._armed: list[_Armed] = []
        self._lock = Lock()

    @contextmanager
    def spoilt(self, *faults: Fault, below: str = "") -> Iterator[None]:
        """While this lasts, each request with `below` in its path gets the first of the faults that strikes it."""
        armed = [_Armed(fault, below) for fault in faults]
        with self._lock:
            self._armed += armed
        try:
            yield
        finally:
            with self._lock:
                self._armed = [other for other in self._armed if other not in armed]

    @property
    def strikes(self) -> int:
        """How many requests were spoilt until now."""
        return sum(request.spoilt for request in self.requests)

    def behaviour(self, method: str, target: str, conditional: bool) -> Behaviour:
        with self._lock:
            struck = [armed for armed in self._armed if armed.strikes(method, target, conditional)]
        return struck[0].fault.behaviour if struck else Behaviour()

    def signed(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> dict[str, str]:
        """The headers of a write without its condition, signed anew."""
        left = {name: headers[name] for name in ("Content-Type", "Content-Length") if name in headers}
        left |= {name: value for name, value in headers.items() if name.lower().startswith("x-amz-meta-")}
        request = AWSRequest(method, f"http://{self.upstream}{path}", left, body)
        keys = Credentials(self.settings["AWS_ACCESS_KEY_ID"], self.settings["AWS_SECRET_ACCESS_KEY"])
        S3SigV4Auth(keys, "s3", self.settings["AWS_REGION"]).add_auth(request)
        return {**request.headers, "Host": self.upstream}


@contextmanager
def s3_proxy(direct: Mapping[str, str], certificate: tuple[str, str] | None = None) -> Iterator[S3Proxy]:
    """A proxy before the server that the settings `direct` reach; speaks TLS with a `certificate` (file, key)."""

    class Handler(_Handler):
        pass

    server = _Server(("127.0.0.1", 0), Handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    Handler.proxy = S3Proxy(direct, server, "http" if certificate is None else "https")
    thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield Handler.proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients hang up when they like."""


class _Handler(BaseHTTPRequestHandler):
    proxy: S3Proxy
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        target = unquote(self.path)
        body = self._body()
        behaviour = self.proxy.behaviour(self.command, target, CONDITION in self.headers)
        answer = self._forward(body, behaviour.unconditional) if behaviour.applied else None
        status = answer[0] if answer else None
        self.proxy.requests.append(Request(self.command, target, status, behaviour != Behaviour()))
        time.sleep(behaviour.seconds)
        if behaviour.reset:
            self._reset()
        elif behaviour.status is not None or answer is None:
            self._refuse(behaviour.status or 502, behaviour.code)
        elif behaviour.obliging and status == 412:
            self._answer(200, {"ETag": '"0"'}, b"")
        else:
            self._answer(*answer, truncated=behaviour.truncated)

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return b"".join(self._chunks())
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass

    def _forward(self, body: bytes, unconditional: bool) -> tuple[int, HTTPMessage, bytes] | None:
        """The server's answer, or None where it has none."""
        headers = self.proxy.signed(self.command, self.path, self.headers, body) if unconditional else self.headers
        upstream = HTTPConnection(self.proxy.upstream, timeout=UPSTREAM_SECONDS)
        try:
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                if name.lower() not in ("expect", "connection"):
                    upstream.putheader(name, value)
            upstream.putheader("Connection", "close")
            upstream.endheaders(body, encode_chunked="Transfer-Encoding" in headers)
            response = upstream.getresponse()
            return response.status, response.headers, response.read()
        except (OSError, HTTPException):
            return None
        finally:
            upstream.close()

    def _refuse(self, status: int, code: str) -> None:
        xml = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
        self._answer(status, {"Content-Type": "application/xml"}, xml)

    def _answer(
        self, status: int, headers: Mapping[str, str] | HTTPMessage, body: bytes, truncated: bool = False
    ) -> None:
        length = headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(body))
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if truncated else body)
        self.close_connection |= truncated

    def _reset(self) -> None:
        """Close with a TCP reset, as a load balancer that dies does."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True
