"""One job of the server: kicked off, polled until its manifest is there, deleted when all is downloaded."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from lacustre.acquire.config import ExportConfig
from lacustre.acquire.manifest import Manifest, next_page, read_manifest
from lacustre.acquire.session import Session
from lacustre.acquire.urls import joined, shown
from lacustre.acquire.waiting import Clock, backoff, retry_after
from lacustre.errors import AccessError, InputError, LacustreError, ManifestError, StorageError

if TYPE_CHECKING:
    import httpx

_MAX_PAGES = 10_000
_MAX_POLL_SECONDS = 300.0
_UNREADABLE_TRIES = 4
_PERCENT = re.compile(r"(\d{1,3})(?:\.\d+)?\s*%")
_ISSUE_CODE = re.compile(r"[a-z\-]{1,40}")

Waiting = Callable[[float | None], None]
"""Takes the share of the export that the server says is done, or None."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for: the configuration's request, since an instant, of some types only."""

    since: str | None
    types: tuple[str, ...]

    def url(self, config: ExportConfig) -> str:
        place = {"system": "", "patient": "/Patient", "group": f"/Group/{config.group}"}[config.level]
        filters = [text for text in config.type_filters if not self.types or text.split("?")[0] in self.types]
        asked = {
            "_outputFormat": "application/fhir+ndjson",
            "_since": self.since,
            "_type": ",".join(self.types),
            "_elements": ",".join(config.elements),
        }
        parameters = [(name, value) for name, value in asked.items() if value]
        return f"{config.base}{place}/$export?{urlencode([*parameters, *(('_typeFilter', text) for text in filters)])}"


def kick_off(session: Session, config: ExportConfig, request: Request) -> str:
    """Start a job; gives the URL of its status. Raises InputError where the server does not take the request."""
    url = request.url(config)
    headers = {"Accept": "application/fhir+json", "Prefer": "respond-async"}
    response = session.exchange("GET", url, headers)
    place = joined(url, response.headers.get("content-location"))
    if response.is_success and place is not None:
        return place
    if response.status_code in (400, 404, 405, 406, 422, 501):
        raise InputError(
            "export_refused",
            f"the server does not take the export: {response.status_code}{_issues(response)}",
            "check url, level, group, types and filters against the server's CapabilityStatement",
        )
    raise failed(session, url, response)


def poll(
    session: Session, status_url: str, started: float, config: ExportConfig, clock: Clock, waiting: Waiting
) -> Manifest | None:
    """The job's manifest, when it is done; None where the server does not know the job any more.

    Raises JobFailedError where the job will never be done, in `config.time_limit_hours` since `started` at the latest.
    """
    headers = {"Accept": "application/json"}
    polls = unreadable = 0
    while True:
        response = session.exchange("GET", status_url, headers)
        polls += 1
        if response.status_code in (404, 410):
            return None
        if response.status_code == 200:
            if (page := _object(response)) is not None:
                return read_manifest(_all_pages(session, status_url, page))
            unreadable += 1
            if unreadable >= _UNREADABLE_TRIES:
                raise ManifestError("bad_manifest", f"{shown(status_url)} gives something else than a manifest")
        late = clock.now() - started > config.time_limit_hours * 3600
        if response.status_code not in (200, 202):
            error = _gave_up(session, status_url, response)
            if not (late and isinstance(error, StorageError)):
                raise error
        if late:
            raise JobFailedError("export_too_slow", f"the export is not done after {config.time_limit_hours:g} hours")
        waiting(_share(response.headers.get("x-progress", "")))
        clock.sleep(_pause(response, polls, config, clock))


class JobFailedError(StorageError):
    """A job that will never be done; another one may be."""

    def __init__(self, code: str, message: str, hint: str | None = None) -> None:
        super().__init__(code, message, hint, transient=True)


def end_job(session: Session, status_url: str) -> bool:
    """Tell the server that its files are no longer needed; says whether it heard. They expire anyway."""
    try:
        return session.exchange("DELETE", status_url, {"Accept": "application/json"}).is_success
    except (StorageError, AccessError):
        return False


def failed(session: Session, url: str, response: httpx.Response) -> LacustreError:
    """The error of a reply that cannot be used; of its body only FHIR's issue codes are shown."""
    said = f"{shown(url)}: {response.status_code}{_issues(response)}"
    other = not session.trusts(url)
    # a signature that is over: 403 of most stores, 400 of some
    if response.status_code in (401, 403) or (response.status_code == 400 and other):
        hint = (
            "another host than the server's gets no token: if it may, list it in token_origins"
            if other
            else ("check the client's scopes, and [auth]")
        )
        return AccessError("access_refused", said, hint)
    return StorageError("server_failed", said, transient=response.status_code == 429 or response.status_code >= 500)


def _gave_up(session: Session, url: str, response: httpx.Response) -> LacustreError:
    """What a status says that is neither done nor in progress: that the job failed, or only that the server does."""
    error = failed(session, url, response)
    codes = _issues(response)
    if isinstance(error, AccessError) or response.status_code == 429:
        return error
    if response.status_code >= 500 and (not codes or "transient" in codes):
        return error
    return JobFailedError("export_failed", f"the server gave the export up: {error.message}")


def _all_pages(session: Session, url: str, page: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    pages = [(url, page)]
    seen = {url}
    while (following := next_page(*pages[-1])) is not None:
        if following in seen or len(pages) >= _MAX_PAGES:
            raise ManifestError("bad_manifest", "the pages of the manifest never end")
        seen.add(following)
        pages.append((following, _page(session, following)))
    return pages


def _page(session: Session, url: str) -> dict[str, Any]:
    for _ in range(_UNREADABLE_TRIES):
        response = session.exchange("GET", url, {"Accept": "application/json"})
        if response.status_code != 200:
            raise failed(session, url, response)
        if (page := _object(response)) is not None:
            return page
    raise ManifestError("bad_manifest", f"{shown(url)} gives something else than a page of the manifest")


def _object(response: httpx.Response) -> dict[str, Any] | None:
    try:
        body = response.json()
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _issues(response: httpx.Response) -> str:
    """The codes of an OperationOutcome; its texts may speak of patients."""
    issues = (_object(response) or {}).get("issue") if response.is_stream_consumed else None
    codes = [issue.get("code") for issue in issues if isinstance(issue, dict)] if isinstance(issues, list) else []
    known = sorted({code for code in codes if isinstance(code, str) and _ISSUE_CODE.fullmatch(code)})
    return f" ({', '.join(known)})" if known else ""


def _pause(response: httpx.Response, polls: int, config: ExportConfig, clock: Clock) -> float:
    asked = retry_after(response.headers, clock.now())
    if asked is None:
        return min(config.poll_seconds * backoff(polls), _MAX_POLL_SECONDS)
    return max(asked, min(1.0, config.poll_seconds))


def _share(progress: str) -> float | None:
    found = _PERCENT.search(progress)
    return min(int(found[1]), 100) / 100 if found else None
