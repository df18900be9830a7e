"""Keys, limits and what strangers may not do."""

import http.client
import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import requests

from tests.support.front import running_front
from tests.support.servers import Server, running_gateway
from tests.support.voice import VoiceBench, spoken_wav

NO_ENGINE = "http://127.0.0.1:9"


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "api_keys"
    path.write_text("from-file\n", encoding="utf-8")
    return path


@pytest.fixture
def locked(tmp_path: Path, keys: Path) -> Iterator[Server]:
    with running_gateway(
        "voice", tmp_path, cosyvoice_url=NO_ENGINE, api_key="one,two", api_keys_file=keys, min_free_bytes=0
    ) as server:
        yield server


def voices(server: Server, **headers: str) -> requests.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.get(server.url + "/v1/voices", params={"device_id": "d"}, headers=named, timeout=10)


def test_keys_are_required_and_may_change(locked: Server, keys: Path) -> None:
    refused = voices(locked)
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthorized")
    assert refused.headers["WWW-Authenticate"] == "Bearer"
    for headers in ({"X_API_Key": "one"}, {"X_API_Key": "from-file"}, {"Authorization": "Bearer two"}):
        assert voices(locked, **headers).status_code == 200
    for headers in ({"X_API_Key": "three"}, {"X_API_Key": ""}, {"Authorization": "Basic one"}):
        assert voices(locked, **headers).status_code == 401
    for public in ("/health", "/", "/docs", "/openapi.json"):
        assert requests.get(locked.url + public, timeout=10).status_code == 200
    assert requests.get(locked.url + "/metrics", timeout=10).status_code == 401
    openai = requests.get(locked.url + "/v1/models", timeout=10)
    assert openai.json()["error"]["type"] == "authentication_error"

    keys.write_text("fresh\n", encoding="utf-8")
    deadline = time.monotonic() + 10
    while voices(locked, X_API_Key="fresh").status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert voices(locked, X_API_Key="from-file").status_code == 401


def test_a_refused_upload_is_read_to_its_end(locked: Server) -> None:
    """Else the client would see a reset instead of the 401, and repeat it."""
    body = b"x" * 8_000_000
    with closing(http.client.HTTPConnection("127.0.0.1", locked.port, timeout=30)) as connection:
        connection.request("POST", "/v1/voices/train", body, {"Content-Type": "multipart/form-data; boundary=b"})
        answer = connection.getresponse()
        assert answer.status == 401
        assert json.loads(answer.read())["code"] == "unauthorized"


def test_the_administrator_sees_all_devices(tmp_path: Path) -> None:
    with running_gateway(
        "voice", tmp_path, cosyvoice_url=NO_ENGINE, api_key="user", admin_api_key="boss", min_free_bytes=0
    ) as server:
        user, boss = {"X-API-Key": "user"}, {"X-API-Key": "boss"}
        made = []
        for device in ("a", "b"):
            answer = requests.post(
                server.url + "/v1/voices/train",
                data={"device_id": device, "name": "n"},
                files={"audio": spoken_wav()},
                headers=user,
                timeout=30,
            )
            made.append(answer.json()["data"]["voiceId"])
        url = server.url + "/v1/admin/voices"
        assert requests.get(url, headers=user, timeout=10).status_code == 401
        listed = requests.get(url, headers=boss, timeout=10).json()
        assert [(voice["id"], voice["deviceId"]) for voice in listed["data"]] == [(made[1], "b"), (made[0], "a")]
        only = requests.get(url, params={"device_id": "a", "limit": 5}, headers=boss, timeout=10).json()
        assert [voice["id"] for voice in only["data"]] == made[:1]
        assert requests.delete(f"{url}/{made[0]}", headers=boss, timeout=10).status_code == 200
        assert requests.get(url, headers=boss, timeout=10).json()["total"] == 1


def test_without_keys_there_is_no_administrator(bench: VoiceBench) -> None:
    answer = requests.get(bench.url + "/v1/admin/voices", timeout=10)
    assert (answer.status_code, answer.json()["code"]) == (403, "admin_needs_api_key")


def test_a_device_is_limited_and_others_are_not(tmp_path: Path) -> None:
    with running_gateway("voice", tmp_path, cosyvoice_url=NO_ENGINE, rate_limit_per_minute=3) as server:

        def ask(device: str) -> requests.Response:
            body = {"device_id": device, "voice_id": "v_" + "0" * 32, "text": "x"}
            return requests.post(server.url + "/v1/tts", json=body, timeout=10)

        assert [ask("busy").status_code for _ in range(4)] == [404, 404, 404, 503]
        limited = ask("busy")
        assert limited.json()["code"] == "rate_limited"
        assert 0 < int(limited.headers["Retry-After"]) <= 120
        assert ask("calm").status_code == 404


def test_uploads_are_bounded_and_the_answer_is_seen(tmp_path: Path) -> None:
    with running_gateway("voice", tmp_path, cosyvoice_url=NO_ENGINE, max_upload_bytes=1_000_000) as server:
        for size in (1_100_000, 30_000_000):
            answer = requests.post(
                server.url + "/v1/voices/train",
                data={"device_id": "d", "name": "n"},
                files={"audio": b"x" * size},
                timeout=60,
            )
            assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
        # Without a length, the size shows only on the way.
        endless = requests.post(
            server.url + "/v1/voices/train",
            data=(b"x" * 65536 for _ in range(200)),
            headers={"Content-Type": "multipart/form-data; boundary=b"},
            timeout=60,
        )
        assert endless.status_code in (400, 413)
        assert list((tmp_path / "voice_data" / "incoming").iterdir()) == []


def peak_memory(pid: int) -> int:
    """The most resident memory that a process ever had, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def test_a_large_upload_takes_no_memory(tmp_path: Path) -> None:
    size = 300 * 2**20
    with running_gateway(
        "voice", tmp_path, cosyvoice_url=NO_ENGINE, max_upload_bytes=2 * size, min_free_bytes=0
    ) as server:
        requests.get(server.url + "/health", timeout=10)
        before = peak_memory(server.pid)
        first = b'--b\r\nContent-Disposition: form-data; name="audio"; filename="a.wav"\r\n\r\n'
        last = b'\r\n--b\r\nContent-Disposition: form-data; name="device_id"\r\n\r\nd'
        last += b'\r\n--b\r\nContent-Disposition: form-data; name="name"\r\n\r\nn\r\n--b--\r\n'
        block = bytes(2**20)
        with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)) as connection:
            connection.putrequest("POST", "/v1/voices/train")
            connection.putheader("Content-Type", "multipart/form-data; boundary=b")
            connection.putheader("Content-Length", str(size + len(first) + len(last)))
            connection.endheaders(first)
            for _ in range(size // len(block)):
                connection.send(block)
            connection.send(last)
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
        assert peak_memory(server.pid) - before < 32 * 2**20


def raw(server: Server, *parts: bytes, pause: float = 0.0) -> bytes:
    """What the server says to bytes that no client library would send."""
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=30)) as connection:
        try:
            for part in parts:
                connection.sendall(part)
                time.sleep(pause)
        except OSError:
            pass
        received = b""
        try:
            while block := connection.recv(65536):
                received += block
                if b"\r\n\r\n" in received and b"}" in received:
                    break
        except OSError:
            pass
        return received


def test_heads_are_bounded(bench: VoiceBench) -> None:
    server = bench.gateway
    long = raw(server, b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-A: " + b"a" * 40_000 + b"\r\n\r\n")
    assert b" 431 " in long.splitlines()[0]
    endless = raw(server, b"GET /health HTTP/1.1\r\nHost: localhost\r\n", *[b"X-A: " + b"a" * 8000 + b"\r\n"] * 200)
    assert endless == b"" or b" 431 " in endless.splitlines()[0]
    assert requests.get(server.url + "/health", timeout=10).status_code == 200


def test_a_stalled_upload_is_given_up(tmp_path: Path) -> None:
    """The front ends it, and the entry keeps nothing of it."""
    with running_gateway("voice", tmp_path, cosyvoice_url=NO_ENGINE) as server:
        bounds = {"front_body_bytes": 1, "front_idle_timeout": 1, "front_answer_timeout": 3}
        with running_front(tmp_path / "front", voice=f"127.0.0.1:{server.port}", **bounds) as front:
            head = b"POST /v1/voices/train HTTP/1.1\r\nHost: localhost\r\n"
            form = b"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000\r\n\r\n--b\r\n"
            with socket.create_connection(("127.0.0.1", front.voice_port), timeout=30) as connection:
                connection.sendall(head + form)
                assert connection.recv(16).split()[1] in (b"408", b"504")
        incoming = tmp_path / "voice_data" / "incoming"
        deadline = time.monotonic() + 10
        while list(incoming.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert list(incoming.iterdir()) == []


@pytest.mark.parametrize("entry", ["voice", "video"])
def test_a_full_entry_still_reports_its_health(tmp_path: Path, entry: str) -> None:
    """Else a host's health check would take a busy entry for a dead one."""
    folders = {"media_dir": tmp_path / "media"} if entry == "video" else {"cosyvoice_url": NO_ENGINE}
    with running_gateway(entry, tmp_path, max_connections=2, **folders) as server:
        upload = b"POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n"
        upload += b"Content-Type: multipart/form-data; boundary=b\r\n\r\n"
        with ExitStack() as busy:
            for _ in range(5):
                connection = busy.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=30))
                connection.sendall(upload.replace(b"/upload", b"/v1/voices/train") if entry == "voice" else upload)
            deadline = time.monotonic() + 10
            while requests.get(server.url + "/metrics", timeout=10).status_code != 503:
                assert time.monotonic() < deadline
            health = requests.get(server.url + "/health", timeout=10)
            assert (health.status_code, health.json()["message"]) == (200, "ok")
            assert requests.get(server.url + "/ready", timeout=10).json().get("code") != "overloaded"


def test_many_parts_and_huge_fields_are_refused(bench: VoiceBench) -> None:
    url = bench.url + "/v1/voices/train"
    many = requests.post(url, files=[(f"f{n}", b"x") for n in range(900)], timeout=30)
    assert (many.status_code, many.json()["code"]) == (400, "invalid_multipart")
    huge = requests.post(url, files={"name": (None, b"x" * 200_000)}, timeout=30)
    assert huge.status_code == 413


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--b",
        b"--b\r\n\r\n",
        b'--b\r\nContent-Disposition: form-data; name="audio"\r\n\r\nno end',
        b"--b\r\n" + b"X: y\r\n" * 50 + b"\r\n--b--\r\n",
        b"\xff" * 500,
    ],
)
def test_broken_forms_are_a_400_and_leave_nothing(bench: VoiceBench, body: bytes) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = requests.post(bench.url + "/v1/voices/train", data=body, headers=headers, timeout=30)
    assert answer.status_code == 400
    assert answer.json()["code"] in ("invalid_multipart", "missing_field")
    assert list((bench.data() / "incoming").iterdir()) == []


@pytest.mark.parametrize(
    "path", ["/files/../gateway.sqlite3", "/files/%2e%2e%2fgateway.sqlite3", "/files/x.wav", "/files/."]
)
def test_files_can_not_be_guessed_or_escaped_from(bench: VoiceBench, path: str) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", bench.gateway.port, timeout=10)) as connection:
        connection.request("GET", path)
        assert connection.getresponse().status == 404


def test_browsers_may_call_only_from_origins_that_are_set(tmp_path: Path, bench: VoiceBench) -> None:
    asked = {"Origin": "https://app.example"}
    assert "Access-Control-Allow-Origin" not in requests.get(bench.url + "/health", headers=asked, timeout=10).headers
    with running_gateway("voice", tmp_path, cosyvoice_url=NO_ENGINE, cors_origins="https://app.example") as server:
        answer = requests.get(server.url + "/health", headers=asked, timeout=10)
        assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example"
        other = requests.get(server.url + "/health", headers={"Origin": "https://evil.example"}, timeout=10)
        assert "Access-Control-Allow-Origin" not in other.headers
