"""Canonical references: a url, and the version that is meant, where one is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Canonical:
    """What `url|version` names (FHIR, References, "Canonical URLs"); a fragment is no part of it."""

    url: str
    version: str | None = None

    @classmethod
    def parse(cls, text: str) -> Canonical:
        """Read a canonical.

        >>> Canonical.parse("https://example.org/ValueSet/hba1c|2.0")
        Canonical(url='https://example.org/ValueSet/hba1c', version='2.0')
        """
        url, _, version = text.partition("#")[0].partition("|")
        return cls(url, version or None)

    def means(self, url: str | None, version: str | None) -> bool:
        """Whether an artefact of that url and version is meant; without a version, any is."""
        return self.url == url and (self.version is None or self.version == version)

    def __str__(self) -> str:
        return self.url if self.version is None else f"{self.url}|{self.version}"
