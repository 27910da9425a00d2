"""`lacustre export-from` as its users see it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from lacustre.cli.acquire import export_from
from lacustre.errors import SettingsError
from support.bulk_server import CLIENT, Fault, status
from support.bulk_site import Site, bulk_site

RUNNER = CliRunner()
APP = typer.Typer()
APP.command()(export_from)


def write_config(site: Site, folder: Path) -> Path:
    assert site.auth is not None
    path = folder / "export.toml"
    path.write_text(
        f'url = "{site.server.url}"\nfolder = "exports"\npoll_seconds = 0.01\n\n'
        f'[auth]\nclient_id = "{CLIENT}"\nprivate_key_file = "{site.auth.private_key_file}"\n'
    )
    return path


def test_an_export_says_what_it_brought_and_how_to_load_it(tmp_path: Path) -> None:
    with bulk_site(tmp_path, pending=1) as site:
        done = RUNNER.invoke(APP, [str(write_config(site, tmp_path))], catch_exceptions=False)
        folder = next(path for path in site.folder.iterdir() if path.is_dir() and path.name.startswith("20"))
        assert done.exit_code == 0 and "Observation" in done.stdout and "2 files" in done.stdout
        assert f"lacustre load {folder}" in done.stdout


def test_what_is_not_complete_is_said(tmp_path: Path) -> None:
    with bulk_site(tmp_path) as site:
        site.server.errors = [b'{"resourceType": "OperationOutcome", "issue": [{"severity": "error"}]}']
        done = RUNNER.invoke(APP, [str(write_config(site, tmp_path))], catch_exceptions=False)
        assert done.exit_code == 0
        assert "the server reports 1 errors" in done.stderr and "accept_incomplete" in done.stderr


def test_the_public_key_is_printed_for_registration(tmp_path: Path) -> None:
    with bulk_site(tmp_path) as site:
        config = write_config(site, tmp_path)
        done = RUNNER.invoke(APP, [str(config), "--jwks"], catch_exceptions=False)
        (key,) = json.loads(done.stdout)["keys"]
        assert key["alg"] == "ES384" and "d" not in key and site.server.seen == []
        config.write_text(config.read_text().split("[auth]")[0])
        with pytest.raises(SettingsError, match="no_auth"):
            RUNNER.invoke(APP, [str(config), "--jwks"], catch_exceptions=False)


def test_an_interrupted_export_is_abandoned(tmp_path: Path) -> None:
    with bulk_site(tmp_path) as site:
        site.server.faults = [Fault("files/1/Obs", status(403))]
        config = write_config(site, tmp_path)
        assert RUNNER.invoke(APP, [str(config)]).exit_code != 0
        said = [RUNNER.invoke(APP, [str(config), "--abandon"], catch_exceptions=False).stdout for _ in range(2)]
        assert said == ["the interrupted export is given up\n", "no export to give up\n"]
