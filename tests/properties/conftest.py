"""The profile of long runs: `pytest tests/properties/test_compiled_view.py --hypothesis-profile long`.

With `--hypothesis-seed 7` a run can be repeated.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "long", max_examples=2_000, database=None, deadline=None, print_blob=True, suppress_health_check=list(HealthCheck)
)
