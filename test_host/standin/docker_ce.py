"""A stand-in Docker CE archive for Debian 12, whose own archive has no compose v2.

Debian 13's Docker packages run on Debian 12 as they are (all but runc); repacked under Docker CE's names they let the
docker role take its real steps: key, source, pinned packages. On a host the archive is in `HOST_FOLDER`.
"""

from __future__ import annotations

from pathlib import Path

from test_host.host import Host
from test_host.standin.archive import Archive

_ARCHIVE = Archive("docker-ce", Path(__file__).with_name("build_docker_ce.sh"))
HOST_FOLDER = _ARCHIVE.host_folder


def provide(host: Host, state: Path) -> None:
    """Copy the archive to a running host; it is built once and kept in `state`. Raises HostError."""
    _ARCHIVE.provide(host, state)
