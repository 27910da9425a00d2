"""The configuration: what it takes, and what it refuses without showing a secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from lacustre.acquire.config import ExportConfig, read_config
from lacustre.errors import SettingsError

WHOLE = """
url = "https://fhir.example.org/r4/"
folder = "exports"
level = "group"
group = "cardiology-1"
types = ["Patient", "Observation"]
type_filters = ["Observation?category=laboratory"]
elements = ["id", "Patient.birthDate"]

[auth]
client_id = "lake"
private_key_file = "keys/lake.pem"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "export.toml"
    path.write_text(text)
    return path


def test_a_whole_configuration_is_read_and_its_paths_start_at_the_file(tmp_path: Path) -> None:
    config = read_config(write(tmp_path, WHOLE))
    assert config.base == "https://fhir.example.org/r4" and config.types == ("Patient", "Observation")
    assert config.folder == tmp_path / "exports"
    assert config.auth is not None and config.auth.private_key_file == tmp_path / "keys/lake.pem"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("url = 3", "url"),
        ('url = "https://a.example"', "folder"),
        ('url = "https://a.example"\nfolder = "x"\ntype = ["Patient"]', "did you mean types"),
        ('url = "https://a.example"\nfolder = "x"\ntypes = ["patient"]', "types.0"),
        ('url = "http://a.example"\nfolder = "x"', "plain http"),
        ('url = "ftp://a.example"\nfolder = "x"', "not an http"),
        ('url = "https://a.example:99999"\nfolder = "x"', "not an http"),
        ('url = "https://a.example"\nfolder = "x"\ntoken_origins = ["b.example"]', "token origin looks like"),
        ('url = "https://a.example?x=1"\nfolder = "x"', "query"),
        ('url = "https://a.example"\nfolder = "x"\nlevel = "group"', "needs group"),
        ('url = "https://a.example"\nfolder = "x"\ngroup = "1"', "goes with level group"),
        ('url = "https://a.example"\nfolder = "x"\nlevel = "group"\ngroup = "../x"', "not a FHIR id"),
        ('url = "https://a.example"\nfolder = "x"\nsince = "2026-01-01"', "since"),
        ('url = "https://a.example"\nfolder = "x"\ntype_filters = ["code=1"]', "type filter"),
        ('url = "https://a.example"\nfolder = "x"\n[auth]\nclient_id = "x"', "private_key_file or private_key_env"),
        ("url = ", "not TOML"),
    ],
)
def test_what_cannot_be_is_said(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_config(write(tmp_path, text))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        'url = "https://a.example"\nfolder = "x"\ntoken = "canary"',
        'url = "https://a.example"\nfolder = "x"\n[auth]\nclient_id = "x"\nclient_secret = "canary"',
        'url = "https://a.example"\nfolder = "x"\n[auth]\nclient_id = "x"\nprivate_key = "canary"',
        'url = "https://user:canary@a.example"\nfolder = "x"',
    ],
)
def test_a_secret_in_the_text_is_refused_and_not_shown(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_config(write(tmp_path, text))
    assert "canary" not in str(caught.value) + repr(caught.value.__context__)


def test_a_configuration_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no_config"):
        read_config(tmp_path / "none.toml")


def test_the_fingerprint_is_of_what_is_asked(tmp_path: Path) -> None:
    first = ExportConfig(url="https://a.example/", folder=tmp_path, types=("Patient", "Observation"))
    same = ExportConfig(url="https://a.example", folder=tmp_path, types=("Observation", "Patient"), parallel=8)
    other = ExportConfig(url="https://a.example", folder=tmp_path, types=("Patient",))
    assert first.fingerprint == same.fingerprint != other.fingerprint
