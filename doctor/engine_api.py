"""The few calls of Docker's HTTP interface for which the docker program has no faithful counterpart."""

from __future__ import annotations

import http.client
import json
import os
import socket
from typing import Any, Mapping
from urllib.parse import quote

from .docker_cli import DockerError

DEFAULT_SOCKET = "/var/run/docker.sock"
TIMEOUT = 120.0  # seconds


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT)
        self._path = path

    def connect(self) -> None:
        """Open the socket. Raises OSError."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(TIMEOUT)
        self.sock.connect(self._path)


def create_container(name: str, body: Mapping[str, Any]) -> str:
    """Create a container from the same structure that ``docker inspect`` shows; returns its id.

    ``docker create`` would need hundreds of options put together again, each a chance to lose one. Raises DockerError.
    """
    connection = _UnixConnection(_socket_path())
    try:
        connection.request(
            "POST", f"/containers/create?name={quote(name)}", json.dumps(body), {"Content-Type": "application/json"}
        )
        answer = connection.getresponse()
        document = json.loads(answer.read() or b"{}")
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise DockerError(f"Docker's socket does not answer: {error}") from error
    finally:
        connection.close()
    if answer.status != http.HTTPStatus.CREATED:
        raise DockerError(f"{name} can't be created: {document.get('message', answer.status)}")
    return str(document["Id"])


def _socket_path() -> str:
    host = os.environ.get("DOCKER_HOST", "")
    return host[len("unix://") :] if host.startswith("unix://") else DEFAULT_SOCKET
