"""The file server that such setups usually have: the standard library's, with an upload added.

``python -m bench.servers.file_server --port P --store FOLDER``; ``PUT /name`` and ``GET /name``.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

BLOCK = 1 << 16


class Handler(SimpleHTTPRequestHandler):
    """Sends and receives files."""

    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        """Copy the body to a file."""
        left = int(self.headers["Content-Length"])
        with Path(self.translate_path(self.path)).open("wb") as file:
            while left:
                block = self.rfile.read(min(left, BLOCK))
                file.write(block)
                left -= len(block)
        self.send_response(HTTPStatus.CREATED)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


def main() -> int:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--store", type=Path, required=True)
    options = parser.parse_args()
    handler = partial(Handler, directory=str(options.store))
    ThreadingHTTPServer(("127.0.0.1", options.port), handler).serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
