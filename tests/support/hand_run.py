"""Containers on a real Docker daemon, started by hand the way old instructions did, and a doctor for them."""

import http.client
import json
import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from doctor.catalogue import parse
from doctor.commands import Commands
from doctor.doctor import Doctor
from doctor.settings import Settings, Target
from tests.support import broken_engines as engines

CATALOGUE = yaml.safe_load((Path(__file__).parents[2] / "doctor" / "known_errors.yml").read_text("utf-8"))


def docker(*words: str, check: bool = True) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout.strip()


def logs(name: str) -> str:
    """All that a container wrote, to either stream."""
    done = subprocess.run(["docker", "logs", name], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def wait_for(condition: Callable[[], Any], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the container did not get there in time")
        time.sleep(0.1)


class Lab:
    """Containers, volumes and networks of one test, all under one prefix and removed afterwards."""

    def __init__(self, image: str, folder: Path) -> None:
        self.image = image
        self.prefix = f"doctor-test-{uuid.uuid4().hex[:8]}"
        self.folder = folder

    def start(self, engine: str, *options: str, command: str = "", name: str = "") -> str:
        """`docker run` an engine; returns the container's name."""
        name = name or f"{self.prefix}-{engine}"
        program = engines.SERVER if engine == "cosyvoice" else engines.DUIX
        command = command or f"exec python3 {program} --port 50000 --model_dir iic/CosyVoice-300M"
        docker("run", "--detach", "--name", name, *options, self.image, "sh", "-c", command)
        return name

    def doctor(self, name: str, engine: str, **settings: Any) -> Doctor:
        """A doctor with its own memory who knows the one container."""
        defaults: dict[str, Any] = {
            "targets": (Target(name, engine),),
            "state_dir": str(self.folder / "state"),
            "verify_timeout": 30.0,
            "disk_paths": (),
            "files": {"server.py": engines.FIXED_SERVER.encode()},
        }
        return Doctor(parse(CATALOGUE), Settings(**{**defaults, **settings}), Commands())

    def state(self, name: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(docker("container", "inspect", name))[0]
        return document

    def post(self, name: str, port: int, path: str) -> bytes:
        """POST into the container; the answer's body, as far as it comes. Waits until it listens."""
        networks = self.state(name)["NetworkSettings"]["Networks"]
        address = next(network["IPAddress"] for network in networks.values())
        deadline = time.monotonic() + 30
        while True:
            connection = http.client.HTTPConnection(address, port, timeout=10)
            try:
                connection.request("POST", path, b"x")
                return connection.getresponse().read()
            except http.client.IncompleteRead as error:
                return error.partial
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            finally:
                connection.close()

    def clean(self) -> None:
        for listing, removal in (
            (["ps", "--all", "--quiet"], ["rm", "--force", "--volumes"]),
            (["volume", "ls", "--quiet"], ["volume", "rm", "--force"]),
            (["network", "ls", "--quiet"], ["network", "rm"]),
        ):
            names = docker(*listing, "--filter", f"name={self.prefix}").split()
            if names:
                docker(*removal, *names, check=False)
        kept = docker("images", "--quiet", f"twinport-kept/{self.prefix}*").split()
        if kept:
            docker("rmi", "--force", *kept, check=False)
