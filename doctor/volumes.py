"""Removes paths inside a container's volumes or its own layer, whether it runs or not."""

from __future__ import annotations

import shlex
from typing import Sequence

from .docker_cli import Docker, DockerError

TIMEOUT = 600.0  # seconds


def remove_paths(docker: Docker, name: str, paths: Sequence[str]) -> None:
    """Remove folders, or files by shell pattern (``*`` only). Raises DockerError.

    A container that does not run gets a helper made of the same image with the same volumes. What lies in the
    container's own layer can be reached only while it runs.
    """
    script = "rm -rf -- " + " ".join(_quoted(path) for path in paths)
    container = docker.inspect(name)
    if container is None:
        raise DockerError(f"there is no container {name}")
    if all(container.mount_of(path) for path in paths):
        argv = ["run", "--rm", "--network", "none", "--volumes-from", name, "--entrypoint", "sh", container.image_id]
        docker.run([*argv, "-c", script], timeout=TIMEOUT)
        return
    if not container.running:
        docker.start(name)
    done = docker.execute(name, ["sh", "-c", script], timeout=TIMEOUT)
    if not done.ok:
        raise DockerError(f"{name}: {done.complaint}")


def _quoted(path: str) -> str:
    return "*".join(shlex.quote(part) if part else "" for part in path.split("*"))
