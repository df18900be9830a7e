"""What Docker left as an error is the evidence, and a container waits for the GPU's driver."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from doctor.commands import Commands, Completed
from doctor.host_probes import DOWN_LINES, HostProbes
from tests.support.doctor_host import FakeCommands, doctor

HOOK = "OCI runtime create failed: stderr: nvidia-container-cli: initialization error: nvml error: driver not loaded"


class Stopped(FakeCommands):
    """A host whose container could not be started. ``gpu``: what `nvidia-smi` says there."""

    def __init__(self, error: str, gpu: str = "") -> None:
        super().__init__(b"")
        self.error = error
        self.gpu = gpu

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0) -> Completed:
        if argv[0] == "nvidia-smi" and self.gpu:
            return Completed(0, self.gpu.encode(), b"")
        if list(argv[:3]) == ["docker", "container", "inspect"]:
            return Completed(0, json.dumps([self._stopped()]).encode(), b"")
        return super().run(argv, stdin=stdin, timeout=timeout)

    def _stopped(self) -> dict[str, Any]:
        state = {"Status": "exited", "ExitCode": 128, "Error": self.error, "StartedAt": "2026-03-01T11:00:00Z"}
        return {**self._container(), "State": {**state, "FinishedAt": "2026-03-01T11:00:01Z"}}


def test_a_container_is_started_when_the_driver_answers_and_not_before(tmp_path: Path) -> None:
    waiting = doctor(Stopped(HOOK), "duix", tmp_path).visit(check_mode=False)
    (finding,) = waiting.report["findings"]
    assert (finding["id"], finding["outcome"]) == ("hook-driver-not-loaded", "impossible")
    assert "driver does not answer" in finding["detail"]
    assert waiting.report["cures"]["tried_total"] == 0
    ready = doctor(Stopped(HOOK, "0, NVIDIA GeForce RTX 4090, 550.54.15, 8.9\n"), "duix", tmp_path)
    assert ready.visit(check_mode=True).actions == ("restart engine",)


@pytest.mark.parametrize(
    ("error", "name"),
    [
        ("failed to create task for container: something nobody has met before", "docker-start-failed"),
        ("network 3fd0a1b2c3d4 not found", "network-missing"),
    ],
)
def test_the_words_of_docker_are_the_evidence(tmp_path: Path, error: str, name: str) -> None:
    (finding,) = doctor(Stopped(error), "duix", tmp_path).visit(check_mode=True).report["findings"]
    assert finding["id"] == name
    assert error in finding["evidence"]
    assert "container-ended" in [consequence["id"] for consequence in finding["consequences"]]


def test_a_daemon_that_does_not_run_says_why() -> None:
    class Journal(Commands):
        def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0) -> Completed:
            return Completed(0, b"old\n" * 500 + b"unable to configure the Docker daemon\n", b"")

    lines = HostProbes(Journal()).docker_state("Cannot connect to the Docker daemon").splitlines()
    assert lines[0] == "docker trouble: Cannot connect to the Docker daemon"
    assert lines[-1] == "docker said: unable to configure the Docker daemon"
    assert len(lines) == DOWN_LINES + 1
    assert HostProbes(Journal()).docker_state("") == ""
