"""Several processes that use one lake at the same time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

from support import lake_worker

Step: TypeAlias = list[Any]
Outcome: TypeAlias = dict[str, Any]

_LIMIT_SECONDS = 240


class Fleet:
    """Processes of a lake, each with its steps; `stop` is a file that is there when the writers have ended."""

    def __init__(self, folder: Path, tenant: str = "default") -> None:
        self._folder, self._tenant = folder, tenant
        self.place, self.stop = folder / "lake", folder / "stop"

    def run(self, writers: Sequence[Sequence[Step]], readers: Sequence[Sequence[Step]] = ()) -> list[list[Outcome]]:
        """What the steps of the writers gave, then those of the readers; fails where one ends by no typed error."""
        job = {"lake": str(self.place), "tenant": self._tenant, "stop": str(self.stop)}
        arguments = json.dumps({**job, "writers": writers, "readers": readers})
        process = subprocess.Popen(
            [sys.executable, str(Path(lake_worker.__file__)), arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"},
            start_new_session=True,
        )
        try:
            out, err = process.communicate(timeout=_LIMIT_SECONDS)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        assert process.returncode == 0, err.decode()[-4000:]
        outcomes: list[list[Outcome]] = json.loads(out)
        return outcomes
