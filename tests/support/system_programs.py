"""Programs that a package of the system brings, and a database server of our own made with some of them."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.ports import free_port

PLACES = {"initdb": "/usr/lib/postgresql/*/bin", "pg_ctl": "/usr/lib/postgresql/*/bin", "nginx": "/usr/sbin"}
PACKAGES = {"initdb": "postgresql", "pg_ctl": "postgresql", "nginx": "nginx-light", "openssl": "openssl"}


def program(name: str) -> str:
    """The path of a program, where it is on the PATH or where Debian puts it; skips without it, but not in CI."""
    found = shutil.which(name) or next(
        (str(path) for path in sorted(Path("/").glob(f"{PLACES.get(name, '/nowhere')[1:]}/{name}"), reverse=True)), None
    )
    if found is None:
        message = f"{name} is not here: apt-get install {PACKAGES[name]}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return found


@contextmanager
def postgres() -> Iterator[str]:
    """The URL of an empty database on a Postgres server of our own, on loopback; it is gone at the end."""
    initdb, pg_ctl = program("initdb"), program("pg_ctl")
    folder = Path(tempfile.mkdtemp(prefix="lacustre-postgres-"))
    # Postgres refuses to run as root
    user = "postgres" if os.geteuid() == 0 else None
    if user:
        shutil.chown(folder, user)
    data, port = folder / "data", free_port()

    def run(*command: str) -> None:
        done = subprocess.run(command, user=user, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    run(initdb, "-D", str(data), "-U", "dagster", "-A", "trust", "--no-sync", "-E", "UTF8")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
    try:
        run(pg_ctl, "-D", str(data), "-l", str(folder / "log"), "-w", "-o", options, "start")
        yield f"postgresql://dagster@127.0.0.1:{port}/postgres"
    finally:
        run(pg_ctl, "-D", str(data), "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder)
