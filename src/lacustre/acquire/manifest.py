"""The manifest of a finished export, all of its pages, read with suspicion (Bulk Data Access IG 2.0, 3.0)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, get_args
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from zoneinfo import ZoneInfo

from lacustre.acquire.urls import joined
from lacustre.errors import ManifestError
from lacustre.store.lake_columns import parse_instant

Kind = Literal["output", "deleted", "error"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_SIGNING = ("x-amz-", "x-goog-", "x-oss-")
_SIGNED_BY = {
    "sig": {"sig", "se", "sp", "sv", "sr", "st", "spr", "ske", "skt", "sks", "skv", "skoid", "sktid"},
    "signature": {"signature", "expires", "key-pair-id", "policy", "googleaccessid", "awsaccesskeyid"},
}
"""What belongs to a signature, by the parameter that holds it; without that one they are a server's own."""


@dataclass(frozen=True, slots=True)
class Output:
    """A file that a manifest lists; `count` is the server's, of resources or lines.

    `namesakes` is how many before it differ in their signature only.
    """

    kind: Kind
    resource_type: str | None
    url: str
    count: int | None
    namesakes: int = 0


@dataclass(frozen=True, slots=True)
class Manifest:
    """`transaction_time` is the server's text; each URL stands once in `outputs`."""

    transaction_time: str
    instant: datetime
    request: str | None
    needs_token: bool
    outputs: tuple[Output, ...]


def read_manifest(pages: Sequence[tuple[str, Mapping[str, Any]]]) -> Manifest:
    """The manifest of its pages, each with the URL that it came from.

    Raises ManifestError where it lacks what the specification requires, or its pages contradict each other.
    """
    first = pages[0][1]
    instant = instant_of(first.get("transactionTime"))
    if any(instant_of(page.get("transactionTime")) != instant for _, page in pages[1:]):
        raise ManifestError("bad_manifest", "the pages of the manifest have different transactionTimes")
    found = [output for url, page in pages for kind in KINDS for output in _outputs(url, page, kind)]
    request = first.get("request")
    return Manifest(
        transaction_time=str(first["transactionTime"]),
        instant=instant,
        request=request if isinstance(request, str) else None,
        needs_token=any(page.get("requiresAccessToken") is not False for _, page in pages),
        outputs=tuple(_distinct(found)),
    )


def next_page(url: str, page: Mapping[str, Any]) -> str | None:
    """The URL of the page after this one: a `link` whose relation is `next`.

    Raises ManifestError where there is one that cannot be followed: the files of its page would be missing.
    """
    links = page.get("link")
    for link in links if isinstance(links, list) else ():
        if isinstance(link, dict) and link.get("relation") == "next":
            following = joined(url, link.get("url"))
            if following is None:
                raise ManifestError("bad_manifest", "the manifest has a next page whose url cannot be followed")
            return following
    return None


def identity(url: str) -> str:
    """The URL without what a signature changes each time the manifest is asked for."""
    place = urlsplit(url)
    asked = parse_qsl(place.query, keep_blank_values=True)
    signing = {part for name, _ in asked for part in _SIGNED_BY.get(name.lower(), ())}
    kept = [(name, value) for name, value in asked if not name.lower().startswith(_SIGNING)]
    kept = [(name, value) for name, value in kept if name.lower() not in signing]
    return urlunsplit((place.scheme, place.netloc, place.path, urlencode(kept), ""))


def instant_of(text: object) -> datetime:
    """A transactionTime as an instant; raises ManifestError where it is none."""
    instant = parse_instant(text, ZoneInfo("UTC")) if isinstance(text, str) and "T" in text else None
    if instant is None:
        raise ManifestError("bad_manifest", "the manifest has no transactionTime that is an instant")
    return instant


def _outputs(page_url: str, page: Mapping[str, Any], kind: Kind) -> Iterable[Output]:
    listed = page.get(kind, () if kind != "output" else None)
    if not isinstance(listed, list | tuple):
        raise ManifestError("bad_manifest", f"the manifest has no list {kind}")
    for index, entry in enumerate(listed):
        url = joined(page_url, entry.get("url")) if isinstance(entry, dict) else None
        if url is None:
            raise ManifestError("bad_manifest", f"{kind}[{index}] of the manifest has no url that can be followed")
        name, count = entry.get("type"), entry.get("count")
        yield Output(
            kind=kind,
            resource_type=name if isinstance(name, str) and name.isascii() and name.isalpha() else None,
            url=url,
            count=count if isinstance(count, int) and not isinstance(count, bool) else None,
        )


def _distinct(outputs: Iterable[Output]) -> Iterable[Output]:
    """Each URL once. Those that differ in their signature only count as two files: better twice than never."""
    seen: set[tuple[Kind, str]] = set()
    alike = Counter[tuple[Kind, str]]()
    for output in outputs:
        if (output.kind, output.url) not in seen:
            seen.add((output.kind, output.url))
            name = (output.kind, identity(output.url))
            yield replace(output, namesakes=alike[name])
            alike[name] += 1
