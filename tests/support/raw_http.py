"""HTTP by hand: connections whose every byte the test writes."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PATIENCE = 20.0


class Client:
    """One connection, byte by byte."""

    def __init__(self, port: int, source: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE, source_address=(source, 0))

    def send(self, *lines: str, body: bytes = b"") -> Client:
        """A head of these lines, and the beginning of a body."""
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        return self

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers in lower case and body up to the connection's end, which the server must bring about."""
        received = b""
        while block := self.socket.recv(65536):
            received += block
        return parsed(received)

    def is_closed(self) -> bool:
        """Whether the server hangs up, with or without a word."""
        try:
            while self.socket.recv(65536):
                pass
        except TimeoutError:
            return False
        except OSError:
            return True
        return True


def parsed(received: bytes) -> tuple[int, dict[str, str], bytes]:
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    return int(first.split()[1]), headers, body


@contextmanager
def connected(port: int, source: str = "127.0.0.1") -> Iterator[Client]:
    client = Client(port, source)
    try:
        yield client
    finally:
        client.socket.close()


def until(condition: Callable[[], bool]) -> None:
    """Wait for what must come true."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "gave up waiting"
        time.sleep(0.02)
