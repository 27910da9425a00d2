"""Files that are not what they should be: loaded or refused by the real command, every line accounted for."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lacustre import Lake
from support.lake_content import exported, listed_rejects
from support.lossless import by_key
from support.measured import Run, commands, run_lacustre
from support.workshop import Workshop

__all__ = ["commands"]  # a fixture

pytestmark = pytest.mark.faults("malformed NDJSON")

MEMORY_BYTES = 512 << 20
EVERY_LINE_MAY_BE_BAD = ("--max-rejects", "1")
FATES = ("inserted", "updated", "unchanged", "superseded", "rejected")
MIB = 1 << 20

Write = Callable[[Path], None]


def patient(identifier: str, *members: str) -> bytes:
    text = ",".join(['"resourceType":"Patient"', f'"id":"{identifier}"', *members])
    return f"{{{text}}}".encode()


FIRST, LAST = patient("first", '"gender":"male"'), patient("last", '"gender":"female"')


@dataclass(frozen=True, slots=True)
class Case:
    """What is written into a folder, and what loading that folder has to give.

    `accepted` are the lines that come back, `rejected` file, line and reason; `superseded` lines are read, but a
    newer version stays. With `error` the load fails by that code, with `status`, and the lake stays as it was.
    """

    write: Write
    accepted: tuple[bytes, ...] = ()
    rejected: tuple[tuple[str, int, str], ...] = ()
    superseded: int = 0
    options: tuple[str, ...] = EVERY_LINE_MAY_BE_BAD
    status: int = 0
    error: str = ""


def one_file(data: bytes, name: str = "in.ndjson") -> Write:
    def write(folder: Path) -> None:
        (folder / name).write_bytes(data)

    return write


def streamed(parts: Callable[[], Iterable[bytes]], name: str = "in.ndjson") -> Write:
    """A file too large to be held."""

    def write(folder: Path) -> None:
        path = folder / name
        with gzip.open(path, "wb", compresslevel=1) if name.endswith(".gz") else path.open("wb") as target:
            for part in parts():
                target.write(part)

    return write


def sparse(head: bytes, size: int, tail: bytes) -> Write:
    """A file with a hole that no disk has to hold."""

    def write(folder: Path) -> None:
        with (folder / "in.ndjson").open("wb") as target:
            target.write(head)
            target.truncate(size)
            target.seek(size)
            target.write(tail)

    return write


def among_good(*odd: tuple[bytes, str]) -> Case:
    """Lines between two good ones, each with the reason of its reject, or none where it is taken."""
    lines = [(FIRST, ""), *odd, (LAST, "")]
    return Case(
        one_file(b"".join(line + b"\n" for line, _ in lines)),
        tuple(line for line, reason in lines if not reason),
        tuple(("in.ndjson", number, reason) for number, (_, reason) in enumerate(lines, 1) if reason),
    )


def taken(*lines: bytes) -> Case:
    return among_good(*((line, "") for line in lines))


def refused(reason: str, *lines: bytes) -> Case:
    return among_good(*((line, reason) for line in lines))


def not_text(data: bytes, name: str = "in.ndjson") -> Case:
    """A file of which no line is JSON."""
    rejected = [
        (name, number, "not_json" if _is_utf8(line) else "not_utf8")
        for number, line in enumerate(data.split(b"\n"), 1)
        if line.strip()
    ]
    return Case(one_file(data, name), rejected=tuple(rejected))


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def fails(write: Write, error: str, status: int = 2) -> Case:
    return Case(write, options=(), status=status, error=error)


def both(*lines: bytes) -> bytes:
    return b"".join(line + b"\n" for line in (FIRST, *lines, LAST))


def nested(depth: int) -> bytes:
    return patient("deep", '"zz":' + "[" * depth + "]" * depth)


def repeated(part: bytes, count: int, head: bytes = b"", tail: bytes = b"") -> Callable[[], Iterator[bytes]]:
    """`count` MiB of a part that is repeated, a MiB at a time."""
    piece = part * (MIB // len(part))

    def parts() -> Iterator[bytes]:
        yield head
        for _ in range(count):
            yield piece
        yield tail

    return parts


def as_bytes(parts: Callable[[], Iterator[bytes]]) -> bytes:
    return b"".join(parts())


def long_bad_lines() -> Iterator[bytes]:
    yield FIRST + b"\n"
    for _ in range(8):
        yield from repeated(b"x", 60, b"", b"\n")()


HTML = b"<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head>\n<body>\n<h1>502</h1>\n</body></html>\n"
EXPIRED = b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>'
OUTCOME = b'{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"exception"}]}'
EXTENSIONS = ",".join(f'{{"url":"http://example.org/{number}","valueDecimal":{number}.50}}' for number in range(10_000))
WIDE = ",".join(
    f'{{"url":"u","value{kind}":"1"}}' for kind in ("String", "Code", "Uri", "Date", "Id", "Oid", "Markdown")
)
NUMBERS, TEXTS = ",".join(["1.50"] * 100_000), ",".join(f'"{number}"' for number in range(100_000))
MEMBERS = ",".join(f'"member{number}":{number}' for number in range(20_000))
OLD = '"meta":{"lastUpdated":"1066-10-14"},"active":false'
NEW = '"meta":{"lastUpdated":"2026-01-01T00:00:00Z"},"active":true'

# readers of NDJSON differ in what they make of these
READERS_DIFFER = {
    "one bad line": refused("not_json", b"oops"),
    "a member twice": refused("duplicate_keys", patient("x", '"gender":"male","gender":"female"')),
    "a member twice, deep": refused("duplicate_keys", patient("x", '"name":[{"family":"a","family":"b"}]')),
    "a member twice, once escaped": refused("duplicate_keys", patient("x", '"\\u0067ender":"male","gender":"female"')),
    "the id twice": refused("duplicate_keys", patient("x", '"id":"y"')),
    "half of a surrogate pair": refused("not_unicode", patient("x", '"gender":"\\ud800"')),
    "the other half": refused("not_unicode", patient("x", '"zz":"\\udc00"')),
    "the halves the wrong way round": refused("not_unicode", patient("x", '"name":[{"family":"\\ude00\\ud83d"}]')),
    "a whole pair": taken(patient("x", '"gender":"\\ud83d\\ude00"')),
    "not a number": refused("not_json", patient("x", '"multipleBirthInteger":NaN')),
    "infinity": refused("not_json", patient("x", '"zz":Infinity'), patient("y", '"zz":-Infinity')),
    "1e400": taken(patient("x", '"extension":[{"url":"u","valueDecimal":1e400},{"url":"u","valueDecimal":1e-400}]')),
    "a comma too many in an object": refused("not_json", patient("x", '"gender":"male",')[:-1] + b"}"),
    "a comma too many in a list": refused("not_json", patient("x", '"name":[{"family":"a"},]')),
    "a byte order mark": Case(one_file(b"\xef\xbb\xbf" + both()), (FIRST, LAST)),
    "a byte order mark in the middle": refused("not_json", b"\xef\xbb\xbf" + patient("x")),
    "null for a line": refused("not_an_object", b"null"),
    "a scalar for a line": refused("not_an_object", b"12", b'"text"', b"true"),
    "30 digits": taken(patient("x", '"zz":123456789012345678901234567890', '"multipleBirthInteger":123456789012345678901234567890')),
    "5,000 digits": taken(patient("x", f'"extension":[{{"url":"u","valueDecimal":{"7" * 5000}}}]')),
    "0.10": taken(patient("x", '"extension":[{"url":"u","valueDecimal":0.10},{"url":"v","valueDecimal":1.00000000000000000001}]')),
    "minus zero": taken(patient("x", '"multipleBirthInteger":-0', '"extension":[{"url":"u","valueDecimal":-0.0}]')),
    "leading zeros and plus signs": refused("not_json", patient("x", '"zz":007'), patient("y", '"zz":+1'), patient("z", '"zz":.5')),
    "nanoseconds and offsets": taken(patient("x", '"meta":{"lastUpdated":"2024-02-29T23:59:60.123456789+02:00"}')),
    "nested 64 deep": taken(nested(63)),
    "nested 65 deep": refused("too_deep", nested(64)),
    "nested 1,000 deep": refused("too_deep", nested(1_000)),
    "nested 100,000 deep": refused("too_deep", nested(100_000), b"[" * 100_000),
    "two objects on a line": refused("not_json", patient("x") + patient("y"), patient("z") + b" " + patient("u")),
    "an object on several lines": not_text(json.dumps(json.loads(FIRST), indent=1).replace("{", "{ ").encode()),
    "a line of 20 MB": taken(patient("x", f'"gender":"{"x" * 20_000_000}"')),
    "an empty file": Case(one_file(b"")),
    "blank lines": Case(one_file(b"\n \t\n\r\n" + FIRST + b"\r\n\r\n"), (FIRST,)),
    "a gzip cut short": fails(one_file(gzip.compress(both())[:-12], "in.ndjson.gz"), "damaged_gzip"),
    "a gzip with a wrong checksum": fails(one_file(gzip.compress(both())[:-8] + bytes(8), "in.ndjson.gz"), "damaged_gzip"),
    "a last line cut short": Case(one_file(both() + patient("x")[:-9]), (FIRST, LAST), (("in.ndjson", 3, "not_json"),)),
    "no line feed at the end": Case(one_file(both()[:-1]), (FIRST, LAST)),
}  # fmt: skip

# what servers, proxies and people put into files
FROM_OUTSIDE = {
    "an unknown resource type": refused("unknown_resource_type", b'{"resourceType":"Patiant","id":"x"}', b'{"resourceType":"patient","id":"x"}'),
    "a resource type that is no text": refused("no_resource_type", b'{"resourceType":["Patient"],"id":"x"}', b'{"resourceType":null,"id":"x"}', b"{}"),
    "a line of 1 GiB": Case(sparse(FIRST + b"\n" + patient("x", '"zz":"')[:-1], 1 << 30, b'"}\n' + LAST + b"\n"), (FIRST, LAST), (("in.ndjson", 2, "oversized"),)),
    "mixed types": taken(b'{"resourceType":"Observation","id":"o","status":"final"}', patient("x"), b'{"id":"e","resourceType":"Encounter"}', b'{"resourceType":"Patient","id":"y"}'),
    "a missing id": refused("no_id", b'{"resourceType":"Patient"}', patient(""), patient("a b"), b'{"resourceType":"Patient","id":7}', patient("a/b"), patient("x" * 129)),
    "60 MiB of small values": Case(streamed(repeated(b"[],1,", 60, patient("x", '"zz":[')[:-1], b"0]}\n" + LAST)), (LAST,), (("in.ndjson", 1, "oversized"),)),
    "bad lines of 60 MiB": Case(streamed(long_bad_lines), (FIRST,), tuple(("in.ndjson", number, "not_json") for number in range(2, 10))),
    "the same resource twice": Case(one_file(both(patient("x", '"active":true'), patient("x", '"active":true'))), (FIRST, patient("x", '"active":true'), LAST), superseded=1),
    "an id twice": Case(one_file(both(patient("x", '"active":true'), patient("x", '"active":false'))), (FIRST, patient("x", '"active":false'), LAST), superseded=1),
    "an old version after a new one": Case(one_file(both(patient("x", NEW), patient("x", OLD))), (FIRST, patient("x", NEW), LAST), superseded=1),
    "a list of 100,000": taken(patient("x", f'"name":[{{"given":[{NUMBERS}]}}]'), patient("y", f'"name":[{{"given":[{TEXTS}]}}]')),
    "10,000 extensions": taken(patient("z", MEMBERS), patient("u", f'"name":[{{{MEMBERS}}}]'), patient("x", f'"extension":[{EXTENSIONS}]'), patient("y", f'"_birthDate":{{"extension":[{EXTENSIONS},{WIDE}]}}')),
    "control characters": refused("not_json", *(patient("x", f'"gender":"a{chr(code)}b"') for code in (0, 1, 8, 9, 11, 12, 13, 27, 31))),
    "overlong and broken UTF-8": refused("not_utf8", *(patient("x", '"gender":"@"').replace(b"@", text) for text in (b"\xc0\xaf", b"\xe0\x80\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xe9", b"\x80", b"\xc3"))),
    "UTF-16": not_text(both().decode().encode("utf-16")),
    "carriage returns only": Case(one_file(both().replace(b"\n", b"\r")), (), (("in.ndjson", 1, "not_json"),)),
    "a bomb of zeros": Case(streamed(repeated(bytes(1024), 512, FIRST + b"\n", b"\n" + LAST), "in.ndjson.gz"), (FIRST, LAST), (("in.ndjson.gz", 2, "oversized"),)),
    "a bomb of blank lines": Case(streamed(repeated(b"\n", 64, FIRST, LAST), "in.ndjson.gz"), (FIRST, LAST)),
    "a bomb of bad lines": fails(streamed(repeated(b"x\n", 64, FIRST + b"\n"), "in.ndjson.gz"), "too_many_rejects", 4),
    "the wrong ending": not_text(gzip.compress(both(), mtime=0)),
    "the wrong ending, the other way": fails(one_file(both(), "in.ndjson.gz"), "damaged_gzip"),
    "pages of errors": fails(one_file(HTML + EXPIRED), "too_many_rejects", 4),
    "a list of resources, and nulls": among_good((b"[" + patient("x") + b"]", "not_an_object"), (OUTCOME, "no_id"), (patient("x", '"name":[null,{"given":[null]}]', '"gender":null', '"meta":null'), "")),
}  # fmt: skip

CASES = READERS_DIFFER | FROM_OUTSIDE


@pytest.mark.parametrize("name", CASES)
def test_a_file_that_is_not_what_it_should_be(name: str, commands: Workshop, tmp_path: Path) -> None:
    case, source, place = CASES[name], tmp_path / "in", tmp_path / "lake"
    source.mkdir()
    case.write(source)
    run = run_lacustre(commands, place, "load", source, *case.options)
    assert run.is_typed, (run.status, run.err)
    assert run.peak_bytes < MEMORY_BYTES, f"{run.peak_bytes / MIB:.0f} MiB"
    lake = Lake.open(place)
    if case.error:
        assert (run.status, case.error in run.err, lake.tables()) == (case.status, True, []), run.err
        return
    assert exported(lake) == by_key(case.accepted)
    assert (listed_rejects(lake) if case.rejected else []) == [*case.rejected]
    assert _totals(run) == {
        "read": len(case.accepted) + case.superseded + len(case.rejected),
        **dict.fromkeys(FATES, 0),
        "inserted": len(case.accepted),
        "superseded": case.superseded,
        "rejected": len(case.rejected),
    }


def _totals(run: Run) -> dict[str, int]:
    """The lines of all types by fate; fails where those of a type do not add up."""
    counts = run.counts()
    counts.pop("total", None)
    assert all(row["read"] == sum(row[fate] for fate in FATES) for row in counts.values())
    return {name: sum(row[name] for row in counts.values()) for name in ("read", *FATES)}
