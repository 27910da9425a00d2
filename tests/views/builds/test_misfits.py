"""Native types and misfits on the whole path: loads, builds that go on from the last one, SQL, the command."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from lacustre import Lake
from lacustre.errors import ViewDefinitionError
from lacustre.query.flatten import flatten_files
from lacustre.views.types import SPEC, Typing

NATIVE = Typing("native", "null")
START = Typing("native", "start")
WHO: dict[str, Any] = {
    "resourceType": "ViewDefinition",
    "name": "who",
    "resource": "Patient",
    "select": [
        {
            "column": [
                {"name": "id", "path": "getResourceKey()"},
                {"name": "born", "path": "birthDate"},
                {"name": "died", "path": "deceased.ofType(dateTime)"},
                {"name": "updated", "path": "meta.lastUpdated"},
            ]
        }
    ],
}
FIRST = [
    {"resourceType": "Patient", "id": "a", "birthDate": "1970", "deceasedDateTime": "2020-05-01T10:00:00Z"},
    {"resourceType": "Patient", "id": "b", "birthDate": "x", "deceasedDateTime": "2020-05-01"},
]
SECOND = [
    {"resourceType": "Patient", "id": "c", "birthDate": "1980"},
    {"resourceType": "Patient", "id": "d", "birthDate": "1980-02-03", "meta": {"lastUpdated": "never"}},
]
LACUSTRE = [sys.executable, "-c", "from lacustre.cli import main; main()"]


class Site:
    """A lake, and a folder of definitions with one view."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.views = folder / "views"
        self.views.mkdir()
        self.define(WHO)
        self.lake = Lake.open(folder / "lake")

    def define(self, view: dict[str, Any]) -> None:
        (self.views / "who.json").write_text(json.dumps(view))

    def load(self, resources: list[dict[str, Any]]) -> None:
        file = self.folder / f"{resources[0]['id']}.ndjson"
        file.write_text("".join(f"{json.dumps(resource)}\n" for resource in resources))
        self.lake.load(file, processes=1)

    def build(self, typing: Typing = NATIVE) -> Any:
        [manifest] = self.lake.build_views(definitions=self.views, typing=typing)
        return manifest

    def rows(self, query: str = "SELECT id, born, died, updated FROM who ORDER BY id") -> list[Any]:
        return self.lake.sql(query).fetchall()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


DIED = datetime(2020, 5, 1, 10, tzinfo=UTC)


def test_a_build_says_what_did_not_fit(site: Site) -> None:
    site.load(FIRST)
    manifest = site.build()
    assert manifest.typing == NATIVE
    assert manifest.misfits == {"born": 1, "born:partial": 1, "died:partial": 1}
    assert site.rows() == [("a", None, DIED, None), ("b", None, None, None)]
    noted = "SELECT lake_resource, lake_misfits FROM lineage.who WHERE lake_misfits IS NOT NULL ORDER BY id"
    assert site.rows(noted) == [("Patient/a", ["born:partial"]), ("Patient/b", ["born", "died:partial"])]
    assert "lake_misfits" not in site.lake.sql("FROM who").columns


def test_a_build_that_goes_on_counts_what_it_kept_as_well(site: Site) -> None:
    site.load(FIRST)
    site.build()
    site.load(SECOND)
    manifest = site.build()
    assert manifest.made == 1
    assert manifest.misfits == {"born": 1, "born:partial": 2, "died:partial": 1, "updated": 1}
    [again] = site.lake.views()
    assert again.misfits == manifest.misfits
    assert again.typing == NATIVE


def test_other_types_make_the_view_anew(site: Site) -> None:
    site.load(FIRST)
    assert site.build(SPEC).misfits == {}
    assert site.rows("SELECT born FROM who ORDER BY id") == [("1970",), ("x",)]
    assert site.build(START).whole == "types changed"
    paris_midnight = datetime(2020, 4, 30, 22, tzinfo=UTC)
    assert site.rows() == [("a", date(1970, 1, 1), DIED, None), ("b", None, paris_midnight, None)]
    assert site.build(START).made == 0


def test_the_past_has_the_types_of_the_build(site: Site) -> None:
    site.load(FIRST)
    site.load(SECOND)
    site.build()
    query = "SELECT born, died FROM who WHERE id = 'a'"
    assert site.lake.at(1).sql(query).fetchall() == site.rows(query) == [(None, DIED)]
    assert site.lake.at(1).sql("SELECT lake_misfits FROM lineage.who WHERE id = 'a'").fetchall() == [
        (["born:partial"],)
    ]


def test_an_empty_view_has_its_columns(site: Site) -> None:
    site.build()
    assert site.rows("DESCRIBE who")[1][:2] == ("born", "DATE")
    assert site.rows("SELECT * FROM lineage.who WHERE lake_misfits IS NOT NULL") == []


def test_the_view_may_say_its_types_itself(site: Site) -> None:
    extension = {"url": "mode", "valueCode": "native"}, {"url": "partialDates", "valueCode": "start"}
    url = "https://lacustre.health/StructureDefinition/view-types"
    site.define({**WHO, "extension": [{"url": url, "extension": list(extension)}]})
    site.load(FIRST)
    assert site.build(SPEC).typing == START
    assert site.rows("SELECT born FROM who WHERE id = 'a'") == [(date(1970, 1, 1),)]


def test_a_view_that_native_types_forbid_stops_the_build_before_it_begins(site: Site) -> None:
    union = [{"column": [{"name": "c", "path": path}]} for path in ("birthDate", "id")]
    site.define({**WHO, "select": [{"unionAll": union}]})
    site.load(FIRST)
    site.build(SPEC)
    with pytest.raises(ViewDefinitionError, match="union_mismatch"):
        site.build(NATIVE)


def test_decimals_of_loaded_lines_keep_their_value(site: Site) -> None:
    view = {
        **WHO,
        "resource": "Observation",
        "select": [{"column": [{"name": "v", "path": "value.ofType(Quantity).value"}]}],
    }
    site.define(view)
    numbers = ["1.10", "1E-7", "12345678901234567890.5", "0.1234567890123456789", "-0"]
    lines = [
        f'{{"resourceType":"Observation","id":"{n}","status":"final","code":{{}},"valueQuantity":{{"value":{number}}}}}\n'
        for n, number in enumerate(numbers)
    ]
    (site.folder / "o.ndjson").write_text("".join(lines))
    site.lake.load(site.folder / "o.ndjson", processes=1)
    assert site.build().misfits == {"v": 1}
    expected = [Decimal("1.1"), Decimal("1E-7"), Decimal("12345678901234567890.5"), None, Decimal(0)]
    found = site.rows("SELECT v FROM lineage.who ORDER BY lake_resource")
    assert [value for (value,) in found] == expected


def test_flatten_tells_what_did_not_fit(site: Site) -> None:
    site.load(FIRST)
    result = flatten_files(
        site.views / "who.json", [str(site.folder / "a.ndjson")], site.folder / "o.csv", typing=NATIVE
    )
    assert result.misfits == (
        "1 value of born does not fit DATE and became null",
        "1 partial date of born became null in DATE",
        "1 partial date of died became null in TIMESTAMP WITH TIME ZONE",
    )


def test_the_command_tells_it_too(site: Site) -> None:
    site.load(FIRST)
    place = ["--lake", site.lake.uri, "--definitions", str(site.views)]

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*LACUSTRE, *arguments], capture_output=True, text=True, check=True, timeout=60)

    built = run("views", "build", "--types", "native", *place)
    assert "who: 1 value of born does not fit DATE and became null; see SELECT" in built.stderr
    assert "who: 1 partial date of died became null" in built.stderr
    assert "--partial-dates start" in built.stderr
    built = run("views", "build", "--types", "native", "--partial-dates", "start", *place)
    assert "partial" not in built.stderr
    assert '"born" DATE' in run("views", "schema", "who", "--types", "native", *place).stdout
    assert "born: date32[day]" in run("views", "schema", "who", "--as", "arrow", "--types", "native", *place).stdout
    listed = json.loads(run("views", "schema", "who", "--as", "json", *place).stdout)
    assert [column["sql_type"] for column in listed][1:3] == ["VARCHAR", "VARCHAR"]
    assert "TRY_CAST" in run("views", "explain", "who", "--types", "native", *place).stdout
