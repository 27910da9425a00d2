"""Counts the faults that were survived, by group, also where the tests run in several processes.

A module names its group: `pytestmark = pytest.mark.faults("kill points")`. Each test is one fault, unless it calls
`tally(survived, total)`. The last lines say `<group>: survived n/N` and `all: survived n/N`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

import pytest

GROUP, TALLY = "faults group", "faults tally"

Tally: TypeAlias = Callable[[int, int], None]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if marker := item.get_closest_marker("faults"):
            item.user_properties.append((GROUP, marker.args[0]))


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Iterator[Tally]:
    """Called with how many of how many faults a test survived, as often as it likes; fewer than all fail it."""
    lost = 0

    def count(survived: int, total: int) -> None:
        nonlocal lost
        lost += total - survived
        request.node.user_properties.append((TALLY, [survived, total]))

    yield count
    if lost:
        pytest.fail(f"{lost} faults were not survived")


@dataclass(slots=True)
class Case:
    """What the reports of one test say."""

    group: str
    tallies: list[tuple[int, int]] = field(default_factory=list)
    passed: bool = False
    failed: bool = False

    def add(self, report: pytest.TestReport) -> None:
        self.tallies = [(value[0], value[1]) for name, value in report.user_properties if name == TALLY]
        self.passed |= report.when == "call" and report.passed
        self.failed |= report.failed

    def count(self) -> tuple[int, int]:
        """Survived, total; what failed lost one at least."""
        survived, total = map(sum, zip(*(self.tallies or [(int(self.passed), 1)]), strict=True))
        return (min(survived, total - 1) if self.failed else survived), total


class Counter:
    """Follows the reports, in the process that prints the summary."""

    def __init__(self) -> None:
        self.cases: dict[str, Case] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        groups = [str(value) for name, value in report.user_properties if name == GROUP]
        if groups or report.failed:  # a process that died with its test says nothing about the group
            self.cases.setdefault(report.nodeid, Case([*groups, "of no group"][0])).add(report)

    def lines(self) -> Iterator[str]:
        groups = sorted({case.group for case in self.cases.values()})
        for group in groups:
            yield _line(group, [case for case in self.cases.values() if case.group == group])
        yield _line("all", self.cases.values())


def _line(name: str, cases: Iterable[Case]) -> str:
    counts = [case.count() for case in cases]
    return f"{name}: survived {sum(survived for survived, _ in counts)}/{sum(total for _, total in counts)}"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, None, None]:
    """Print after everything else, pytest's own last line too."""
    yield
    counter: Counter | None = session.config.pluginmanager.get_plugin("faults-counter")
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if counter is not None and counter.cases and reporter is not None:
        for line in counter.lines():
            reporter.write_line(line)


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # a process of pytest-xdist, whose reports arrive in the first one
        config.pluginmanager.register(Counter(), "faults-counter")
