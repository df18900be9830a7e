"""Installs a Python requirement in a container, whether it runs or not."""

from __future__ import annotations

import posixpath
import tempfile
import uuid
from typing import List

from .containers import Container
from .docker_cli import Docker, DockerError
from .settings import Pip

TIMEOUT = 900.0  # seconds
WHEELS = "/twinport-doctor/wheels"
TARGET = "/twinport-doctor/packages"
_PURELIB = "import sysconfig; print(sysconfig.get_path('purelib'))"


def install_package(docker: Docker, name: str, requirement: str, source: Pip, *, no_deps: bool) -> None:
    """Install with the container's own pip while it runs; else with a helper of the same image, and copy the result.

    Raises DockerError with pip's last line.
    """
    container = docker.inspect(name)
    if container is None:
        raise DockerError(f"there is no container {name}")
    if container.status == "running" and container.restart_count == 0:
        _install_inside(docker, container, requirement, source, no_deps)
    else:
        _install_from_outside(docker, container, requirement, source, no_deps)


def _install_inside(docker: Docker, container: Container, requirement: str, source: Pip, no_deps: bool) -> None:
    if source.wheel_dir:
        docker.execute(container.name, ["mkdir", "-p", WHEELS])
        docker.run(["cp", f"{source.wheel_dir}/.", f"{container.name}:{WHEELS}"])
    argv = ["python3", *_pip(requirement, source, no_deps), "--upgrade"]
    done = docker.execute(container.name, argv, timeout=TIMEOUT)
    if source.wheel_dir:
        docker.execute(container.name, ["rm", "-rf", posixpath.dirname(WHEELS)])
    if not done.ok:
        raise DockerError(f"pip in {container.name}: {done.complaint}")


def _install_from_outside(docker: Docker, container: Container, requirement: str, source: Pip, no_deps: bool) -> None:
    helper = f"twinport-doctor-{uuid.uuid4().hex[:12]}"
    environment = [word for key, text in container.environment.items() for word in ("--env", f"{key}={text}")]
    wheels = ["--volume", f"{source.wheel_dir}:{WHEELS}:ro"] if source.wheel_dir else []
    python = [*environment, *wheels, "--entrypoint", "python3", container.image_id]
    site = docker.run(["run", "--rm", "--network", "none", *python, "-c", _PURELIB]).text
    argv = [*_pip(requirement, source, no_deps), "--target", TARGET]
    with tempfile.TemporaryDirectory(prefix="twinport-doctor-") as folder:
        try:
            docker.run(["run", "--name", helper, *python, *argv], timeout=TIMEOUT)
            docker.run(["cp", f"{helper}:{TARGET}/.", folder])
            docker.run(["cp", f"{folder}/.", f"{container.name}:{site}"])
        finally:
            docker.commands.run(["docker", "rm", "--force", "--volumes", helper])


def _pip(requirement: str, source: Pip, no_deps: bool) -> List[str]:
    argv = ["-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
    if no_deps:
        argv.append("--no-deps")
    if source.wheel_dir:
        argv += ["--no-index", "--find-links", WHEELS]
    elif source.index_url:
        argv += ["--index-url", source.index_url]
    return [*argv, requirement]
