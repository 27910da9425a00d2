"""Hypothesis strategies: small, nasty, FHIR-valid resources (R4), and ViewDefinitions over them."""

from __future__ import annotations

from support.strategies.resources import RESOURCE_TYPES, resource_sets, resources
from support.strategies.views import Case, cases, faulty_cases, views

__all__ = ["RESOURCE_TYPES", "Case", "cases", "faulty_cases", "resource_sets", "resources", "views"]
