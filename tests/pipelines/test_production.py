"""The example in deploy/production, as it stands: real Postgres, S3, nginx and Dagster, started by its own units."""

from __future__ import annotations

import base64
import os
import re
import shlex
import shutil
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from string import Template
from typing import Any

import psycopg2
import pytest

from lacustre import Lake
from lacustre.sample import generate_sample
from support.bulk_server import Behaviour, read_folder, serving
from support.dagster_site import make_project, make_state
from support.ports import free_port
from support.processes import ADD_PARTITION, LAUNCH, ask, launch, post, runs, started, wait_until
from support.s3 import Bucket, s3_bucket
from support.shared import REPOSITORY
from support.system_programs import postgres, program

pytestmark = [pytest.mark.s3, pytest.mark.xdist_group("s3")]

PRODUCTION = REPOSITORY / "deploy" / "production"
UNITS = ("lacustre-code", "lacustre-daemon", "lacustre-operators", "lacustre-viewers")
PATIENTS = 10
VIEWER = {"Authorization": "Basic " + base64.b64encode(b"viewer:password").decode()}
START_SENSOR = """
mutation { startSensor(sensorSelector: {
    repositoryLocationName: "lacustre", repositoryName: "__repository__", sensorName: "new_exports"
}) { __typename } }
"""


class Production:
    """What runs, and where: `operators` on loopback, `viewers` behind nginx with TLS and a password."""

    def __init__(self, folder: Path, bucket: Bucket, database: str) -> None:
        self.folder, self.bucket, self.database = folder, bucket, database
        self.proxy_port = free_port()
        self.environment = {**os.environ, **self._settings()}

    def _settings(self) -> dict[str, str]:
        """The variables of environment.example, each with the place that it has here."""
        text = (PRODUCTION / "environment.example").read_text()
        named = dict(re.findall(r"^([A-Z0-9_]+)=(.*)$", text, re.M))
        here = {
            "DAGSTER_HOME": str(self.folder / "home"),
            "DAGSTER_PG_URL": self.database.replace("postgresql:", "postgresql+psycopg2:"),
            "LACUSTRE_STATE": str(self.folder / "state"),
            "LACUSTRE_LAKE": self.bucket.uri("lake"),
            "LACUSTRE_EXPORTS": self.bucket.uri("arrivals/{tenant}"),
            "LACUSTRE_BULK_EXPORTS": str(self.folder / "bulk_exports"),
            "LACUSTRE_DATA_DOCS": self.bucket.uri("data_docs"),
            **{name: str(free_port()) for name in named if name.endswith("_PORT")},
            **self.bucket.settings,
        }
        assert here.keys() <= named.keys()
        return named | here

    @property
    def operators(self) -> str:
        return f"http://127.0.0.1:{self.environment['LACUSTRE_OPERATORS_PORT']}"

    @property
    def viewers(self) -> str:
        return f"https://localhost:{self.proxy_port}"

    def command(self, unit: str) -> list[str]:
        """What the unit starts, with systemd's variables replaced and this environment's programs."""
        text = (PRODUCTION / "systemd" / f"{unit}.service").read_text()
        (line,) = re.findall(r"^ExecStart=/opt/lacustre/.venv/bin/(.*)$", text, re.M)
        name, *arguments = shlex.split(Template(line).substitute(self.environment))
        return [str(Path(sys.executable).with_name(name)), *arguments]

    def lake(self, tenant: str) -> Lake:
        return Lake.open(self.bucket.uri("lake"), tenant=tenant, storage_options=self.bucket.settings)

    def through_proxy(self, query: str, headers: dict[str, str], **variables: Any) -> dict[str, Any]:
        return post(self.viewers, query, headers, **variables)


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    folder = tmp_path_factory.mktemp("production")
    with ExitStack() as stack:
        database, bucket = stack.enter_context(postgres()), stack.enter_context(s3_bucket())
        made = Production(folder, bucket, database)
        lay_out(made)
        servers = [stack.enter_context(started(unit, made.command(unit), folder, made.environment)) for unit in UNITS]
        stack.enter_context(started("nginx", nginx(made), folder, os.environ))
        trust(made, stack)
        wait_until("the operators' pages", lambda: assets(made.operators), *servers)
        wait_until("the viewers' pages", lambda: assets(made.viewers, VIEWER), *servers)
        yield made


def assets(address: str, headers: dict[str, str] | None = None) -> Any:
    try:
        return post(address, "{ assetNodes { id } }", headers)["data"]["assetNodes"]
    except urllib.error.HTTPError:  # nginx, while what is behind it starts
        return None


def lay_out(made: Production) -> None:
    """What the how-to says to put where."""
    make_project(made.folder)
    shutil.copytree(PRODUCTION, made.folder / "deploy" / "production")
    (made.folder / "state").mkdir()
    home = Path(made.environment["DAGSTER_HOME"])
    home.mkdir()
    shutil.copy(PRODUCTION / "dagster.yaml", home)
    make_state(made.folder, made.environment)


def nginx(made: Production) -> list[str]:
    """nginx with the example's server, in one process and with all of its files in a folder of the test."""
    folder = made.folder / "nginx"
    folder.mkdir()
    text = (PRODUCTION / "nginx.conf").read_text()
    replaced = {
        "127.0.0.1:3001": f"127.0.0.1:{made.environment['LACUSTRE_VIEWERS_PORT']}",
        "listen 443 ssl": f"listen 127.0.0.1:{made.proxy_port} ssl",
        "/etc/lacustre": str(folder),
    }
    for old, new in replaced.items():
        assert old in text
        text = text.replace(old, new)
    (folder / "lacustre.conf").write_text(text)
    (folder / "viewers").write_text("viewer:{PLAIN}password\n")
    (folder / "tls").mkdir()
    request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    files = ["-keyout", f"{folder}/tls/key.pem", "-out", f"{folder}/tls/certificate.pem"]
    command = [program("openssl"), *request.split(), "-addext", "subjectAltName=DNS:localhost", *files]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log; events {{}}\n"
        f"http {{ access_log off; {temporary} include {folder}/lacustre.conf; }}\n"
    )
    return [program("nginx"), "-p", str(folder), "-c", f"{folder}/nginx.conf", "-e", f"{folder}/error.log"]


def trust(made: Production, stack: ExitStack) -> None:
    """Have urllib trust the certificate made for this test, and no other."""
    context = ssl.create_default_context(cafile=f"{made.folder}/nginx/tls/certificate.pem")
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context))
    urllib.request.install_opener(opener)
    stack.callback(urllib.request.install_opener, None)


def test_operators_load_two_establishments_at_a_time(production: Production) -> None:
    export = generate_sample(production.folder / "sample", patients=PATIENTS)
    production.bucket.filesystem().put(
        f"{export.folder}/", f"{production.bucket.uri('arrivals/chu-a')}/", recursive=True
    )
    behaviour = Behaviour(pending=1, retry_after="1")
    with serving(read_folder(export.folder), behaviour=behaviour) as server:
        config = production.folder / "bulk_exports" / "chu-b.toml"
        config.parent.mkdir()
        config.write_text(f'url = "{server.url}"\nfolder = "../exported/chu-b"\n')
        for tenant in ("chu-a", "chu-b"):
            ask(production.operators, ADD_PARTITION, partition=tenant)
        started_runs = [
            launch(production.operators, "build_lake", "chu-a"),
            launch(production.operators, "export_and_build", "chu-b"),
        ]
        wait_until("the end of both runs", lambda: ended(production, started_runs), seconds=240)
    for tenant in ("chu-a", "chu-b"):
        assert production.lake(tenant).sql("SELECT count(*) FROM patient").fetchall() == [(PATIENTS,)]


def ended(production: Production, ids: list[str]) -> bool:
    found = runs(production.operators)
    assert "FAILURE" not in found.values()
    return {found[run] for run in ids} == {"SUCCESS"}


def test_the_history_is_in_postgres(production: Production) -> None:
    ask(production.operators, ADD_PARTITION, partition="chu-c")
    with psycopg2.connect(production.database) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT partition FROM dynamic_partitions WHERE partition = 'chu-c'")
        assert cursor.fetchall() == [("chu-c",)]


def test_viewers_see_the_assets_after_they_said_who_they_are(production: Production) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        production.through_proxy("{ version }", {})
    assert refused.value.code == 401
    found = production.through_proxy("{ assetNodes { assetKey { path } } }", VIEWER)["data"]["assetNodes"]
    assert ["views", "patient"] in [node["assetKey"]["path"] for node in found]


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        (LAUNCH, {"job": "build_lake", "partition": "chu-a", "config": {}}),
        (ADD_PARTITION, {"partition": "intruder"}),
        (START_SENSOR, {}),
        ("mutation { reloadWorkspace { __typename } }", {}),
    ],
    ids=["launch a run", "add a partition", "start a sensor", "reload the code"],
)
def test_viewers_change_nothing(production: Production, query: str, variables: dict[str, Any]) -> None:
    before = runs(production.operators)
    (found,) = production.through_proxy(query, VIEWER, **variables)["data"].values()
    assert found["__typename"] == "UnauthorizedError"
    assert runs(production.operators) == before


def test_another_site_cannot_ask_in_a_viewers_name(production: Production) -> None:
    own = {**VIEWER, "Origin": production.viewers}
    assert production.through_proxy("{ version }", own)["data"]["version"]
    for origin in ("https://elsewhere.example", "null", production.viewers.replace("https", "http")):
        with pytest.raises(urllib.error.HTTPError) as refused:
            production.through_proxy("{ version }", {**VIEWER, "Origin": origin})
        assert refused.value.code == 403


def test_the_proxy_knows_one_instance_only(production: Production) -> None:
    addresses = set(re.findall(r"127\.0\.0\.1:\d+", (PRODUCTION / "nginx.conf").read_text().split("upstream")[1]))
    assert addresses == {"127.0.0.1:3001"}
    viewers = production.command("lacustre-viewers")
    assert "--read-only" in viewers
    for unit in UNITS:
        command = production.command(unit)
        assert "-h" not in command or command[command.index("-h") + 1] == "127.0.0.1"
