# SPDX-License-Identifier: Apache-2.0
"""Looking for Docker on the host that this runs on."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Dict

from .docker_installation import Docker, classify, parse_dpkg, parse_rpm
from .host_commands import output_of


def installed_packages() -> Dict[str, str]:
    """Installed packages and their versions, from the host's package manager."""
    if shutil.which("dpkg-query"):
        form = "${db:Status-Abbrev}\t${Package}\t${Version}\n"
        return parse_dpkg(output_of(["dpkg-query", "-W", "-f", form], seconds=60))
    return parse_rpm(output_of(["rpm", "-qa", "--qf", "%{NAME}\t%{EVR}\n"], seconds=60))


def find_docker(installed: Dict[str, str]) -> Docker:
    """Find Docker's three parts without the daemon: its programs print their versions."""
    executable = shutil.which("docker")
    kind = classify(installed, str(Path(executable).resolve()) if executable else "")
    if kind in ("none", "snap", "podman"):
        return Docker(kind=kind)
    return Docker(
        kind=kind,
        engine=output_of(["dockerd", "--version"]).replace("Docker version", "").split(",")[0].strip(),
        compose=output_of(["docker", "compose", "version", "--short"]).strip(),
        buildx=([*output_of(["docker", "buildx", "version"]).split(), "", ""])[1],
    )
