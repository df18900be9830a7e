"""Calls to the Docker command line of the outer machine."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from test_host.errors import HostError

# Generous: beside other work a volume of gigabytes takes minutes to remove.
_ANSWER_SECONDS = 600


def docker(*arguments: str, timeout: float | None = _ANSWER_SECONDS) -> str:
    """Run `docker ARGUMENTS` and return what it printed.

    Raises HostError with the last line of its error when it fails or hangs.
    """
    try:
        done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=timeout, check=False)
    except FileNotFoundError as error:
        raise HostError("The docker command is missing: install Docker (docker.io or Docker Desktop).") from error
    except subprocess.TimeoutExpired as error:
        raise HostError(f"docker {arguments[0]} gave no answer within {timeout:.0f} s.") from error
    if done.returncode:
        complaint = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        raise HostError(f"docker {arguments[0]} failed: {complaint[-1]}")
    return done.stdout.strip()


def answers(*arguments: str) -> bool:
    """Return whether `docker ARGUMENTS` succeeds."""
    try:
        docker(*arguments)
    except HostError:
        return False
    return True


def inspect(kind: str, name: str) -> dict[str, Any] | None:
    """Return Docker's description of an object (`container`, `image`, `volume`), None where there is none."""
    if not answers(kind, "inspect", name):
        return None
    (found,) = json.loads(docker(kind, "inspect", name))
    return dict(found)
