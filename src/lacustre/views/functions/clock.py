"""The moment of the run (FHIRPath §5.9.3 to §5.9.5), the same for every row of it.

What depends on it is warned of: a view that is built holds what was true when it was built.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from lacustre.views.functions.invocation import FunctionBinder, Invocation
from lacustre.views.ir import Clock, Value

CLOCK_WARNING = "depends_on_clock"
_TYPES = {"today": "date", "now": "dateTime", "timeOfDay": "time"}


def _clock(invocation: Invocation) -> Value:
    name = invocation.call.name
    message = f"{name}() is that of the run: once built, the view tells what held on that day"
    path = invocation.scope.path
    invocation.binder.warnings.append(path.fault(CLOCK_WARNING, message, invocation.call.span))
    return Clock(_TYPES[name])


BINDERS: Mapping[str, FunctionBinder] = MappingProxyType(dict.fromkeys(_TYPES, _clock))
