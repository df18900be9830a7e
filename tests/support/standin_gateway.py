"""A stand-in for a gateway behind the front: it says what it was asked, and can go and come back."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PIECE = b"p" * 10_000


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._count()
        path, _, argument = self.path.partition("?")
        if path == "/slow":
            time.sleep(float(argument))
        if path == "/pieces":
            self._pieces(float(argument))
        elif path == "/much":
            self._much(int(argument))
        elif path == "/fails":
            self._answer({"message": "the gateway's own", "code": "engine_failed"}, 502)
        else:
            self._answer({"path": self.path, "headers": dict(self.headers.items()), "body": 0})

    def do_POST(self) -> None:
        self._count()
        if self.path == "/dies":
            self.rfile.read1(65536)
            self.close_connection = True
            return
        size = 0
        if "Content-Length" in self.headers:
            left = int(self.headers["Content-Length"])
            while left and (block := self.rfile.read1(min(left, 65536))):
                left, size = left - len(block), size + len(block)
            if left:
                self.close_connection = True
                return
        self._answer({"path": self.path, "headers": dict(self.headers.items()), "body": size})

    def _count(self) -> None:
        self.server.requests += 1  # type: ignore[attr-defined]

    def _answer(self, content: object, status: int = 200) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _pieces(self, pause: float) -> None:
        chunked = self.request_version == "HTTP/1.1"
        self.send_response(200)
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for _ in range(5):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(PIECE), PIECE) if chunked else PIECE)
            time.sleep(pause)
        if chunked:
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.close_connection = True

    def _much(self, size: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        try:
            for _ in range(size // len(PIECE)):
                self.wfile.write(PIECE)
        except OSError:
            self.server.cut += 1  # type: ignore[attr-defined]

    def log_message(self, *_: object) -> None:
        """Nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024
    cut = requests = running = 0

    def process_request_thread(self, *arguments: Any) -> None:
        self.running += 1
        try:
            super().process_request_thread(*arguments)
        finally:
            self.running -= 1

    def handle_error(self, *_: object) -> None:
        """A front that leaves is no error."""


class Gateway:
    """The stand-in for a gateway; it can go and come back at the same address."""

    def __init__(self) -> None:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self.port = self._server.server_address[1]
        self._serve()

    def _serve(self) -> None:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def cut(self) -> int:
        """Answers that nobody took to the end."""
        return self._server.cut

    @property
    def requests(self) -> int:
        """Requests that arrived."""
        return self._server.requests

    @property
    def running(self) -> int:
        """Connections that are open."""
        return self._server.running

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def start(self) -> None:
        self._server = _Server(("127.0.0.1", self.port), _Handler)
        self._serve()
