"""A stand-in Docker CE archive for Debian 12, whose own archive has no compose v2.

Debian 13's Docker packages run on Debian 12 as they are (all but runc); repacked under Docker CE's names they let the
docker role take its real steps: key, source, pinned packages. On a host the archive lies in `HOST_FOLDER`.
"""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from test_host import image
from test_host.errors import HostError
from test_host.host import Host

HOST_FOLDER = "/srv/docker-ce"
_SCRIPT = Path(__file__).with_name("build_docker_ce.sh")
_BUILD_SECONDS = 900


def provide(host: Host, state: Path) -> None:
    """Put the archive into a running host; it is built once and kept in `state`."""
    archive = _ensure(state)
    with archive.open("rb") as tar:
        done = subprocess.run(
            ["docker", "exec", "--interactive", host.name, "tar", "-x", "-C", "/srv"],
            stdin=tar, capture_output=True, check=False,
        )  # fmt: skip
    if done.returncode:
        raise HostError(f"The Docker CE archive could not be put into {host.name}: {done.stderr.decode()}")


def _ensure(state: Path) -> Path:
    digest = hashlib.sha256(_SCRIPT.read_bytes()).hexdigest()[:12]
    archive = state / f"docker-ce-{digest}.tar"
    if not archive.exists():
        print("==> Building the stand-in Docker CE archive (once)", flush=True)
        state.mkdir(parents=True, exist_ok=True)
        _build(archive)
    return archive


def _build(archive: Path) -> None:
    """Run the script in a fresh trixie container; the archive gets its name only when it is whole."""
    part = archive.with_suffix(".part")
    command = f"sh -s >&2 && tar -c -C /srv {Path(HOST_FOLDER).name}"
    name = image.ensure("trixie")
    with part.open("wb") as out, _SCRIPT.open("rb") as script:
        done = subprocess.run(
            ["docker", "run", "--rm", "--interactive", name, "sh", "-c", command],
            stdin=script, stdout=out, stderr=subprocess.PIPE, timeout=_BUILD_SECONDS, check=False,
        )  # fmt: skip
    if done.returncode:
        raise HostError(f"The Docker CE archive could not be built: {done.stderr.decode().strip()[-500:]}")
    part.rename(archive)
