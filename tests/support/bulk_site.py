"""A bulk server and its client in one hand: what tests of the export need, with a clock that does not wait."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from joserfc.jwk import ECKey, RSAKey

from lacustre.acquire.bulk import ExportResult, run_export
from lacustre.acquire.config import AuthConfig, ExportConfig
from lacustre.acquire.smart import public_key_set
from lacustre.acquire.waiting import Clock
from support.bulk_server import CLIENT, Behaviour, BulkServer, serving

EARLY = "2026-01-01T00:00:00Z"


class QuickClock(Clock):
    """Pauses are noted, and over at once: time goes on by as much."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float] = []
        self._ahead = 0.0

    def now(self) -> float:
        return time.time() + self._ahead

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self._ahead += seconds
        self.check()


def resources(resource_type: str, count: int, updated: str = EARLY, size: int = 0) -> list[bytes]:
    """NDJSON lines of made-up resources, each with `size` bytes of text or more."""
    return [
        orjson.dumps(
            {
                "resourceType": resource_type,
                "id": f"{resource_type.lower()}-{number}",
                "meta": {"lastUpdated": updated},
                "language": "fr" + "x" * size,
            }
        )
        for number in range(count)
    ]


def a_hospital() -> dict[str, list[bytes]]:
    return {"Patient": resources("Patient", 5), "Observation": resources("Observation", 25)}


@cache
def private_key(kind: str) -> RSAKey | ECKey:
    return RSAKey.generate_key(2048) if kind == "RS384" else ECKey.generate_key("P-384")


def key_file(folder: Path, kind: str = "ES384") -> Path:
    path = folder / f"{kind}.pem"
    path.write_bytes(private_key(kind).as_pem(private=True))
    return path


@dataclass(slots=True)
class Site:
    """`server` is asked by a client that keeps its exports in `folder`."""

    server: BulkServer
    folder: Path
    auth: AuthConfig | None
    clock: QuickClock = field(default_factory=QuickClock)

    def config(self, **changes: Any) -> ExportConfig:
        given = {"url": self.server.url, "folder": self.folder, "auth": self.auth, "parallel": 2, **changes}
        return ExportConfig.model_validate(given)

    def run(self, **changes: Any) -> ExportResult:
        self.clock = QuickClock()
        self.server.clock = self.clock.now
        return run_export(self.config(**changes), clock=self.clock)


@contextmanager
def bulk_site(
    folder: Path, served: dict[str, list[bytes]] | None = None, kind: str | None = "ES384", **behaviour: Any
) -> Iterator[Site]:
    """A hospital's server which lets in the holder of a key of the kind; None lets in everybody."""
    auth = AuthConfig(client_id=CLIENT, private_key_file=key_file(folder, kind)) if kind else None
    jwks = public_key_set(auth) if auth else None
    with serving(served or a_hospital(), behaviour=Behaviour(**behaviour), jwks=jwks) as server:
        yield Site(server, folder / "exports", auth)


def lines_of(folder: Path) -> dict[str, Counter[bytes]]:
    """What an export's manifest leads to: the lines of each type, and of `deleted` and `error`."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    found: dict[str, Counter[bytes]] = {}
    for kind in ("output", "deleted", "error"):
        for entry in manifest[kind]:
            name = entry.get("type", "") if kind == "output" else kind
            found.setdefault(name, Counter()).update((folder / entry["url"]).read_bytes().splitlines())
    return found


def assert_whole(site: Site, export: ExportResult | Path) -> None:
    """Every line of the server is in the export's folder exactly once, and nothing of a run is left over."""
    folder = export if isinstance(export, Path) else export.folder
    found = {name: lines for name, lines in lines_of(folder).items() if name in site.server.resources}
    assert found == {name: Counter(lines) for name, lines in site.server.resources.items()}
    assert not (site.folder / ".running").exists()
    listed = {"manifest.json"} | {path.name for path in folder.rglob("*.ndjson")}
    assert {path.name for path in folder.rglob("*") if path.is_file()} == listed
