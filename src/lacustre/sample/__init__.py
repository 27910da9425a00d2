"""A small French hospital in FHIR R4: a deterministic, seeded generator for the demo, the docs and the tests.

Everything is invented: people, establishment, notes. The identifiers are test numbers that belong to nobody.
"""

from __future__ import annotations

from lacustre.sample.export import DEFAULT_SEED, SampleExport, generate_sample, sample_resources
from lacustre.sample.hospital import DEFAULT_ESTABLISHMENT, Establishment

__all__ = [
    "DEFAULT_ESTABLISHMENT",
    "DEFAULT_SEED",
    "Establishment",
    "SampleExport",
    "generate_sample",
    "sample_resources",
]
