"""The lines that end a run of the fault suites count what was survived, in one process and in several."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.shared import REPOSITORY

SUITE = """
import os
import pytest

pytestmark = pytest.mark.faults("{group}")

@pytest.fixture
def broken():
    raise ValueError

@pytest.mark.parametrize("case", range(5))
def test_each(case):
    assert case != {lost}

def test_tallied(tally):
    tally(30, 30)
    tally({tallied}, 30)

def test_error(request):
    if {lost} < 5:
        request.getfixturevalue("broken")
"""


def run(folder: Path, *arguments: str) -> list[str]:
    command = [sys.executable, "-m", "pytest", str(folder), "-m", "faults", *arguments]
    command += ["-q", "-p", "no:cacheprovider", "-o", "markers=faults(group): a suite", "--import-mode=importlib"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    return done.stdout.splitlines()


@pytest.mark.parametrize("processes", ["0", "2"])
def test_the_summary_counts_what_was_lost(processes: str, tmp_path: Path) -> None:
    shutil.copy(REPOSITORY / "tests" / "faults" / "conftest.py", tmp_path)
    (tmp_path / "test_whole.py").write_text(SUITE.format(group="whole", lost=9, tallied=30))
    (tmp_path / "test_lossy.py").write_text(SUITE.format(group="lossy", lost=2, tallied=28))
    assert run(tmp_path, "-n", processes)[-3:] == [
        "lossy: survived 62/66",
        "whole: survived 66/66",
        "all: survived 128/132",
    ]


def test_a_case_that_ends_its_process_is_lost(tmp_path: Path) -> None:
    shutil.copy(REPOSITORY / "tests" / "faults" / "conftest.py", tmp_path)
    suite = 'import os, pytest\n\n@pytest.mark.faults("abrupt")\ndef test_it():\n    os._exit(1)\n'
    (tmp_path / "test_abrupt.py").write_text(suite)
    assert run(tmp_path, "-n", "1")[-1] == "all: survived 0/1"
