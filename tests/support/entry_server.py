"""A stand-in for an entry: an HTTP server on a free port, and the client that talks to it."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from module_utils.entry_client import Entry, Tls
from tests.support.certificates import Certificate

Respond = Callable[[BaseHTTPRequestHandler, bytes], tuple[int, object]]


@contextmanager
def serving(respond: Respond, *, raw: bool = False, certificate: Certificate | None = None) -> Iterator[Entry]:
    """A server on a free port that answers with what `respond` returns, as JSON.

    Args:
        respond: what is answered.
        raw: texts leave as they are.
        certificate: has it speak TLS, and the client check that against nothing but the system's authorities.
    """

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, value = respond(self, body)
            self.send_response(status)
            self.send_header("X-Request-ID", "req-1")
            self.end_headers()
            self.wfile.write((value if raw and isinstance(value, str) else json.dumps(value)).encode())

        do_GET = do_POST = do_DELETE = _serve  # noqa: N815 names that http.server looks for

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.certificate, certificate.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    scheme, tls = ("https", Tls("127.0.0.1")) if certificate else ("http", None)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield Entry(f"{scheme}://127.0.0.1:{server.server_port}", api_key="secret", timeout=5, tls=tls)
    finally:
        server.shutdown()
        server.server_close()


def healthy(request: BaseHTTPRequestHandler, _body: bytes) -> tuple[int, object]:
    """Answer as a healthy entry, voice or video, does."""
    return 200, {"message": "ok"} if request.command == "GET" else {"path": "/code/data/audio_test.wav"}


def asked(entry: Entry, closed_ports: list[int]) -> dict[str, object]:
    """Options of `entry_outside_test` that name one entry for both."""
    urls = {"voice_url": entry.url, "video_url": entry.url}
    return {**urls, "tls": None, "api_key": "", "closed_ports": closed_ports, "timeout": 1}
