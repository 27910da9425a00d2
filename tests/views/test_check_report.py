"""The report of a check as text, JSON and SARIF, and the places in JSON text that it names."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lacustre.errors import Diagnostic
from lacustre.views.check import CheckedColumn, CheckedView, CheckReport, Finding
from lacustre.views.check.report import write_report
from lacustre.views.check.rules import RULES
from lacustre.views.json_text import JsonPlaces, JsonTextError, read_json
from support.shared import REPOSITORY

FAULT = Diagnostic(
    "unknown_element", "Patient has no element nam", "/select/0/column/0/path", "nam.first()", 0, 3, "`name`?", 4, 17
)
NOTE = Diagnostic("view_url_missing", "the view has no url", line=1, column=1)
UNPLACED = Diagnostic("view_too_large", "the file has 50,000,000 bytes")


def report(lake: str | None = "lake") -> CheckReport:
    columns = (CheckedColumn("id", "id", 3000), CheckedColumn("ins", "string", 2999), CheckedColumn("none", "code", 0))
    first = CheckedView("views/été person.json", "person", "Patient", (Finding("note", NOTE, 1, 2),), columns, 3000)
    second = CheckedView("b.json", "b", "Patient", (Finding("error", FAULT, 4, 20),), (CheckedColumn("c", "code"),))
    return CheckReport((first, second, CheckedView("c.json", "", "", (Finding("warning", UNPLACED),))), lake)


def test_text_is_read_by_people_and_editors() -> None:
    lines = write_report(report(), "text").splitlines()
    assert "b.json:4:17: error: Patient has no element nam [unknown_element]" in lines
    place = lines.index("    nam.first()")
    assert lines[place + 1 : place + 3] == ["    ^^^", "    hint: `name`?"]
    assert "c.json: warning: the file has 50,000,000 bytes [view_too_large]" in lines
    assert "person: 3000 rows of Patient" in lines
    assert re.search(r"^  id +100 % +#{20}  id$", "\n".join(lines), re.M)
    assert re.search(r"^  ins +>99\.9 % ", "\n".join(lines), re.M), "nearly all is not all"
    assert re.search(r"^  none +0 % +code$", "\n".join(lines), re.M)
    assert lines[-1] == "3 views checked against the specification and lake: 1 error, 1 warning, 1 note"


def test_text_says_what_was_not_checked() -> None:
    assert "the specification alone" in write_report(report(lake=None), "text").splitlines()[-1]


def test_json_has_everything() -> None:
    found = json.loads(write_report(report(), "json"))
    assert {name: found[name] for name in ("lake", "errors", "warnings", "notes")} == {
        "lake": "lake", "errors": 1, "warnings": 1, "notes": 1
    }  # fmt: skip
    assert found["views"][0]["columns"][1] == {"name": "ins", "type": "string", "filled": 2999, "share": 2999 / 3000}
    assert found["views"][1]["columns"][0]["share"] is None
    assert found["views"][1]["findings"] == [
        {
            "code": "unknown_element",
            "level": "error",
            "pointer": "/select/0/column/0/path",
            "line": 4,
            "column": 17,
            "end_line": 4,
            "end_column": 20,
            "expression": "nam.first()",
            "span": {"start": 0, "end": 3},
            "message": "Patient has no element nam",
            "hint": "`name`?",
        }
    ]
    assert found["views"][2]["findings"][0]["line"] is None


def test_sarif_has_what_its_standard_requires() -> None:
    """SARIF 2.1.0: §3.13 sarifLog, §3.14 run, §3.18 tool, §3.49 reportingDescriptor, §3.27 result, §3.30 region."""
    log = json.loads(write_report(report(), "sarif", "1.2.3"))
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-2.1.0.json")
    [run] = log["runs"]
    driver = run["tool"]["driver"]
    assert (driver["name"], driver["semanticVersion"]) == ("Lacustre", "1.2.3")
    assert run["columnKind"] in ("utf16CodeUnits", "unicodeCodePoints")
    ids = [rule["id"] for rule in driver["rules"]]
    assert len(ids) == len(set(ids)) == 3
    assert all(rule["shortDescription"]["text"] and rule["name"] for rule in driver["rules"])
    assert len(run["results"]) == 3
    for result in run["results"]:
        assert_result(result, ids)


def assert_result(result: dict[str, Any], rules: list[str]) -> None:
    assert result["level"] in ("error", "warning", "note", "none")
    assert rules[result["ruleIndex"]] == result["ruleId"]
    assert result["message"]["text"]
    [location] = result["locations"]
    uri = location["physicalLocation"]["artifactLocation"]["uri"]
    assert re.fullmatch(r"[A-Za-z0-9._~:/%-]+", uri), "a URI reference (RFC 3986)"
    region = location["physicalLocation"].get("region")
    if region is not None:
        assert all(type(value) is int and value >= 1 for value in region.values())
        assert (region["startLine"], region["startColumn"]) <= (region["endLine"], region["endColumn"])


def test_the_rules_say_something() -> None:
    assert len(RULES) >= 70
    for code, meaning in RULES.items():
        assert re.fullmatch(r"[a-z][a-z0-9_]+", code)
        assert meaning[0].isupper()
        assert not meaning.endswith(".")


def test_files_elsewhere_have_absolute_uris(tmp_path: Path) -> None:
    view = CheckedView(str(tmp_path / "a b.json"), "", "", (Finding("error", FAULT, 4, 20),))
    log = json.loads(write_report(CheckReport((view,), None), "sarif"))
    uri = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == (tmp_path / "a b.json").as_uri()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@given(JSON, st.booleans(), st.sampled_from([None, 1, 3]))
def test_every_value_is_where_it_is_said_to_be(value: Any, ascii_only: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert read_json(text) == value
    places = JsonPlaces(text)
    for pointer, found in pointers(value, ""):
        place = places.value(pointer)
        written = text[place.start : place.end]
        assert written[:1] == json.dumps(found, ensure_ascii=ascii_only)[:1]
        if isinstance(found, str):
            assert json.loads(written) == found
            for index, character in enumerate(found):
                part = places.within(pointer, index, index + 1)
                assert json.loads(f'"{text[part.start : part.end]}"') == character


def pointers(value: Any, pointer: str) -> list[tuple[str, Any]]:
    found = [(pointer, value)]
    if isinstance(value, dict):
        for name, member in value.items():
            found += pointers(member, f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}")
    if isinstance(value, list):
        for index, item in enumerate(value):
            found += pointers(item, f"{pointer}/{index}")
    return found


@given(JSON, st.data())
def test_what_python_does_not_read_is_refused_with_its_place(value: Any, data: st.DataObject) -> None:
    text = json.dumps(value)
    at = data.draw(st.integers(0, len(text)))
    broken = (
        text[:at] + data.draw(st.sampled_from(["", ",", "]", "}", '"', "NaN", "01", "\\", "\n", "é"])) + text[at + 1 :]
    )
    try:
        expected = json.loads(broken, parse_constant=lambda name: pytest.fail(name) if not name else 1 / 0)
    except (ValueError, ZeroDivisionError):
        with pytest.raises(JsonTextError) as caught:
            read_json(broken)
        assert 0 <= caught.value.offset <= len(broken)
        return
    try:
        assert read_json(broken) == expected
    except JsonTextError as error:
        assert error.code == "view_duplicate_member" or "half a character" in error.message


def test_lines_end_in_three_ways() -> None:
    places = JsonPlaces('{"a":\r\n1,\r"b":\n2}')
    assert [places.line_and_column(places.value(pointer).start) for pointer in ("/a", "/b")] == [(2, 1), (4, 1)]


def test_the_reference_has_every_rule() -> None:
    page = (REPOSITORY / "docs/reference/view-findings.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \|.*?([^|]+) \|$", page, re.M))
    assert {code: meaning.strip() for code, meaning in rows.items()} == dict(RULES)
