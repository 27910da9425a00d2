"""What can be said of a ViewDefinition before it is built: against the specification, and against what a table holds.

Nothing here reads a table: `lacustre.quality.view_check` does, and hands over what it found.
"""

from __future__ import annotations

from lacustre.views.check.findings import CheckedColumn, CheckedView, CheckReport, Finding, Level

__all__ = ["CheckReport", "CheckedColumn", "CheckedView", "Finding", "Level"]
