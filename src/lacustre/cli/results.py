"""Query results on the terminal and in files."""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import duckdb
from rich.cells import cell_len, set_cell_size
from rich.text import Text

from lacustre.cli import output
from lacustre.errors import InputError
from lacustre.query.results import Format, format_of, require_place, write_result

Row = Sequence[object]
Result = TypeVar("Result")

_LONGEST_CELL = 80
_FEW_ROWS = 3
_GAP = "  "
# what would move the cursor, break the line or turn the direction of writing
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_QUOTED = re.compile(r"""['"].*['"]|['"].*""", re.DOTALL)
_NUMBER = re.compile(r"(?<![\w.,])(?<!\w\()-?\d[\d.]*")
"""A number that is no part of a type: INT32, DECIMAL(4,2)."""
_REST = re.compile(r"(: [^:]+: |…: ).*$")
_OF_DATA = (duckdb.ConversionException, duckdb.InvalidInputException, duckdb.OutOfRangeException)


def print_relation(relation: duckdb.DuckDBPyRelation, form: Format | str | None, to: Path | None, limit: int) -> None:
    """Write a relation to a file, or print it as a table or as text."""
    try:
        if to is not None:
            chosen = _chosen(form, to)
            require_place(to)
            rows = _beside(lambda: write_result(relation, to, chosen))
            output.err.print(f"{rows} rows written to {to}", markup=False, soft_wrap=True)
        elif form is None or form == "table":
            _print_table(relation, limit)
        else:
            _print_text(relation, form)
    except duckdb.Error as error:
        raise _failure(error) from None


def _failure(error: duckdb.Error) -> InputError:
    """What went wrong while the query ran, without the value that DuckDB quotes: it is a patient's."""
    if isinstance(error, duckdb.IOException):
        hint = "a view that was built twice while the query read it is gone: ask again"
        return InputError("sql_failed", str(error), hint if "/views/" in str(error) else None)
    what, mark, place = str(error).partition("\n\nLINE ")
    hint = "TRY_CAST gives NULL where a value cannot be converted"
    shown = "" if "result TO '" in place else mark + place  # the COPY is not what the analyst wrote
    message = _QUOTED.sub("…", what.replace("can't", "cannot")).splitlines()[0]
    if isinstance(error, _OF_DATA):
        message = _NUMBER.sub("…", message)
        if isinstance(error, duckdb.InvalidInputException) or "…: " in message:
            message = _REST.sub(r"\g<1>…", message)
    message += shown
    return InputError("sql_failed", message, hint if isinstance(error, duckdb.ConversionException) else None)


def _chosen(form: str | None, to: Path) -> Format:
    if form is None:
        return format_of(to)
    if form == "table":
        raise InputError("unknown_format", "a table is for the terminal", "choose csv, json, ndjson or parquet")
    return form  # type: ignore[return-value]


def _print_table(relation: duckdb.DuckDBPyRelation, limit: int) -> None:
    columns = relation.columns
    rows = _beside(lambda: relation.limit(limit + 1).fetchall())
    if columns == ["explain_key", "explain_value"]:
        output.out.file.write("".join(f"{plan}\n" for _, plan in rows))
        return
    print_rows(columns, rows[:limit])
    if len(rows) > limit:
        output.err.print(f"… the first {limit} rows; --limit shows more, --output writes all", style="dim")
    else:
        output.err.print(f"{len(rows)} row" + ("s" if len(rows) != 1 else ""), style="dim")


def _beside(work: Callable[[], Result]) -> Result:
    """Run work of DuckDB in a thread: the main one, where Ctrl-C arrives, might be in DuckDB until its query ends."""
    return ThreadPoolExecutor(1).submit(work).result()


def print_rows(columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Print rows as they are: digits of a number are not grouped or rounded, text is not taken for markup.

    On a terminal that is too narrow, few rows are printed one value a line, of many rows the columns that fit.
    A pipe gets every column.
    """
    names = [_one_line(name) for name in columns]
    whole = [[_one_line(_text(value)) for value in row] for row in rows]
    texts = [[_short(text) for text in row] for row in whole]
    widths = [max(map(cell_len, column)) for column in zip(names, *texts, strict=True)]
    shown = _fitting(widths)
    if shown < len(names) and len(rows) <= _FEW_ROWS:
        _print_records(names, texts)
        return
    right = [_is_number(row[i] for row in rows) for i in range(len(names))]
    lines = [_line(cells[:shown], widths, right) for cells in (names, *texts)]
    output.out.print(Text(lines[0], "dim"), soft_wrap=True)
    output.out.file.write("".join(f"{line}\n" for line in lines[1:]))
    output.out.file.flush()
    _say_what_is_cut(names[shown:], texts != whole)


def _fitting(widths: Sequence[int]) -> int:
    """How many columns the terminal has room for, from the left."""
    if not output.out.file.isatty():
        return len(widths)
    used = 0
    for number, width in enumerate(widths):
        used += width + (len(_GAP) if number else 0)
        if used > output.out.width:
            return max(1, number)
    return len(widths)


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = (
        " " * (width - cell_len(text)) + text if at_right else text + " " * (width - cell_len(text))
        for text, width, at_right in zip(cells, widths, right, strict=False)
    )
    return _GAP.join(padded).rstrip()


def _print_records(names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widest = max(map(cell_len, names))
    for number, row in enumerate(rows):
        if number:
            output.out.print()
        for name, text in zip(names, row, strict=True):
            label = name + " " * (widest - cell_len(name)) + _GAP
            output.out.print(Text.assemble((label, "dim"), text), soft_wrap=True)


def _say_what_is_cut(columns: Sequence[str], values: bool) -> None:
    if columns:
        missing = f"… the terminal is too narrow for {', '.join(columns)}: name the columns, or --format csv"
        output.err.print(Text(missing, "dim"))
    if values:
        output.err.print(Text("… long values are cut; --format csv or json gives them whole", "dim"))


def _is_number(values: Iterable[object]) -> bool:
    found = [value for value in values if value is not None]
    return bool(found) and all(isinstance(v, int | float | Decimal) and not isinstance(v, bool) for v in found)


def _short(text: str) -> str:
    return set_cell_size(text, _LONGEST_CELL - 1) + "…" if cell_len(text) > _LONGEST_CELL else text


def _text(value: object) -> str:
    match value:
        case None:
            return "NULL"
        case bool():
            return str(value).lower()
        case dict() | list() | tuple():
            return json.dumps(value, ensure_ascii=False, default=str)
        case bytes():
            return value.hex()
        case _:
            return str(value)


def _one_line(text: str) -> str:
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def _print_text(relation: duckdb.DuckDBPyRelation, form: str) -> None:
    if form == "parquet" and output.out.file.isatty():
        raise InputError("unknown_format", "Parquet is not for a terminal", "give a file: --output result.parquet")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"result.{form}"
        _beside(lambda: write_result(relation, path, form))  # type: ignore[arg-type]
        with path.open("rb") as result:
            while data := result.read(1 << 20):
                sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
