"""Rows of whole views: iteration, null rows, indexes, unions, repeats, and errors that only data can show."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

from support.view_runs import run_view

PATIENTS = [
    {
        "resourceType": "Patient",
        "id": "p1",
        "name": [{"family": "A", "given": ["x", "y"]}, {"family": "B"}],
        "contact": [{"telecom": [{"value": "1"}, {"value": "2"}], "gender": "male"}, {"gender": "female"}],
    },
    {"resourceType": "Patient", "id": "p2", "name": [{"given": ["z"]}]},
    {"resourceType": "Patient", "id": "p3"},
]


def column(name: str, path: str, **members: Any) -> dict[str, Any]:
    return {"name": name, "path": path, **members}


def rows(*selects: dict[str, Any], resources: list[Any] | None = None, **members: Any) -> list[tuple[Any, ...]]:
    view = {"resource": "Patient", "select": list(selects), **members}
    found = [tuple(row.values()) for row in run_view(view, PATIENTS if resources is None else resources)]
    return sorted(found, key=repr)


ID = {"column": [column("id", "id")]}


def test_for_each_drops_what_is_empty() -> None:
    assert rows(ID, {"forEach": "name", "column": [column("f", "family")]}) == [
        ("p1", "A"),
        ("p1", "B"),
        ("p2", None),
    ]


def test_for_each_or_null_keeps_it() -> None:
    found = rows(ID, {"forEachOrNull": "name", "column": [column("f", "family"), column("i", "%rowIndex")]})
    assert found == [("p1", "A", 0), ("p1", "B", 1), ("p2", None, 0), ("p3", None, 0)]


def test_a_null_row_is_null_in_every_column_but_the_index() -> None:
    columns = [
        column("literal", "'x'"),
        column("exists", "family.exists()"),
        column("count", "given.count()"),
        column("list", "given", collection=True),
        column("whole", "%resource.id"),
        column("index", "%rowIndex"),
        column("more", "%rowIndex + 1"),
    ]
    found = rows({"forEachOrNull": "name", "column": columns})
    assert found == [
        ("x", False, 1, ["z"], "p2", 0, 1),
        ("x", True, 0, [], "p1", 1, 2),
        ("x", True, 2, ["x", "y"], "p1", 0, 1),
        (None, None, None, None, None, 0, None),
    ]


def test_a_null_row_is_kept_by_what_is_nested_in_it() -> None:
    nested = {"forEach": "telecom", "column": [column("t", "value"), column("i", "%rowIndex")]}
    found = rows(ID, {"forEachOrNull": "contact", "column": [column("g", "gender")], "select": [nested]})
    assert found == [("p1", "male", "1", 0), ("p1", "male", "2", 1), ("p2", None, None, 0), ("p3", None, None, 0)]


def test_a_null_row_is_kept_though_the_table_lacks_what_is_nested() -> None:
    nested = {"forEach": "address", "column": [column("a", "line.first()")]}
    found = rows(ID, {"forEachOrNull": "contact", "column": [column("g", "gender")], "select": [nested]})
    assert found == [("p2", None, None), ("p3", None, None)]


def test_a_union_in_a_null_row_gives_it_once() -> None:
    union = [{"column": [column("v", "gender")]}, {"forEach": "telecom", "column": [column("v", "value")]}]
    assert rows(ID, {"forEachOrNull": "contact", "unionAll": union}) == [
        ("p1", "1"),
        ("p1", "2"),
        ("p1", "female"),
        ("p1", "male"),
        ("p2", None),
        ("p3", None),
    ]


def test_unions_beside_each_other_multiply() -> None:
    def union(name: str) -> dict[str, Any]:
        return {"unionAll": [{"column": [column(name, f"'{value}'")]} for value in "ab"]}

    assert rows(union("u"), union("v"), resources=PATIENTS[2:]) == [("a", "a"), ("a", "b"), ("b", "a"), ("b", "b")]


def test_for_each_over_one_item() -> None:
    assert rows({"forEach": "name.first()", "column": [column("f", "family")]}) == [("A",), (None,)]
    assert rows(ID, {"forEachOrNull": "name.first()", "column": [column("f", "family"), column("i", "%rowIndex")]}) == [
        ("p1", "A", 0),
        ("p2", None, 0),
        ("p3", None, 0),
    ]
    assert rows({"forEach": "name.last()", "column": [column("f", "family")]}) == [("B",), (None,)]
    assert rows({"forEach": "name[1]", "column": [column("f", "family")]}) == [("B",)]


def test_for_each_over_primitives() -> None:
    given = {"forEach": "name.given", "column": [column("g", "$this"), column("i", "%rowIndex")]}
    assert rows(ID, given) == [("p1", "x", 0), ("p1", "y", 1), ("p2", "z", 0)]
    kept = rows(ID, {"forEachOrNull": "name.given", "column": given["column"]})
    assert kept == [("p1", "x", 0), ("p1", "y", 1), ("p2", "z", 0), ("p3", None, 0)]


def test_for_each_over_the_resource_itself() -> None:
    columns = [column("id", "id"), column("f", "name.family.first()")]
    assert rows({"forEach": "where(name.exists())", "column": columns}) == [("p1", "A"), ("p2", None)]
    assert rows({"forEach": "$this", "column": columns}) == [("p1", "A"), ("p2", None), ("p3", None)]
    found = rows({"forEachOrNull": "where(name.family.exists())", "column": [*columns, column("i", "%rowIndex")]})
    assert found == [("p1", "A", 0), (None, None, 0), (None, None, 0)]


def test_primitives_with_extensions_only_are_rows() -> None:
    patient = {
        "resourceType": "Patient",
        "id": "p",
        "name": [{"given": [None, "B"], "_given": [{"extension": [{"url": "u", "valueString": "e"}]}, None]}],
    }
    columns = [column("g", "$this"), column("i", "%rowIndex"), column("e", "extension('u').value.ofType(string)")]
    for kind in ("forEach", "forEachOrNull"):
        assert rows({kind: "name.given", "column": columns}, resources=[patient]) == [("B", 1, None), (None, 0, "e")]


def test_where_keeps_what_is_true() -> None:
    assert rows(ID, where=[{"path": "name.family.exists()"}]) == [("p1",)]
    assert rows(ID, where=[{"path": "name.exists()"}, {"path": "name.family.empty()"}]) == [("p2",)]
    assert rows(ID, where=[{"path": "contact.gender.first() = 'male'"}]) == [("p1",)]
    assert rows(ID, where=[{"path": "{}"}]) == []
    assert rows(ID, where=[{"path": "maritalStatus.text = 'x'"}]) == []
    assert rows(ID, where=[{"path": "maritalStatus.empty()"}]) == [("p1",), ("p2",), ("p3",)]


def test_what_the_table_lacks_is_empty_and_typed() -> None:
    columns = [
        column("s", "maritalStatus.text"),
        column("b", "deceased.ofType(boolean)", type="boolean"),
        column("i", "multipleBirth.ofType(integer)", type="integer"),
        column("l", "address.city", type="string", collection=True),
    ]
    assert rows({"column": columns}) == [(None, None, None, [])] * 3
    assert rows({"forEach": "address", "column": [column("c", "city")]}) == []
    assert rows(ID, {"forEachOrNull": "address", "column": [column("c", "city")]}) == [
        ("p1", None),
        ("p2", None),
        ("p3", None),
    ]


def test_several_values_in_one_column_are_an_error_that_names_it() -> None:
    with pytest.raises(duckdb.InvalidInputException, match="LACUSTRE:column f yields several values") as caught:
        rows({"column": [column("f", "name.family")]})
    assert "Invalid Input Error: LACUSTRE:" in str(caught.value)
    for value in ("A", "B"):
        assert f"'{value}'" not in str(caught.value)


def test_several_values_where_one_is_needed() -> None:
    with pytest.raises(duckdb.InvalidInputException, match="column f yields several values"):
        rows({"column": [column("f", "name.family.startsWith('A')")]})
    with pytest.raises(duckdb.InvalidInputException, match="where 1 yields several values"):
        rows(ID, where=[{"path": "name.family < 'M'"}])
    with pytest.raises(duckdb.InvalidInputException, match="/select/0/forEach yields several values"):
        rows({"forEach": "name.single()", "column": [column("f", "family")]})


def test_a_filtered_resource_raises_no_error() -> None:
    assert rows({"column": [column("f", "name.family")]}, where=[{"path": "id != 'p1'"}]) == [(None,), (None,)]


QUESTIONNAIRE = {
    "resourceType": "QuestionnaireResponse",
    "id": "q",
    "status": "completed",
    "item": [
        {
            "linkId": "1",
            "item": [
                {
                    "linkId": "1.1",
                    "answer": [
                        {"valueString": "a", "item": [{"linkId": "1.1.1", "answer": [{"valueString": "deep"}]}]},
                        {"valueInteger": 7},
                    ],
                    "item": [{"linkId": "1.1.2"}],
                },
                {"linkId": "1.2"},
            ],
        },
        {"linkId": "2", "item": [{"linkId": "2.1"}]},
    ],
}


def repeated(*paths: str, **members: Any) -> list[tuple[Any, ...]]:
    view = {"resource": "QuestionnaireResponse", "select": [{"repeat": list(paths), **members}]}
    found = run_view(view, [QUESTIONNAIRE, {"resourceType": "QuestionnaireResponse", "id": "r", "status": "x"}])
    return sorted((tuple(row.values()) for row in found), key=repr)


def test_repeat_counts_the_traversal_in_pre_order() -> None:
    columns = [column("i", "%rowIndex"), column("l", "linkId")]
    assert repeated("item", column=columns) == [
        (0, "1"),
        (1, "1.1"),
        (2, "1.1.2"),
        (3, "1.2"),
        (4, "2"),
        (5, "2.1"),
    ]
    assert repeated("item", "answer.item", column=columns) == [
        (0, "1"),
        (1, "1.1"),
        (2, "1.1.2"),
        (3, "1.1.1"),
        (4, "1.2"),
        (5, "2"),
        (6, "2.1"),
    ]
    assert [link for _, link in repeated("answer.item", "item", column=columns)][2:4] == ["1.1.1", "1.1.2"]


@pytest.mark.parametrize(
    "paths", [["item"], ["answer.item", "item"], ["item.where(linkId != '1.1')"], ["item.first()"]]
)
def test_repeat_has_the_same_rows_where_nothing_asks_for_their_order(paths: list[str]) -> None:
    columns = [column("l", "linkId"), column("a", "answer.value.ofType(string)")]
    nested = [{"forEachOrNull": "answer", "column": [column("n", "%rowIndex"), column("v", "value.ofType(integer)")]}]
    ordered = repeated(*paths, column=[*columns, column("i", "%rowIndex")], select=nested)
    unordered = repeated(*paths, column=columns, select=nested)
    assert unordered == sorted(((link, text, n, v) for link, text, _, n, v in ordered), key=repr)


def test_repeat_in_a_null_row() -> None:
    inner = {"repeat": ["item", "answer.item"], "column": [column("below", "linkId")]}
    found = repeated("item", column=[column("l", "linkId")], select=[{"forEachOrNull": "answer", "select": [inner]}])
    assert found == [("1", None), ("1.1", "1.1.1"), ("1.1.2", None), ("1.2", None), ("2", None), ("2.1", None)]


def test_repeat_with_what_is_nested_in_it() -> None:
    answers = {"forEachOrNull": "answer", "column": [column("a", "value.ofType(string)"), column("n", "%rowIndex")]}
    columns = [column("i", "%rowIndex"), column("l", "linkId & '/' & %rowIndex.toString()")]
    assert repeated("item", "answer.item", column=columns, select=[answers]) == [
        (0, "1/0", None, 0),
        (1, "1.1/1", "a", 0),
        (1, "1.1/1", None, 1),
        (2, "1.1.2/2", None, 0),
        (3, "1.1.1/3", "deep", 0),
        (4, "1.2/4", None, 0),
        (5, "2/5", None, 0),
        (6, "2.1/6", None, 0),
    ]


def test_repeat_inside_repeat_and_unions() -> None:
    inner = {"repeat": ["item"], "column": [column("below", "linkId"), column("i", "%rowIndex")]}
    assert repeated("item", column=[column("l", "linkId")], select=[inner]) == [
        ("1", "1.1", 0),
        ("1", "1.1.2", 1),
        ("1", "1.2", 2),
        ("1.1", "1.1.2", 0),
        ("2", "2.1", 0),
    ]
    union = [
        {"column": [column("v", "linkId")]},
        {"forEach": "answer", "column": [column("v", "value.ofType(string)")]},
    ]
    assert repeated("item", unionAll=union)[:3] == [("1",), ("1.1",), ("1.1.2",)]


def test_repeat_with_columns_that_read_no_item() -> None:
    assert repeated("item", column=[column("c", "'x'")]) == [("x",)] * 6


def test_repeat_over_primitives_below_it() -> None:
    patient = {
        "resourceType": "Patient",
        "id": "p",
        "contact": [{"name": {"given": ["a", None], "_given": [None, {"id": "g"}]}}, {"name": {"family": "f"}}],
    }
    nested = {
        "forEach": "name.given",
        "column": [column("g", "$this"), column("k", "id"), column("n", "$this.count()")],
    }
    found = rows({"repeat": ["contact"], "select": [nested]}, resources=[patient])
    assert found == [("a", None, 1), (None, "g", 1)]


def test_lineage_columns_follow_the_own_ones() -> None:
    view = {"resource": "Patient", "select": [ID]}
    found = run_view(view, PATIENTS[:1], lineage=True)
    assert found == [
        {
            "id": "p1",
            "lake_resource": "Patient/p1",
            "lake_patient_key": 1,
            "lake_source": {"file": "Patient.ndjson", "line": 1},
        }
    ]
