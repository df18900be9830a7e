"""As much of Duix's program as its faults need: it writes `result/param.json` and never makes the folder."""

import http.server
import json
import os
import sys
import traceback
from pathlib import Path

DATA = Path("/code/data")


class Handler(http.server.BaseHTTPRequestHandler):
    """Duix's two routes."""

    def answer(self, code, **more):
        """Duix's JSON under Flask's default content type."""
        body = json.dumps({"code": code, "data": {}, "msg": "", "success": True, **more}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(10004)

    def do_POST(self):
        try:
            (DATA / "result" / "param.json").write_text("{}")
            with (DATA / "temp" / "result.avi").open("ab") as file:
                file.write(bytes(int(os.environ.get("TASK_BYTES", "0"))))
            self.answer(10000)
        except OSError:
            traceback.print_exc()
            self.answer(9999)


if os.environ.get("MAKE_FOLDERS"):
    for name in ("result", "temp", "log"):
        (DATA / name).mkdir(exist_ok=True)
sys.stderr.write("TransDhServer服务启动\n")
http.server.ThreadingHTTPServer(("", 8383), Handler).serve_forever()
