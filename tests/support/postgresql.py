"""A PostgreSQL server of a test's own."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.servers import free_port

OWNER = "postgres"


def _program(name: str) -> str:
    """Debian keeps a server's programs outside the search path, by version."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else name


def _as_owner(*command: str) -> None:
    """The server refuses to run as root."""
    switch = ["runuser", "-u", OWNER, "--"] if os.geteuid() == 0 else []
    done = subprocess.run([*switch, *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def running_postgresql() -> Iterator[str]:
    """An empty database; gives its SQLAlchemy URL."""
    folder = Path(tempfile.mkdtemp(prefix="twinport-postgresql-"))
    if os.geteuid() == 0:
        os.chown(folder, pwd.getpwnam(OWNER).pw_uid, -1)
    data, port = str(folder / "data"), free_port()
    try:
        _as_owner(
            _program("initdb"), "-D", data, "-U", OWNER, "-A", "trust", "--no-sync", "-E", "UTF8", "--locale", "C"
        )
        options = f"-p {port} -h 127.0.0.1 -k {folder}"
        _as_owner(_program("pg_ctl"), "-D", data, "-l", str(folder / "log"), "-w", "-o", options, "start")
        try:
            yield f"postgresql+asyncpg://{OWNER}@127.0.0.1:{port}/postgres"
        finally:
            _as_owner(_program("pg_ctl"), "-D", data, "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)
