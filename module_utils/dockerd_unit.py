# SPDX-License-Identifier: Apache-2.0
"""How systemd starts dockerd on the host that this runs on, and what dockerd says about its settings."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Dict, List, Optional, Sequence

from .dockerd_flags import USUAL_UNIT, assignments, environment_files, unit_command
from .host_commands import output_of, text_of

DAEMON_JSON = "/etc/docker/daemon.json"
_DROPINS = Path("/etc/systemd/system/docker.service.d")


def dockerd_arguments() -> List[str]:
    """The flags of docker.service; of the usual one where Docker is not installed yet."""
    text = output_of(["systemctl", "cat", "docker.service"])
    if "ExecStart=" not in text:
        text = USUAL_UNIT + "".join(text_of(str(path)) + "\n" for path in sorted(_DROPINS.glob("*.conf")))
    environment: Dict[str, str] = {}
    for file in environment_files(text):
        environment.update(assignments(text_of(file)))
    return unit_command(text, environment)


def refusal(text: str, arguments: Sequence[str]) -> Optional[str]:
    """Why the installed dockerd would not start with a text as daemon.json; "" where it would, None if unknown.

    Args:
        text: of the file.
        arguments: dockerd's flags, as `dockerd_arguments` gives them.
    """
    program = shutil.which("dockerd")
    if program is None or "--validate" not in output_of([program, "--help"]):
        return None
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        candidate = Path(folder) / "daemon.json"
        candidate.write_text(text or json.dumps({}), encoding="utf-8")
        command = [program, "--validate", *_without_file(arguments), "--config-file", str(candidate)]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False
        )
        said = done.stdout.decode("utf-8", "replace").strip().replace(str(candidate), DAEMON_JSON)
    return said or "no reason was given" if done.returncode else ""


def _without_file(arguments: Sequence[str]) -> List[str]:
    """The flags without the one that names the file."""
    kept: List[str] = []
    skip = False
    for argument in arguments:
        if not skip and not argument.startswith("--config-file"):
            kept.append(argument)
        skip = argument == "--config-file"
    return kept
