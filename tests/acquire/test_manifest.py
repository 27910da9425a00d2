"""Manifests, read with suspicion."""

from __future__ import annotations

from typing import Any

import pytest

from lacustre.acquire.checkpoint import file_key
from lacustre.acquire.manifest import identity, next_page, read_manifest
from lacustre.errors import ManifestError

BASE = "https://fhir.example.org/jobs/1"
TIME = "2026-01-31T02:00:00.000+01:00"


def manifest(**members: Any) -> dict[str, Any]:
    return {"transactionTime": TIME, "requiresAccessToken": True, "output": [], **members}


def test_what_it_says_is_taken_over() -> None:
    outputs = [{"type": "Patient", "url": "/files/p", "count": 3}, {"url": "https://files.example.org/x"}]
    found = read_manifest([(BASE, manifest(output=outputs, deleted=[{"type": "Bundle", "url": "d"}]))])
    assert found.transaction_time == TIME and found.instant.isoformat() == "2026-01-31T01:00:00+00:00"
    assert [(file.kind, file.resource_type, file.url, file.count) for file in found.outputs] == [
        ("output", "Patient", "https://fhir.example.org/files/p", 3),
        ("output", None, "https://files.example.org/x", None),
        ("deleted", "Bundle", "https://fhir.example.org/jobs/d", None),
    ]


@pytest.mark.parametrize(("said", "needed"), [(True, True), (False, False), (None, True), ("false", True)])
def test_only_a_plain_false_needs_no_token(said: object, needed: bool) -> None:
    assert read_manifest([(BASE, manifest(requiresAccessToken=said))]).needs_token is needed


@pytest.mark.parametrize(
    "wrong",
    [
        {"output": None},
        {"output": {"url": "x"}},
        {"output": ["x"]},
        {"output": [{"type": "Patient"}]},
        {"output": [{"url": "file:///etc/passwd"}]},
        {"output": [{"url": "https://[x"}]},
        {"output": [{"url": "https://a.example:port/x"}]},
        {"output": [{"url": "https://a.example/\x00"}]},
        {"deleted": "x"},
        {"error": [3]},
    ],
)
def test_what_cannot_be_followed_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ManifestError, match="bad_manifest"):
        read_manifest([(BASE, manifest(**wrong))])


def test_pages_of_different_instants_are_refused() -> None:
    with pytest.raises(ManifestError, match="different"):
        read_manifest([(BASE, manifest()), (BASE, manifest(transactionTime="2026-02-01T00:00:00Z"))])


@pytest.mark.parametrize(
    ("links", "following"),
    [
        ([{"relation": "next", "url": "1/2"}], "https://fhir.example.org/jobs/1/2"),
        ([{"relation": "self", "url": "x"}], None),
        ("next", None),
    ],
)
def test_the_next_page(links: object, following: str | None) -> None:
    assert next_page(BASE, manifest(link=links)) == following


@pytest.mark.parametrize("url", [None, "mailto:somebody@example.org"])
def test_a_next_page_that_cannot_be_followed_is_not_the_end(url: object) -> None:
    pages = [(BASE, manifest(link=[{"relation": "next", "url": url}]))]
    with pytest.raises(ManifestError, match="next page"):
        next_page(*pages[0])


@pytest.mark.parametrize(
    "signature",
    [
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=60&X-Amz-Signature={}",
        "AWSAccessKeyId=AK&Expires=1&Signature={}",
        "se=2026-01-31&sp=r&sv=2022-11-02&sr=b&sig={}",
    ],
)
def test_a_signature_is_no_part_of_a_url_s_identity(signature: str) -> None:
    first, second = (f"https://b.example/f?file=7&{signature.format(value)}" for value in (1, 2))
    assert identity(first) == identity(second) == "https://b.example/f?file=7"
    assert identity("https://b.example/f?file=8") != identity(first)


def test_what_only_looks_like_a_signature_tells_files_apart() -> None:
    names = ("sp=1", "sp=2", "expires=1", "expires=2", "sig=1", "sig=2")
    outputs = [{"url": f"/file?{name}"} for name in (*names, *names)]
    found = read_manifest([(BASE, manifest(output=outputs))]).outputs
    assert [output.url.split("?")[1] for output in found] == list(names)
    assert len({file_key(1, output) for output in found}) == len(names)
