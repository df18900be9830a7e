"""Entries that start in a fraction of the time: each is forked from a process that has imported everything.

As a program (``python -m tests.support.forked``) it is that process: it forks for each line that it reads, and answers
with the child's process id, or with how a child ended.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from tests.support.servers import ROOT, Server, free_port


class Parent:
    """The process that entries are forked from.

    Args:
        environment: variables that it starts with, such as ``LD_PRELOAD``; the entries have them too.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.forked"],
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def ask(self, **request: Any) -> int | None:
        """One question, one answer."""
        stdin, stdout = self._pipes()
        stdin.write(json.dumps(request).encode() + b"\n")
        stdin.flush()
        answer: int | None = json.loads(stdout.readline())
        return answer

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        return self._process.stdin, self._process.stdout

    def close(self) -> None:
        """End it."""
        for pipe in self._pipes():
            pipe.close()
        self._process.wait(timeout=30)


@contextmanager
def forking(environment: Mapping[str, str] | None = None) -> Iterator[Parent]:
    """A parent, while the context lasts."""
    parent = Parent(environment)
    try:
        yield parent
    finally:
        parent.close()


class _Child:
    """As much of ``Popen`` as a server needs."""

    def __init__(self, parent: Parent, pid: int) -> None:
        self._parent = parent
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._parent.ask(look=self.pid)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            self.returncode = self._parent.ask(wait=self.pid)
        assert self.returncode is not None, timeout
        return self.returncode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)


class ForkedServer(Server):
    """An entry that is forked."""

    parent: Parent

    def start(self) -> Server:
        pid = self.parent.ask(command=list(self.command), environment=dict(self.environment), log=str(self.log))
        assert pid is not None
        self.process = _Child(self.parent, pid)  # type: ignore[assignment]
        self.wait_until_up()
        return self


def forked_entry(parent: Parent, entry: str, log: Path, settings: Mapping[str, object]) -> ForkedServer:
    """One entry on a free port, not started yet.

    Args:
        parent: that it is forked from.
        entry: ``voice`` or ``video``.
        log: its output.
        settings: by their lower-case names without the prefix.
    """
    port = free_port()
    common = {"host": "127.0.0.1", "port": port, "engine_mode": "preview", "doctor_report": "", "min_free_bytes": 0}
    common |= {"rate_limit_per_minute": 0, "engine_poll_interval": 0.1}
    environment = {f"TWINPORT_{name.upper()}": str(value) for name, value in {**common, **settings}.items()}
    server = ForkedServer(f"{entry} gateway", [entry], environment, port, log, "/health")
    server.parent = parent
    return server


def _child(request: Mapping[str, Any]) -> None:
    """Be an entry, as ``python -m gateway`` is one."""
    from gateway.__main__ import main  # noqa: PLC0415 - after the fork

    os.setsid()
    output = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for target, source in ((0, nothing), (1, output), (2, output)):
        os.dup2(source, target)
    os.environ.update(request["environment"])
    raise SystemExit(main(request["command"]))


def _answer(request: Mapping[str, Any]) -> int | None:
    if "command" in request:
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            _child(request)
        return pid
    pid, options = (request["wait"], 0) if "wait" in request else (request["look"], os.WNOHANG)
    ended, status = os.waitpid(pid, options)
    return os.waitstatus_to_exitcode(status) if ended else None


def _serve() -> None:
    import gateway.web.server  # noqa: F401, PLC0415 - so that each child has it

    for line in sys.stdin:
        sys.stdout.write(json.dumps(_answer(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve()
