"""The grammar of FHIRPath: what is read, how it binds, and where a fault is said to be."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lacustre.errors import FhirPathSyntaxError
from lacustre.fhirpath import ast, parse_expression
from lacustre.fhirpath.ast import child_expressions
from lacustre.fhirpath.lexer import MAX_LENGTH
from lacustre.fhirpath.parser import MAX_DEPTH
from support.shared import shared_dir


def shape(node: ast.Expression) -> Any:
    """A tree as nested tuples, without spans."""
    match node:
        case ast.Literal(kind=kind, text=text):
            return (kind, text)
        case ast.Quantity(value=value, unit=unit, calendar=calendar):
            return ("quantity", value, unit, calendar)
        case ast.EmptySet():
            return "{}"
        case ast.Constant(name=name):
            return f"%{name}"
        case ast.Special(name=name):
            return name
        case ast.Member(source=source, name=name):
            return name if source is None else (shape(source), ".", name)
        case ast.Call(source=source, name=name, arguments=arguments):
            return (None if source is None else shape(source), f"{name}()", *map(shape, arguments))
        case ast.Indexer(source=source, index=index):
            return (shape(source), "[]", shape(index))
        case ast.Polarity(sign=sign, operand=operand):
            return (sign, shape(operand))
        case ast.Binary(operator=operator, left=left, right=right):
            return (shape(left), operator, shape(right))
        case ast.Chain(operator=operator, operands=operands):
            return (operator, *map(shape, operands))
        case ast.TypeTest(operator=operator, operand=operand, type_name=type_name):
            return (shape(operand), operator, type_name)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("name.given", ("name", ".", "given")),
        ("Patient.name", ("Patient", ".", "name")),
        ("where(active)", (None, "where()", "active")),
        ("a.substring(1, 2)", ("a", "substring()", ("integer", "1"), ("integer", "2"))),
        ("name[0].family", (("name", "[]", ("integer", "0")), ".", "family")),
        ("name[%n]", ("name", "[]", "%n")),
        ("%'quoted name'", "%quoted name"),
        ("%`quoted name`", "%quoted name"),
        ("`div`.`a b`", ("div", ".", "a b")),
        ("$this", "$this"),
        ("$index + $total", ("$index", "+", "$total")),
        ("{}", "{}"),
        ("as", "as"),
        ("is.contains.in", (("is", ".", "contains"), ".", "in")),
        ("contains('a')", (None, "contains()", ("string", "a"))),
        ("value is FHIR.Quantity", ("value", "is", "FHIR.Quantity")),
        ("(value as Quantity).unit", (("value", "as", "Quantity"), ".", "unit")),
    ],
)
def test_names_and_paths(expression: str, expected: Any) -> None:
    assert shape(parse_expression(expression)) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("true", ("boolean", "true")),
        ("'it''s'", None),
        (r"'it\'s \u00e9 \\ \n \/'", ("string", "it's é \\ \n /")),
        ("''", ("string", "")),
        ("12", ("integer", "12")),
        ("1.50", ("decimal", "1.50")),
        ("@2015", ("date", "2015")),
        ("@2015-02-04", ("date", "2015-02-04")),
        ("@2015-02T", ("dateTime", "2015-02")),
        ("@2015-02-04T14:34:28.123+09:00", ("dateTime", "2015-02-04T14:34:28.123+09:00")),
        ("@2015-02-04T14Z", ("dateTime", "2015-02-04T14Z")),
        ("@T14:34", ("time", "14:34")),
        ("4 'mg'", ("quantity", "4", "mg", False)),
        ("4.5 days", ("quantity", "4.5", "days", True)),
    ],
)
def test_literals(expression: str, expected: Any) -> None:
    if expected is None:
        with pytest.raises(FhirPathSyntaxError):
            parse_expression(expression)
    else:
        assert shape(parse_expression(expression)) == expected


@pytest.mark.parametrize(
    ("expression", "equivalent"),
    [
        ("a implies b or c", "a implies (b or c)"),
        ("a or b and c", "a or (b and c)"),
        ("a and b in c", "a and (b in c)"),
        ("a in b = c", "a in (b = c)"),
        ("a = b < c", "a = (b < c)"),
        ("a < b | c", "a < (b | c)"),
        ("a | b is C", "a | (b is C)"),
        ("a + b is C", "(a + b) is C"),
        ("a + b * c", "a + (b * c)"),
        ("a & b div c mod d", "a & ((b div c) mod d)"),
        ("a - b - c", "(a - b) - c"),
        ("-a.b", "-(a.b)"),
        ("-a * b", "(-a) * b"),
        ("a = b = c", "(a = b) = c"),
        ("a implies b implies c", "(a implies b) implies c"),
        ("a or b xor c or d", "((a or b) xor c) or d"),
    ],
)
def test_precedence(expression: str, equivalent: str) -> None:
    assert shape(parse_expression(expression)) == shape(parse_expression(equivalent))


def test_chains_are_flat() -> None:
    assert shape(parse_expression("a or b or c or d")) == ("or", "a", "b", "c", "d")
    codes = " or ".join(f"code = '{number}'" for number in range(400))
    tree = parse_expression(codes)
    assert isinstance(tree, ast.Chain)
    assert len(tree.operands) == 400


def test_white_space_and_comments_mean_nothing() -> None:
    expression = "name /* the\nname */ . // to the end of the line\n\t given"
    assert shape(parse_expression(expression)) == ("name", ".", "given")


def test_spans_point_into_the_text() -> None:
    expression = "name.where(use = 'official').family"
    tree = parse_expression(expression)
    texts = []
    pending = [tree]
    while pending:
        node = pending.pop(0)
        texts.append(expression[node.span.start : node.span.end])
        pending += child_expressions(node)
    assert texts == [
        expression,
        "name.where(use = 'official')",
        "name",
        "use = 'official'",
        "use",
        "'official'",
    ]


@pytest.mark.parametrize(
    ("expression", "place", "message"),
    [
        ("", "", "found the end"),
        ("name.", "", "found the end"),
        ("name..given", ".", "found `.`"),
        ("name.where(use", "", "expected `)`"),
        ("name)", ")", "expected the end of the expression"),
        ("name[0", "", "expected `]`"),
        ("name given", "given", "expected the end of the expression"),
        ("a = and", "and", "found `and`"),
        ("a ! b", "!", "unexpected character"),
        ("'open", "'", "never closed"),
        ("`open", "`", "never closed"),
        ("a /* open", "/*", "never closed"),
        (r"'\q'", r"\q", "unknown escape"),
        ("@@", "@", "not a date or time"),
        ("@2015-02-30", "@2015-02-30", "2015-02-30 is not a date"),
        ("@0000", "@0000", "0000 is not a date"),
        ("@T25", "@", "not a date or time"),
        ("a.$this", "$this", "start of a path"),
        ("%", "", "name of a constant"),
        ("value is", "", "expected a type"),
        ("f(a,)", ")", "found `)`"),
    ],
)
def test_a_fault_is_shown_at_its_place(expression: str, place: str, message: str) -> None:
    with pytest.raises(FhirPathSyntaxError) as caught:
        parse_expression(expression)
    [diagnostic] = caught.value.diagnostics
    assert message in diagnostic.message
    assert expression[diagnostic.start : diagnostic.end] == place
    assert diagnostic.expression == expression


@pytest.mark.parametrize(
    "expression",
    [
        "(" * 5000 + "a" + ")" * 5000,
        "-" * 5000 + "1",
        "a" + ".a" * 3000,
        "a" + "[0]" * 2000,
        "f(" * 2000 + ")" * 2000,
        " + ".join("a" * 2000),
        "a" + " is B" * 1000,
        "1 < " * 1500 + "1",
        " " * 10_000,
        "'" + "x" * 10_000 + "'",
    ],
)
def test_long_and_deep_expressions_are_refused(expression: str) -> None:
    with pytest.raises(FhirPathSyntaxError, match=r"deep|characters"):
        parse_expression(expression)


def test_what_is_just_within_the_limits_is_read() -> None:
    assert parse_expression("a" + ".a" * (MAX_DEPTH - 1))
    assert parse_expression("'" + "x" * (MAX_LENGTH - 2) + "'")


TOKENS = (
    *("a", "Patient", "'s'", "1", "1.5", "@2015", "@T10", "(", ")", "[", "]", ".", ",", "{", "}", "where", "`q`"),
    *("+", "-", "*", "/", "|", "&", "=", "!=", "<", ">=", "and", "or", "xor", "implies", "in", "contains", "is"),
    *("as", "div", "mod", "%c", "$this", " ", "//", "/*", "*/", "days", "'", "`", "\\", "@", "%", "é", "\x00"),
)


@given(st.lists(st.sampled_from(TOKENS), max_size=40).map("".join) | st.text(max_size=60))
@example("(" * 100)
def test_any_text_is_read_or_refused(expression: str) -> None:
    try:
        tree = parse_expression(expression)
    except FhirPathSyntaxError as error:
        [diagnostic] = error.diagnostics
        assert 0 <= diagnostic.start <= diagnostic.end
        assert diagnostic.render()
    else:
        assert tree.span.end <= len(expression)


def test_the_official_expressions_are_read() -> None:
    """All expressions of the FHIRPath R4 suite but two, which are errors: a time has no zone."""
    yaml = pytest.importorskip("yaml")
    cases = yaml.safe_load(shared_dir("conformance", "fhirpath", "fhir-r4.yaml").read_text(encoding="utf-8"))
    expressions = list(find_expressions(cases))
    assert len(expressions) > 600
    refused = {text for text in expressions if not is_read(text)}
    assert refused == {"@T14:34:28Z.is(Time)", "@T14:34:28+10:00.is(Time)"}


def is_read(expression: str) -> bool:
    try:
        parse_expression(expression)
    except FhirPathSyntaxError:
        return False
    return True


def find_expressions(node: Any) -> Any:
    if isinstance(node, dict):
        found = node.get("expression", [])
        yield from [found] if isinstance(found, str) else found
        for child in node.values():
            yield from find_expressions(child)
    elif isinstance(node, list):
        for child in node:
            yield from find_expressions(child)
