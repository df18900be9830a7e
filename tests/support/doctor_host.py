"""A host for the doctor without Docker: one healthy container with a given log, and what is asked of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

from doctor.catalogue import parse
from doctor.commands import Commands, Completed
from doctor.doctor import Doctor
from doctor.settings import Settings, Target

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = yaml.safe_load((ROOT / "doctor" / "known_errors.yml").read_text("utf-8"))
SAMPLES = yaml.safe_load((ROOT / "tests" / "unit" / "doctor" / "samples.yml").read_text("utf-8"))
# Every line that the catalogue knows, of every engine and every source.
FORGERIES = tuple(text for sample in SAMPLES.values() for text in sample["samples"])
NAME = "engine"


class FakeCommands(Commands):
    """Docker as it answers for one running container; ``processes`` is what `docker top` lists."""

    def __init__(self, log: bytes, *, processes: str = "1 python3 server.py") -> None:
        self.log = log
        self.processes = processes
        self.done: list[list[str]] = []

    def find(self, program: str) -> str | None:
        return "/usr/bin/docker" if program == "docker" else None

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0) -> Completed:
        self.done.append(list(argv))
        if list(argv[:3]) == ["docker", "container", "inspect"]:
            return Completed(0, json.dumps([self._container()]).encode(), b"")
        if list(argv[:2]) == ["docker", "top"]:
            return Completed(0, self.processes.encode(), b"")
        return Completed(0 if argv[0] == "docker" else 1, b"", b"")

    def stream(self, argv: Sequence[str], take: Callable[[bytes], None], *, timeout: float = 600.0) -> Completed:
        take(self.log)
        return Completed(0, b"", b"")

    def _container(self) -> dict[str, Any]:
        state = {"Status": "running", "StartedAt": "2026-03-01T11:00:00Z", "FinishedAt": "0001-01-01T00:00:00Z"}
        return {
            "Name": f"/{NAME}",
            "Created": "2026-03-01T10:59:59Z",
            "State": state,
            "Args": ["--model_dir", "iic/CosyVoice-300M"],
            "HostConfig": {"ShmSize": 8 << 30},
        }


def doctor(commands: Commands, engine: str, folder: Path) -> Doctor:
    """A doctor for the one container; nothing needs proof, so a cure would be seen at once."""
    settings = Settings(targets=(Target(NAME, engine),), state_dir=str(folder), disk_paths=(), verify_timeout=0)
    return Doctor(parse(CATALOGUE), settings, commands)


def require_nothing_done(log: bytes, engine: str, folder: Path) -> None:
    """Whatever the log says, a healthy container is left alone, called healthy, and no cure is used up."""
    visit = doctor(FakeCommands(log), engine, folder).visit(check_mode=False)
    assert visit.actions == ()
    assert visit.report["healthy"], visit.report["findings"]
    assert visit.report["cures"]["tried_total"] == 0
