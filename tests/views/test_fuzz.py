"""Whatever an expression is, it becomes SQL that the database takes, or a typed error: parser, binder, planner, emitter.

`--hypothesis-profile long --hypothesis-seed 7` tries 10,000 of them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from lacustre import Lake
from lacustre.errors import ViewDefinitionError
from lacustre.fhir.model import load_model
from lacustre.fhir.shape import Shape
from lacustre.store.schema import shape_of
from lacustre.views.builds.part_session import RUNTIME_FAULT
from lacustre.views.catalog import find_views, starter_views
from lacustre.views.check.expressions import written_expressions
from lacustre.views.compile import compile_view
from lacustre.views.model import load_view, parse_view
from support.strategies.fuzz import CONSTANTS, Fuzzer, mutated

TYPES = ("Patient", "Observation", "Encounter", "Condition", "MedicationRequest", "Claim")
ROWS = 25
LONG = settings.get_current_profile_name() == "long"
EXAMPLES = settings(
    max_examples=10_000 if LONG else 250,
    derandomize=not LONG,
    database=None,
    deadline=None,
    print_blob=True,
    phases=(Phase.explicit, Phase.generate),  # what is drawn is a seed: a smaller one is no simpler
    suppress_health_check=list(HealthCheck),
)


class Tables:
    """The first rows of some tables of a lake, and their shapes."""

    def __init__(self, lake: Lake) -> None:
        self.connection = duckdb.connect(config={"threads": 1})
        self.connection.execute("SET TimeZone = 'Europe/Paris'; CREATE SCHEMA fhir")
        self.shapes: dict[str, Shape] = {}
        for name in TYPES:
            rows = lake.sql(f'FROM fhir."{name}" ORDER BY id LIMIT {ROWS}').to_arrow_table()
            self.shapes[name] = shape_of(rows.schema)
            self.connection.register("rows", rows)
            self.connection.execute(f'CREATE TABLE fhir."{name}" AS FROM rows')


@pytest.fixture(scope="module")
def tables(sample_lake: Lake) -> Iterator[Tables]:
    made = Tables(sample_lake)
    yield made
    made.connection.close()


@pytest.fixture(scope="module")
def fuzzer() -> Fuzzer:
    views = [load_view(path) for path in find_views(starter_views()).values()]
    good = sorted({path.text for view in views for path in written_expressions(view)})
    return Fuzzer(load_model(), good)


def view_with(random: Random, expression: str, resource: str) -> dict[str, Any]:
    """A view that has the expression somewhere."""
    column: dict[str, Any] = {"name": "c", "path": expression}
    select: dict[str, Any] = {"column": [column]}
    view: dict[str, Any] = {"resource": resource, "constant": list(CONSTANTS), "select": [select]}
    match random.randint(0, 9):
        case 0:
            view["where"] = [{"path": expression}]
            column["path"] = "id"
        case 1:
            select |= {random.choice(("forEach", "forEachOrNull")): expression}
            column["path"] = "id"
        case 2:
            select |= {"repeat": [expression], "column": [{"name": "c", "path": "%rowIndex"}]}
        case 3 | 4 | 5:
            column["collection"] = True
        case _:
            pass
    return view


def outcome(tables: Tables, view: dict[str, Any]) -> str:
    """`runs`, `contradicted` by the data, or the code of the error; everything else is an error of the test."""
    resource = view["resource"]
    try:
        compiled = compile_view(parse_view(view), load_model(), tables.shapes[resource])
    except ViewDefinitionError as error:
        assert error.diagnostics
        for found in error.diagnostics:
            assert found.code
            assert found.message
            assert "Traceback" not in found.render()
        return error.diagnostics[0].code
    tables.connection.execute(f"EXPLAIN {compiled.sql}").fetchall()
    try:
        tables.connection.execute(compiled.sql).fetchall()
    except duckdb.Error as error:
        assert RUNTIME_FAULT in str(error), error
        return "contradicted"
    return "runs"


ODD = (None, True, 0, -1, 1.5, 10**30, "", "x", "é\u0000", [], [None], [[]], {}, {"name": "x"}, {"path": 1}, [{}] * 3)


def damaged(random: Random, document: Any) -> Any:
    """The document with some values replaced, removed, doubled, or under another name."""
    if isinstance(document, list):
        items = [damaged(random, item) for item in document if random.random() > 0.01]
        return items + items[:1] if random.random() < 0.02 else items
    if isinstance(document, dict):
        members = {name: damaged(random, value) for name, value in document.items() if random.random() > 0.01}
        if members and random.random() < 0.03:
            members[random.choice((*MEMBERS, "x/y~"))] = members.pop(random.choice(list(members)))
        return members
    return random.choice(ODD) if random.random() < 0.02 else document


MEMBERS = (
    "select",
    "column",
    "where",
    "constant",
    "forEach",
    "unionAll",
    "repeat",
    "name",
    "path",
    "type",
    "collection",
)


def test_damaged_documents_run_or_are_refused(tables: Tables, tmp_path: Path) -> None:
    """As JSON text, damaged in its characters, and as a document, damaged in its members."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(find_views(starter_views()).values())]
    seen: Counter[str] = Counter()
    path = tmp_path / "view.json"

    @EXAMPLES
    @given(st.integers(0, 2**48))
    def check(seed: int) -> None:
        random = Random(seed)
        text = random.choice(texts)
        text = mutated(random, text) if random.random() < 0.5 else json.dumps(damaged(random, json.loads(text)))
        note(f"seed {seed}")
        path.write_bytes(text.encode())
        try:
            view = load_view(path)
            compile_view(view, load_model(), tables.shapes.get(view.resource, {}))
        except ViewDefinitionError as error:
            seen[error.diagnostics[0].code] += 1
            assert all(found.message and found.code for found in error.diagnostics)
        else:
            seen["compiles"] += 1

    check()
    assert seen["compiles"] >= seen.total() / 20
    assert len(seen) >= 8


def test_only_typed_errors_come_out(tables: Tables, fuzzer: Fuzzer) -> None:
    seen: Counter[str] = Counter()

    @EXAMPLES
    @given(st.integers(0, 2**48))
    def check(seed: int) -> None:
        random = Random(seed)
        resource = random.choice(TYPES)
        view = view_with(random, fuzzer.expression(random, resource), resource)
        note(f"seed {seed}: {json.dumps(view)}")
        seen[outcome(tables, view)] += 1

    check()
    print(f"{seen.total()} expressions: {seen.most_common()}")
    assert seen["runs"] >= seen.total() / 50
    assert len(seen) >= 8
