"""Small programs that fail in containers the way the engines do, with their real log lines, and work once cured."""

SERVER = "/opt/CosyVoice/CosyVoice/runtime/python/fastapi/server.py"
DUIX = "/code/app_local.py"

_HTTP = """
import http.server, os, signal, sys, traceback

signal.signal(signal.SIGTERM, lambda *_: os._exit(0))

class Handler(http.server.BaseHTTPRequestHandler):
    def reply(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.reply(*get(self.path))

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answer = post(self.path)
        self.reply(*answer) if answer else self.break_off()

    def break_off(self):
        # As uvicorn does where a stream's generator raises: a head, and no last chunk.
        self.wfile.write(b"HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n")

    def log_message(self, form, *values):
        print("INFO:    ", form % values, flush=True)

def serve(port):
    http.server.ThreadingHTTPServer(("", port), Handler).serve_forever()
"""

COSYVOICE = (
    _HTTP
    + """
def get(path):
    return (200, b"{}") if path == "/ready" and FIXED else (404, b"")

def post(path):
    if FIXED:
        return 200, b"\\0\\0" * 1000
    try:
        raise TypeError("Invalid file: tensor([[ 0.0000e+00, -3.0518e-05, -6.1035e-05,  ...]])")
    except TypeError:
        print("ERROR:    Exception in ASGI application", file=sys.stderr, flush=True)
        traceback.print_exc()
    return None

def load_model():
    folder = "/root/.cache/modelscope/hub/iic/CosyVoice-300M"
    os.makedirs(folder, exist_ok=True)
    if os.path.exists(folder + "/llm.pt"):
        raise RuntimeError("PytorchStreamReader failed reading zip archive: failed finding central directory")
    if os.environ.get("NEEDS_MATCHA"):
        import matcha

load_model()
serve(50000)
"""
)

BROKEN_SERVER = "FIXED = False\n" + COSYVOICE
FIXED_SERVER = "FIXED = True\n" + COSYVOICE

DUIX_APP = (
    _HTTP
    + """
def get(path):
    return 200, b'{"code": 10004, "data": {}, "msg": "", "success": true}'

def post(path):
    if path != "/easy/submit":
        return 404, b""
    try:
        open("/code/data/result/param.json", "w").close()
    except OSError:
        traceback.print_exc()
        return 200, b'{"code": 9999, "success": false}'
    return 200, b'{"code": 10000, "success": true}'

serve(8383)
"""
)
