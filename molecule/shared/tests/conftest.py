"""What the scenarios' tests share."""

from __future__ import annotations

import subprocess

import pytest
from testinfra.host import Host


@pytest.fixture(scope="module")
def address(host: Host) -> str:
    """The host's address as this machine sees it."""
    name = str(host.backend.get_variables()["inventory_hostname"])
    command = ["docker", "inspect", "--format", "{{.NetworkSettings.IPAddress}}", name]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
