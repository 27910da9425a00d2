"""A first ViewDefinition of a resource type, drafted from what a table holds.

Nothing here reads a table: `lacustre.quality.view_draft` counts, and asks here what there is to be counted.
"""

from __future__ import annotations

from lacustre.views.draft.candidates import Candidate, Draughtsman
from lacustre.views.draft.document import DraftFacts, draft_document, write_document
from lacustre.views.draft.facts import Facts, Probe

__all__ = ["Candidate", "DraftFacts", "Draughtsman", "Facts", "Probe", "draft_document", "write_document"]
