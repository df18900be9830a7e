"""Servers as real processes on free ports: both entries and both preview engines."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60.0


# Below what the system gives to clients and to servers that ask for any port: between two starts of a server, none of
# them can take its port.
SERVER_PORTS = range(10_000, 32_768)
_given: set[int] = set()


def free_port() -> int:
    """A TCP port that was free a moment ago, and that this process was not given before."""
    while True:
        port = random.SystemRandom().choice(SERVER_PORTS)
        if port not in _given and _is_free(port):
            _given.add(port)
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@dataclass
class Server:
    """A running server process; its output lies in ``log``."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    port: int
    log: Path
    probe: str
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Base URL without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process id; the server must be running."""
        assert self.process is not None
        return self.process.pid

    def start(self) -> Server:
        """Start, and wait until the probe address answers anything."""
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env={**os.environ, **self.environment},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.wait_until_up()
        return self

    def wait_until_up(self) -> None:
        """Block until the probe address answers; fail with the log if the process ends first."""
        assert self.process is not None
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"{self.name} ended with {self.process.returncode}:\n{self.output()}")
            try:
                requests.get(self.url + self.probe, timeout=5)
            except requests.RequestException:
                time.sleep(0.05)
            else:
                return
        raise AssertionError(f"{self.name} did not answer within {START_SECONDS:.0f} s:\n{self.output()}")

    def output(self) -> str:
        """All that the server has written so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def kill(self) -> None:
        """End the server and its children at once, as a crash would."""
        self._signal(signal.SIGKILL)

    def stop(self) -> int:
        """End the server as an operator would; returns its exit status."""
        self._signal(signal.SIGTERM)
        assert self.process is not None
        return self.process.returncode

    def pause(self) -> None:
        """Let it stand still, with all its connections open, until ``resume``."""
        os.killpg(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        os.killpg(self.pid, signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        if self.process.poll() is None:
            if number is signal.SIGKILL:
                os.killpg(self.process.pid, number)
            else:
                self.process.send_signal(number)
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            raise AssertionError(f"{self.name} did not stop:\n{self.output()}") from None

    def restart(self) -> Server:
        """Start again on the same port and data, after ``kill`` or ``stop``."""
        return self.start()


@contextmanager
def running(server: Server) -> Iterator[Server]:
    """Run a server while the context lasts; its end is sudden."""
    server.log.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield server.start()
    finally:
        if server.process is not None:
            server.kill()


def _environment(**variables: object) -> dict[str, str]:
    return {f"TWINPORT_{name.upper()}": str(value) for name, value in variables.items()}


@contextmanager
def running_gateway(
    entry: str, folder: Path, *, process_environment: Mapping[str, str] | None = None, **variables: object
) -> Iterator[Server]:
    """One entry (``voice`` or ``video``) on a free port.

    Args:
        entry: which entry.
        folder: where its data and log go, unless ``data_dir`` says otherwise.
        process_environment: variables that are no settings, such as ``LD_PRELOAD``.
        variables: settings by their lower-case names without the prefix.
    """
    port = free_port()
    settings = {
        "host": "127.0.0.1",
        "port": port,
        "data_dir": folder / f"{entry}_data",
        "engine_mode": "preview",
        "doctor_report": "",
        "rate_limit_per_minute": 0,
        **variables,
    }
    command = [sys.executable, "-m", "gateway", entry]
    with running(
        Server(
            f"{entry} gateway",
            command,
            {**_environment(**settings), **(process_environment or {})},
            port,
            folder / f"{entry}.log",
            "/health",
        )
    ) as server:
        yield server


@contextmanager
def running_preview(
    engine: str,
    folder: Path,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """One preview engine (``cosyvoice`` or ``duix``) on a free port.

    Args:
        engine: which engine.
        folder: where its log goes.
        arguments: further command-line arguments, such as ``--data-dir``.
        environment: variables that tell the engine how to behave.
    """
    port = free_port()
    command = [sys.executable, "-m", "preview", engine, "--port", str(port), *arguments]
    probe = "/health" if engine == "cosyvoice" else "/easy/query?code=health_check"
    with running(
        Server(f"{engine} preview", command, environment or {}, port, folder / f"{engine}.log", probe)
    ) as server:
        yield server
