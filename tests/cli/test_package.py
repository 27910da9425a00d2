"""What an installation without the source tree has: the starter views and queries, and the dependencies that it says it needs."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from lacustre.query import library_files
from lacustre.query.library_files import starter_queries
from lacustre.views import catalog
from lacustre.views.catalog import find_views, starter_views

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

ALONE = """
import sys

class OnlyDeclared:
    undeclared = frozenset({undeclared!r})

    def find_spec(self, name, path=None, target=None):
        if name in self.undeclared:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, OnlyDeclared())
from lacustre.cli import main
main()
"""


def declared(names: list[str]) -> set[str]:
    """The distributions that the requirements bring, by normalised name."""
    found: set[str] = set()
    waiting = [Requirement(name) for name in names]
    while waiting:
        requirement = waiting.pop()
        extra = next(iter(requirement.extras), "")
        name = normalised(requirement.name)
        if name in found or (requirement.marker and not requirement.marker.evaluate({"extra": extra})):
            continue
        found.add(name)
        below = map(Requirement, metadata.requires(name) or ())
        waiting += [r for r in below if r.marker is None or r.marker.evaluate({"extra": extra})]
    return found


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def alone(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command where no other package can be imported than those that the core brings."""
    kept = declared(PROJECT["project"]["dependencies"]) | {"lacustre"}
    undeclared = {
        module
        for module, distributions in metadata.packages_distributions().items()
        if not kept & set(map(normalised, distributions))
    }
    program = ALONE.format(undeclared=sorted(undeclared))
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)], capture_output=True, text=True, check=False
    )


def test_starters_are_in_the_wheel_where_the_package_looks_for_them(tmp_path, monkeypatch):
    forced = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert forced == {"view_definitions": "lacustre/view_definitions", "queries": "lacustre/queries"}
    installed = tmp_path / "lacustre"
    (installed / "view_definitions").mkdir(parents=True)
    monkeypatch.setattr(catalog, "__file__", str(installed / "views" / "catalog.py"))
    assert starter_views() == tmp_path / forced["view_definitions"]
    (installed / "queries").mkdir()
    monkeypatch.setattr(library_files, "__file__", str(installed / "query" / "library_files.py"))
    assert starter_queries() == tmp_path / forced["queries"]


def test_a_view_is_flattened_with_the_dependencies_of_the_core_alone(tmp_path):
    data, to = tmp_path / "data.ndjson", tmp_path / "patient.csv"
    data.write_text('{"resourceType": "Patient", "id": "p1", "unknown": 1}\n', encoding="utf-8")
    done = alone("flatten", find_views(starter_views())["patient"], "--data", data, "--to", to)
    assert (done.returncode, done.stderr) == (0, "")
    assert to.read_text(encoding="utf-8").splitlines()[1].startswith("p1,")


def test_a_lake_on_s3_without_its_extra_says_what_to_install():
    done = alone("tables", "--lake", "s3://bucket/lake")
    assert done.returncode == 2
    assert "pip install 'lacustre[s3]'" in done.stderr


def test_the_time_zones_come_with_the_package():
    assert "tzdata" in declared(PROJECT["project"]["dependencies"])
