"""Makes a container anew with the same settings."""

from __future__ import annotations

from .docker_cli import Docker


def recreate(docker: Docker, name: str) -> None:
    raise NotImplementedError
