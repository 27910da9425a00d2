"""Requests to a FHIR server: tried again where that helps, and a token for the hosts that may see it only."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lacustre.acquire.config import ExportConfig
from lacustre.acquire.smart import TokenSource, not_installed
from lacustre.acquire.urls import joined, origin, shown
from lacustre.acquire.waiting import Clock, Pacer, backoff, retry_after
from lacustre.errors import AccessError, SettingsError, StorageError

if TYPE_CHECKING:
    import httpx

_MAX_REDIRECTS = 5
_MAX_THROTTLED = 100
_PASSING = (408, 500, 502, 503, 504)

Form = Callable[[], dict[str, str]]


class Session:
    """Connections to the server of one export; safe to use from several threads."""

    def __init__(self, config: ExportConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._pacer = Pacer(clock)
        self._client = _open_client(config)
        self._trusted = {origin(url) for url in (config.url, *config.token_origins)}
        self._tokens = TokenSource(config.auth, config.base, self.exchange, clock) if config.auth else None

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exit_of: object) -> None:
        self._client.close()

    def trusts(self, url: str) -> bool:
        return origin(url) in self._trusted

    def exchange(
        self, method: str, url: str, headers: Mapping[str, str], *, token: bool = True, form: Form | None = None
    ) -> httpx.Response:
        """The whole reply. Raises as `stream` does."""
        patience = _Patience(self._config.attempts)
        while True:
            with self.stream(method, url, headers, token=token, form=form, patience=patience) as response:
                try:
                    response.read()
                except _transport_error() as error:
                    self._fail(url, error, patience)
                else:
                    return response

    @contextmanager
    def stream(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        *,
        token: bool = True,
        form: Form | None = None,
        patience: _Patience | None = None,
    ) -> Iterator[httpx.Response]:
        """The first reply that another try would not change, its body unread.

        Server errors, lost connections and 429 are waited for, a refused token is renewed once. `form` is made
        anew for each try. Raises StorageError where the server cannot be reached, AccessError without a token.
        """
        response = self._persist(method, url, headers, token, form, patience or _Patience(self._config.attempts))
        try:
            yield response
        finally:
            response.close()

    def _persist(
        self, method: str, url: str, headers: Mapping[str, str], token: bool, form: Form | None, patience: _Patience
    ) -> httpx.Response:
        while True:
            self._pacer.wait()
            try:
                response, used = self._follow(method, url, headers, token, form)
            except _transport_error() as error:
                self._fail(url, error, patience)
                continue
            if self._is_final(response, used, patience):
                return response
            response.close()

    def _fail(self, url: str, error: Exception, patience: _Patience) -> None:
        """Wait after a lost connection, or say that it is enough; the request, which has the token, is not kept."""
        pause = patience.after_failure()
        if pause is None:
            raise StorageError(
                "server_unreachable",
                f"{shown(url)}: {type(error).__name__}",
                "run the export again: it goes on from here",
                transient=True,
            ) from None
        self._clock.sleep(pause)

    def _is_final(self, response: httpx.Response, used: str | None, patience: _Patience) -> bool:
        if response.status_code == 401 and used is not None and self._tokens and patience.renew():
            self._tokens.forget(used)
            return False
        asked = retry_after(response.headers, self._clock.now())
        # no pause at all, or a date that is over, would use up the attempts at once
        if response.status_code == 429 and (pause := patience.after_throttle()) is not None:
            self._pacer.hold(asked or pause)
            return False
        if response.status_code in _PASSING and (pause := patience.after_failure()) is not None:
            self._clock.sleep(asked or pause)
            return False
        return True

    def _follow(
        self, method: str, url: str, headers: Mapping[str, str], token: bool, form: Form | None
    ) -> tuple[httpx.Response, str | None]:
        """The reply at the end of redirects, and the token it saw. A token is not taken up again once let go."""
        for _ in range(_MAX_REDIRECTS):
            if not self._config.may_reach(url):
                raise AccessError("plain_http", f"{shown(url)} is not https", "patient data travel by https only")
            token = token and self.trusts(url)
            used = self._tokens.token() if token and self._tokens else None
            bearer = {"Authorization": f"Bearer {used}"} if used else {}
            response = self._send(method, url, {**headers, **bearer}, form)
            if form is not None or not response.has_redirect_location:
                return response, used
            response.close()
            method = "GET" if response.status_code == 303 else method
            url = _target(url, response)
        raise StorageError("too_many_redirects", f"{shown(url)} is redirected again and again")

    def _send(self, method: str, url: str, headers: Mapping[str, str], form: Form | None) -> httpx.Response:
        import httpx  # noqa: PLC0415

        try:
            request = self._client.build_request(method, url, headers=headers, data=form and form())
            return self._client.send(request, stream=True)
        except (httpx.InvalidURL, UnicodeError):
            # the names of hosts have rules that joining URLs does not know
            raise StorageError("bad_url", f"the server gives a URL that leads nowhere: {shown(url)}") from None


def _target(url: str, response: httpx.Response) -> str:
    target = joined(url, response.headers["location"])
    if target is None:
        raise StorageError("bad_redirect", f"{shown(url)} redirects to something that is no URL")
    return target


class _Patience:
    """How often one request may still be tried again."""

    def __init__(self, attempts: int) -> None:
        self._attempts = attempts
        self._failures = self._throttled = 0
        self._renewed = False

    def after_failure(self) -> float | None:
        """Seconds to wait, or None: enough."""
        self._failures += 1
        return backoff(self._failures) if self._failures < self._attempts else None

    def after_throttle(self) -> float | None:
        self._throttled += 1
        return backoff(self._throttled) if self._throttled < _MAX_THROTTLED else None

    def renew(self) -> bool:
        first, self._renewed = not self._renewed, True
        return first


def _open_client(config: ExportConfig) -> httpx.Client:
    try:
        import httpx  # noqa: PLC0415
    except ImportError:
        raise not_installed("httpx") from None
    logger = logging.getLogger("httpx")
    if _without_query not in logger.filters:
        logger.addFilter(_without_query)
    return httpx.Client(verify=_trust(config), timeout=config.timeout_seconds, follow_redirects=False)


def _trust(config: ExportConfig) -> ssl.SSLContext:
    """The system's certificate authorities, and the hospital's own."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if config.ca_file is not None:
        try:
            context.load_verify_locations(config.ca_file)
        except OSError as error:
            raise SettingsError("bad_ca_file", f"cannot use {config.ca_file}: {type(error).__name__}") from None
    return context


def _transport_error() -> tuple[type[Exception], ...]:
    """What may be over with the next try: a lost connection, a packed reply that cannot be unpacked."""
    import httpx  # noqa: PLC0415

    return httpx.TransportError, httpx.DecodingError


def _without_query(record: logging.LogRecord) -> bool:
    """httpx logs each URL: signed ones carry their signature in the query."""
    if isinstance(record.args, tuple):
        record.args = tuple(shown(str(part)) if "://" in str(part) else part for part in record.args)
    return True
