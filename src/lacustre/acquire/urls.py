"""URLs that servers give: joined, compared and shown with care."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

_MAX_LENGTH = 32_768


def shown(url: str) -> str:
    """The URL as an error or a log may show it: without user and query, where secrets are."""
    place = urlsplit(url)
    port = f":{place.port}" if place.port else ""
    return f"{place.scheme}://{place.hostname}{port}{place.path}"


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port (RFC 6454): what decides whether the token may go there."""
    place = urlsplit(url)
    return place.scheme, place.hostname, place.port or {"https": 443, "http": 80}.get(place.scheme)


def joined(base: str, url: object) -> str | None:
    """The URL as it is meant at `base`; None for what is no http(s) URL."""
    if not isinstance(url, str):
        return None
    try:
        found = urljoin(base, url)
        place = urlsplit(found)
        sound = place.scheme in ("http", "https") and bool(place.hostname) and place.port != 0
    except ValueError:
        return None
    return found if sound and found.isprintable() and len(found) < _MAX_LENGTH else None
