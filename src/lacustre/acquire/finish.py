"""The end of an export: its files under their names, a manifest that a load takes, and the next `_since`.

Everything is written down in `.running/_finish.json` before anything moves; from there on each step can be done
again, so a crash between two of them is mended by the next run.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from lacustre.acquire.checkpoint import RUNNING, Checkpoint, Finished, PlannedFile, write_whole
from lacustre.acquire.config import ExportConfig
from lacustre.acquire.contents import count_deletes, count_severities
from lacustre.acquire.manifest import KINDS, Kind, instant_of
from lacustre.errors import SettingsError
from lacustre.store.objects import failures, storage_error

_STATE, _FINISH = "_state.json", "_finish.json"
_TYPE = re.compile(r"[A-Za-z]{1,64}")


@dataclass(frozen=True, slots=True)
class ExportResult:
    """What an export brought: a folder that `lacustre load` takes.

    `files` and `bytes` (unpacked) count everything, `resumed` the files that an earlier, interrupted run had
    brought. `lines` are resources by type, `deleted` DELETE entries, `outcomes` issues of the error files by
    severity. `problems` say why the export is not complete; `since_moved` whether the next one starts at its
    `transaction_time`. `since` is what this one asked for.
    """

    folder: Path
    transaction_time: str
    since: str | None
    files: int
    bytes: int
    resumed: int
    lines: dict[str, int]
    deleted: int
    outcomes: dict[str, int]
    problems: tuple[str, ...]
    since_moved: bool


@dataclass(frozen=True, slots=True)
class _Move:
    source: str
    target: str


def last_transaction_time(config: ExportConfig) -> str | None:
    """The transactionTime of the last complete export of the same request, or None.

    Raises SettingsError where the state cannot be read: to start again from nothing is the operator's choice.
    """
    path = config.folder / _STATE
    try:
        state = orjson.loads(path.read_bytes())
        same = state["fingerprint"] == config.fingerprint
        return str(state["transactionTime"]) if same else None
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        raise SettingsError("bad_state", f"{path} cannot be read", "restore it, or set since; then remove it") from None


def finish(config: ExportConfig, checkpoint: Checkpoint, resumed: int) -> ExportResult:
    """Make the export's folder of everything that the checkpoint has."""
    try:
        plan = _plan(config, checkpoint, resumed)
        write_whole(checkpoint.folder / _FINISH, orjson.dumps(plan, option=orjson.OPT_INDENT_2))
        return _settle(config.folder, plan)
    except failures() as error:
        raise storage_error("write", str(config.folder), error) from error


def settle(config: ExportConfig) -> ExportResult | None:
    """End an export that a crash left between its last download and its folder; None where there is none.

    One of another request is ended too, as it is whole, and is not what was asked for: None.
    """
    path = config.folder / RUNNING / _FINISH
    try:
        if not path.exists():
            return None
        plan = orjson.loads(path.read_bytes())
        result = _settle(config.folder, plan)
    except failures() as error:
        raise storage_error("write", str(config.folder), error) from error
    return result if plan["fingerprint"] == config.fingerprint else None


def _plan(config: ExportConfig, checkpoint: Checkpoint, resumed: int) -> dict[str, Any]:
    files = checkpoint.files()
    named = list(_named(files))
    first = checkpoint.run.jobs[0]
    transaction_time = str(first.transaction_time)
    result = _result(config, checkpoint, transaction_time, resumed)
    entries = [(file[0].kind, _entry(*file, move)) for file, move in zip(files, named, strict=True)]
    return {
        "folder": _free_name(config.folder, transaction_time),
        "moves": [asdict(move) for move in named],
        "manifest": {
            "transactionTime": transaction_time,
            "request": first.request,
            "requiresAccessToken": False,
            **{kind: [entry for of, entry in entries if of == kind] for kind in KINDS},
        },
        "fingerprint": config.fingerprint,
        "result": result,
    }


def _result(config: ExportConfig, checkpoint: Checkpoint, transaction_time: str, resumed: int) -> dict[str, Any]:
    files = checkpoint.files()
    lines, severities, deleted = Counter[str](), Counter[str](), 0
    for planned, finished in files:
        path = checkpoint.complete(finished.key)
        if planned.kind == "output":
            lines[_type_of(planned, finished)] += finished.lines
        elif planned.kind == "deleted":
            deleted += count_deletes(path)
        else:
            severities += count_severities(path)
    problems = [*checkpoint.run.problems, *(finished.problem for _, finished in files if finished.problem)]
    if serious := severities["error"] + severities["fatal"] + severities["unknown"]:
        problems.append(f"the server reports {serious} errors, see error/")
    return {
        "transaction_time": transaction_time,
        "since": checkpoint.run.since,
        "files": len(files),
        "bytes": sum(finished.size for _, finished in files),
        "resumed": resumed,
        "lines": dict(sorted(lines.items())),
        "deleted": deleted,
        "outcomes": dict(sorted(severities.items())),
        "problems": problems,
        "since_moved": not problems or config.accept_incomplete,
    }


def _settle(base: Path, plan: dict[str, Any]) -> ExportResult:
    running, target, result = base / RUNNING, base / plan["folder"], plan["result"]
    # the manifest comes first: who loads the folder now is told what is missing
    write_whole(running / "manifest.json", orjson.dumps(plan["manifest"], option=orjson.OPT_INDENT_2))
    for move in plan["moves"]:
        _move(running / move["source"], running / move["target"])
    if result["since_moved"]:
        state = {
            "transactionTime": result["transaction_time"],
            "fingerprint": plan["fingerprint"],
            "folder": target.name,
        }
        write_whole(base / _STATE, orjson.dumps(state, option=orjson.OPT_INDENT_2))
    kept = {"manifest.json", _FINISH, *(move["target"] for move in plan["moves"])}
    for left in running.iterdir():
        if left.is_file() and left.name not in kept:
            left.unlink()
    # its own file goes last: without it the folder is an export like any other
    running.replace(target)
    (target / _FINISH).unlink(missing_ok=True)
    return ExportResult(folder=target, **{**result, "problems": tuple(result["problems"])})


def _move(source: Path, target: Path) -> None:
    """Done already where the source is not there any more."""
    target.parent.mkdir(exist_ok=True)
    if source.exists():
        source.replace(target)


def _named(files: Sequence[tuple[PlannedFile, Finished]]) -> Iterable[_Move]:
    """Names that owe nothing to the server's: `Patient.0001.ndjson`, `deleted/Bundle.0001.ndjson`."""
    numbers = Counter[tuple[Kind, str]]()
    for planned, finished in files:
        name = _type_of(planned, finished)
        numbers[planned.kind, name] += 1
        folder = "" if planned.kind == "output" else f"{planned.kind}/"
        yield _Move(f"{finished.key}.complete", f"{folder}{name}.{numbers[planned.kind, name]:04}.ndjson")


def _type_of(planned: PlannedFile, finished: Finished) -> str:
    """The type of a file that the server does not name is its first line's; files by patient hold several."""
    fallback = {"output": "resources", "deleted": "Bundle", "error": "OperationOutcome"}[planned.kind]
    found = planned.resource_type or (None if planned.kind == "output" else finished.resource_type)
    return found if found is not None and _TYPE.fullmatch(found) else fallback


def _entry(planned: PlannedFile, finished: Finished, move: _Move) -> dict[str, Any]:
    """The server's count is kept where there is one: the load compares with it."""
    count = finished.lines if planned.count is None else planned.count
    name = planned.resource_type or (None if planned.kind == "output" else finished.resource_type)
    return ({"type": name} if name else {}) | {"url": move.target, "count": count}


def _free_name(base: Path, transaction_time: str) -> str:
    """The instant in UTC, as a folder's name; numbered where a server gives the same one twice."""
    instant = instant_of(transaction_time)
    name = instant.strftime("%Y-%m-%dT%H%M%S") + (f".{instant.microsecond:06}" if instant.microsecond else "") + "Z"
    taken = {path.name for path in base.iterdir()}
    names = (name, *(f"{name}-{number}" for number in range(2, len(taken) + 3)))
    return next(free for free in names if free not in taken)
