"""The catalogue, read once, and a container."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from doctor.catalogue import Catalogue, parse
from doctor.containers import NEVER, Container, parse_inspect

ROOT = Path(__file__).resolve().parents[3]
INSPECTED: dict[str, Any] = {
    "Id": "0123456789abcdef",
    "Name": "/duix",
    "Image": "sha256:1",
    "Created": "2026-03-01T10:00:00Z",
    "Path": "/bin/bash",
    "Args": ["-c", "python3 server.py --port 50000 --model_dir iic/CosyVoice2-0.5B && sleep infinity"],
    "State": {"Status": "running", "StartedAt": "2026-03-01T11:00:00.5Z", "FinishedAt": NEVER},
    "Config": {
        "Image": "cosyvoice:v1.0",
        "Hostname": "0123456789ab",
        "Env": ["PATH=/bin", "TOKEN=a=b"],
        "Cmd": ["bash"],
        "Labels": {"from": "image", "own": "yes"},
    },
    "HostConfig": {
        "NetworkMode": "net",
        "Binds": ["data:/code/data"],
        "PortBindings": {"8383/tcp": [{"HostIp": "", "HostPort": "8383"}]},
        "RestartPolicy": {"Name": "always"},
    },
    "Mounts": [
        {"Type": "volume", "Name": "data", "Source": "/v/data", "Destination": "/code/data", "RW": True},
        {"Type": "volume", "Name": "f00", "Source": "/v/f00", "Destination": "/anonymous", "RW": True},
    ],
    "NetworkSettings": {"Networks": {"net": {"IPAddress": "172.18.0.2", "Aliases": ["video", "0123456789ab"]}}},
}


@pytest.fixture(scope="session")
def document() -> dict[str, Any]:
    """The catalogue as YAML has it."""
    return yaml.safe_load((ROOT / "doctor" / "known_errors.yml").read_text("utf-8"))


@pytest.fixture(scope="session")
def catalogue(document: dict[str, Any]) -> Catalogue:
    """The catalogue as the doctor uses it."""
    return parse(document)


@pytest.fixture
def inspected() -> dict[str, Any]:
    """What `docker inspect` says of one container."""
    return deepcopy(INSPECTED)


@pytest.fixture
def container(inspected: dict[str, Any]) -> Container:
    """The same as the doctor knows it."""
    return parse_inspect(inspected)
