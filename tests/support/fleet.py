"""Several processes that use one lake at the same time."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

from support import lake_worker

Step: TypeAlias = list[Any]
Outcome: TypeAlias = dict[str, Any]

_LIMIT_SECONDS = 240
_START_SECONDS = 2.0


class Fleet:
    """Processes of a lake, each with its steps; `stop` is a file that is there when the writers have ended."""

    def __init__(self, folder: Path, tenant: str = "default") -> None:
        self._folder, self._tenant = folder, tenant
        self.place, self.stop = folder / "lake", folder / "stop"

    def run(self, writers: Sequence[Sequence[Step]], readers: Sequence[Sequence[Step]] = ()) -> list[list[Outcome]]:
        """What the steps of the writers gave, then those of the readers; fails where a process ends by no typed error."""
        writing, reading = ([self._start(steps) for steps in group] for group in (writers, readers))
        time.sleep(_START_SECONDS)
        (self._folder / "start").touch()
        try:
            outcomes = [_outcomes(process) for process in writing]
            self.stop.touch()
            return outcomes + [_outcomes(process) for process in reading]
        finally:
            for process in (*writing, *reading):
                process.kill()
                process.wait()

    def _start(self, steps: Sequence[Step]) -> subprocess.Popen[bytes]:
        job = {"lake": str(self.place), "tenant": self._tenant, "start": str(self._folder / "start"), "steps": steps}
        command = [sys.executable, str(Path(lake_worker.__file__)), json.dumps(job)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def _outcomes(process: subprocess.Popen[bytes]) -> list[Outcome]:
    out, err = process.communicate(timeout=_LIMIT_SECONDS)
    assert process.returncode == 0, err.decode()[-4000:]
    outcomes: list[Outcome] = json.loads(out)
    return outcomes
