"""The image that a throw-away host boots: a minimal Debian with systemd, sshd and Python, like a provider's."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from test_host import engine
from test_host.docker_cli import docker, inspect
from test_host.errors import HostError

SUITES = ("trixie", "bookworm")
_PACKAGES = (
    "ca-certificates",
    "dbus",
    "iproute2",
    "openssh-server",
    "procps",
    "python3",
    "python3-apt",
    "sudo",
    "systemd",
    "systemd-sysv",
)
_DOCKERFILE = """\
FROM debian:{suite}-slim
RUN apt-get update \\
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends {packages} \\
 && rm -rf /var/lib/apt/lists/*
"""
_BUILD_SECONDS = 1800


def ensure(suite: str) -> str:
    """Build the host image of a Debian suite unless it exists, and return its name.

    The tag is a digest of the recipe, so a changed recipe makes a new image and an unchanged one costs nothing.
    Raises HostError where neither Debian's packages nor a registry can be reached.
    """
    if suite not in SUITES:
        raise HostError(f"No host image is known for {suite!r}: take one of {', '.join(SUITES)}.")
    name = f"{repository(suite)}:{_recipe_digest(suite)}"
    if inspect("image", name) is None:
        print(f"==> Building the {suite} host image (once; a minute or two)", flush=True)
        if _packages_at_hand():
            _build_from_packages(suite, name)
        else:
            _build_from_registry(suite, name)
    return name


def repository(suite: str) -> str:
    """Return the image name of a suite, without its tag."""
    return f"twinport/test-host-{suite}"


def remove_all() -> None:
    """Remove every host image that no container uses."""
    for suite in SUITES:
        for image in docker("image", "ls", "--quiet", repository(suite)).split():
            if not docker("ps", "--all", "--quiet", "--filter", f"ancestor={image}"):
                docker("image", "rm", "--force", image)


def _recipe_digest(suite: str) -> str:
    recipe = "\n".join((suite, *_PACKAGES, _DOCKERFILE))
    return hashlib.sha256(recipe.encode()).hexdigest()[:12]


def _packages_at_hand() -> bool:
    if os.geteuid() != 0:
        return False
    if shutil.which("mmdebstrap") is None and shutil.which("apt-get") is not None:
        engine.install_packages("mmdebstrap", "debian-archive-keyring")
    return shutil.which("mmdebstrap") is not None


def _build_from_packages(suite: str, name: str) -> None:
    with tempfile.TemporaryDirectory(prefix="twinport-image-", dir="/var/tmp") as folder:
        root = Path(folder) / "root.tar"
        _run(
            [
                "mmdebstrap",
                "--variant=minbase",
                "--mode=root",
                f"--include={','.join(_PACKAGES)}",
                suite,
                str(root),
            ],
            {**os.environ, "TMPDIR": folder},
        )
        docker("import", str(root), name, timeout=_BUILD_SECONDS)


def _build_from_registry(suite: str, name: str) -> None:
    recipe = _DOCKERFILE.format(suite=suite, packages=" ".join(_PACKAGES))
    _run(["docker", "build", "--tag", name, "-"], dict(os.environ), recipe)


def _run(command: list[str], environment: dict[str, str], text: str | None = None) -> None:
    done = subprocess.run(
        command,
        env=environment,
        input=text,
        capture_output=True,
        text=True,
        timeout=_BUILD_SECONDS,
        check=False,
    )
    if done.returncode:
        complaint = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise HostError(f"The host image could not be built ({command[0]}): {complaint}")
