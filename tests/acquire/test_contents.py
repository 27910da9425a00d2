"""Downloaded bytes: whole or not, NDJSON or not."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from lacustre.acquire.contents import Contents, count_deletes, count_severities, read_contents, unpack

PATIENT = b'{"resourceType": "Patient", "id": "1"}'


@pytest.mark.parametrize(
    ("data", "contents"),
    [
        (b"", Contents(0, None, False)),
        (b"\n \r\n", Contents(0, None, False)),
        (PATIENT, Contents(1, "Patient", False)),
        (PATIENT + b"\r\n\n" + PATIENT + b"\n", Contents(2, "Patient", False)),
        (PATIENT + b"\n" + PATIENT[:-5], Contents(2, "Patient", True)),
        (PATIENT + b"\n  ", Contents(1, "Patient", False)),
        (b"{broken\n" + PATIENT + b"\n", Contents(2, "Patient", False)),
        (b"<html>\n</html>\n", Contents(2, None, False)),
        (b"\xef\xbb\xbf" + PATIENT, Contents(1, "Patient", False)),
        (b"[1]\n3\nnull\n", Contents(3, None, False)),
    ],
)
def test_what_a_file_holds(tmp_path: Path, data: bytes, contents: Contents) -> None:
    path = tmp_path / "x"
    path.write_bytes(data)
    assert read_contents(path) == contents


@pytest.mark.parametrize(
    ("packed", "whole"),
    [
        (gzip.compress(PATIENT), True),
        (gzip.compress(gzip.compress(PATIENT)), True),
        (gzip.compress(PATIENT[:9]) + gzip.compress(PATIENT[9:]), True),
        (gzip.compress(PATIENT)[:-1], False),
        (gzip.compress(PATIENT)[:-8] + bytes(8), False),
        (gzip.compress(PATIENT) + b"<html>", False),
        (gzip.compress(gzip.compress(PATIENT)[:-4]), False),
    ],
)
def test_a_packed_file_is_whole_or_is_not(tmp_path: Path, packed: bytes, whole: bool) -> None:
    (tmp_path / "packed").write_bytes(packed)
    assert unpack(tmp_path / "packed", tmp_path / "plain") is whole
    assert not whole or (tmp_path / "plain").read_bytes() == PATIENT


def test_deletions_and_severities_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(
        b'{"resourceType": "Bundle", "entry": [{"request": {"method": "DELETE"}}, {"request": {"method": "PUT"}}, 3]}\n'
        b'{"resourceType": "OperationOutcome", "issue": [{"severity": "error"}, {"severity": "warning"}, {}]}\nx\n'
    )
    assert count_deletes(path) == 1
    assert count_severities(path) == {"error": 1, "warning": 1, "unknown": 1}
