"""The benchmark's table and its JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import groupby

from benchmarks.measure import Figure


def render(machine: Mapping[str, str], figures: Sequence[Figure]) -> str:
    lines = [f"{name:<9} {text}" for name, text in machine.items()]
    width = max(len(figure.name) for figure in figures)
    for section, members in groupby(figures, key=lambda figure: figure.section):
        lines += ["", section]
        lines += [f"  {_line(figure, width)}" for figure in members]
    short = [figure for figure in figures if figure.verdict == "SHORT"]
    reached = sum(figure.verdict == "ok" for figure in figures)
    lines += ["", f"{reached} targets reached, {len(short)} short" + "".join(f"\n  short: {f.name}" for f in short)]
    return "\n".join(lines)


def _line(figure: Figure, width: int) -> str:
    value = f"{figure.value:.2f} {figure.unit}".strip()
    target = "" if figure.target is None else f"{figure.direction} {figure.target:g}"
    return f"{figure.name:<{width}}  {value:>9}  {target:<13} {figure.verdict:<5}  {figure.detail}".rstrip()


def to_json(machine: Mapping[str, str], figures: Sequence[Figure]) -> str:
    listed = [asdict(figure) | {"verdict": figure.verdict} for figure in figures]
    return json.dumps({"machine": dict(machine), "figures": listed}, indent=1)
