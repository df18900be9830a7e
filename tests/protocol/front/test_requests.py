"""What the front lets through, what it adds, and what it says where it does not."""

from __future__ import annotations

import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.support.certificates import make_certificate
from tests.support.front import Front, configuration, haproxy, running_front
from tests.support.raw_http import connected, until
from tests.support.standin_gateway import PIECE, Gateway

ENGLISH = {"Accept-Language": "en-GB,zh;q=0.4"}


@pytest.fixture
def front(tmp_path: Path, gateway: Gateway) -> Iterator[Front]:
    with running_front(tmp_path, voice=gateway.address, video=gateway.address) as running:
        yield running


def test_the_configuration_of_a_host_is_valid(tmp_path: Path) -> None:
    file = tmp_path / "haproxy.cfg"
    file.write_text(configuration(), encoding="utf-8")
    checked = subprocess.run([haproxy(), "-c", "-f", str(file)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    warnings = [line for line in checked.stderr.splitlines() if "[WARNING]" in line]
    # Here nobody knows the gateways' names.
    assert [line for line in warnings if "could not resolve address" not in line] == []


def test_both_entries_reach_their_gateway_with_the_clients_address(front: Front) -> None:
    forged = {"X-Forwarded-For": "203.0.113.1", "Forwarded": "for=203.0.113.1", "X-Forwarded-Proto": "https"}
    for entry in (front.voice, front.video):
        answer = requests.get(f"{entry}/health?a=b", headers=forged, timeout=10).json()
        assert answer["path"] == "/health?a=b"
        headers = {name.lower(): value for name, value in answer["headers"].items()}
        assert headers["x-forwarded-for"] == "127.0.0.1"
        assert headers["x-forwarded-proto"] == "http"
        assert "forwarded" not in headers


def test_http_1_0_gets_an_answer_without_chunks(front: Front) -> None:
    with connected(front.voice_port) as client:
        status, headers, body = client.send("GET /pieces?0 HTTP/1.0").answer()
    assert status == 200
    assert "transfer-encoding" not in headers
    assert body == PIECE * 5


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:9090", "[::1]:9090", "localhost", "LOCALHOST:9090", "gpu-1.example", "203.0.113.9"]
)
def test_addresses_and_known_names_are_let_in(front: Front, host: str) -> None:
    assert requests.get(front.voice, headers={"Host": host}, timeout=10).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:9090", "127.0.0.1.evil.example", "a.gpu-1.example"])
def test_a_foreign_host_name_is_rejected(front: Front, host: str) -> None:
    answer = requests.get(front.voice, headers={"Host": host, **ENGLISH}, timeout=10)
    assert (answer.status_code, answer.json()["code"]) == (421, "unknown_host")
    assert "front_hosts" in answer.json()["message"]


OLD = "GET / HTTP/1.0"


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ((OLD,), 200),
        ((OLD, "Host: x"), 200),
        ((OLD, "Host: My_Server-1:9090"), 200),
        ((OLD, "Host: evil.example"), 421),
        ((OLD, "Host: x."), 421),
        ((OLD, "Host:"), 421),
        ((OLD, "Host: x", "Origin: http://x"), 421),
        ((OLD, "Host: x", "Referer: http://x/"), 421),
        ((OLD, "Host: x", "Sec-Fetch-Site: same-origin"), 421),
        (("GET / HTTP/1.1", "Host: x", "Connection: close"), 421),
    ],
)
def test_only_a_program_of_http_1_0_may_send_any_word(front: Front, lines: tuple[str, ...], status: int) -> None:
    with connected(front.voice_port) as client:
        assert client.send(*lines).answer()[0] == status


def test_a_request_without_a_host_gets_a_sentence(front: Front) -> None:
    with connected(front.voice_port) as client:
        status, headers, body = client.send("GET / HTTP/1.1", "Connection: close").answer()
    assert status == 400
    assert headers["content-type"] == "application/json"
    assert '"code":"invalid_http"' in body.decode()
    assert "请求不符合 HTTP 协议" in body.decode()


@pytest.mark.parametrize(
    "lines",
    [
        ["SSH-2.0-client"],
        ["GET / HTTP/1.1", "Host: localhost", "Bad Header: x"],
        ["GET / HTTP/1.1", "Host: localhost", "Host: evil.example"],
        ["POST / HTTP/1.1", "Host: localhost", "Content-Length: 1", "Content-Length: 2"],
        ["POST / HTTP/1.1", "Host: localhost", "Content-Length: -1"],
        ["POST / HTTP/1.1", "Host: localhost", "Transfer-Encoding: xchunked"],
        ["GET / HTTP/1.1", "Host: localhost", f"X-Long: {'x' * 60_000}"],
    ],
)
def test_what_is_no_request_never_reaches_the_gateway(front: Front, lines: list[str]) -> None:
    with connected(front.voice_port) as client:
        status, _, body = client.send(*lines).answer()
    assert status in (400, 422)
    assert b"headers" not in body


def test_a_request_hidden_in_a_body_is_no_request(front: Front, gateway: Gateway) -> None:
    """Content-Length and Transfer-Encoding at once: the hidden request is neither answered nor passed on as such."""
    hidden = b"0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with connected(front.voice_port) as client:
        client.send(
            "POST /shown HTTP/1.1",
            "Host: localhost",
            f"Content-Length: {len(hidden)}",
            "Transfer-Encoding: chunked",
            "Connection: close",
            body=hidden,
        )
        _, _, body = client.answer()
    assert b"/hidden" not in body


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "zh"),
        ("en", "en"),
        ("en-US,en;q=0.9", "en"),
        ("zh-CN,en;q=0.8", "zh"),
        ("en;q=0.3,zh;q=0.9", "zh"),
        ("fr", "zh"),
    ],
)
def test_the_sentence_is_in_the_clients_language(tmp_path: Path, header: str, language: str) -> None:
    with running_front(tmp_path, front_hold_seconds=1) as front:
        answer = requests.get(front.voice, headers={"Accept-Language": header}, timeout=10)
    assert answer.status_code == 503
    assert answer.headers["Content-Language"] == language
    assert int(answer.headers["Retry-After"]) > 0
    expected = "服务正在重启" if language == "zh" else "The service is restarting"
    assert answer.json()["message"].startswith(expected)
    assert answer.json()["code"] == "shutting_down"


def test_the_gateways_own_failures_go_through_as_they_are(front: Front) -> None:
    answer = requests.get(f"{front.voice}/fails", timeout=10)
    assert (answer.status_code, answer.json()["code"]) == (502, "engine_failed")


def test_pieces_arrive_one_by_one(front: Front) -> None:
    with requests.get(f"{front.voice}/pieces?0.2", stream=True, timeout=10) as answer:
        arrived = [(time.monotonic(), piece) for piece in answer.raw.stream(len(PIECE))]
    assert b"".join(piece for _, piece in arrived) == PIECE * 5
    assert arrived[-1][0] - arrived[0][0] > 0.4


def test_tls_with_a_certificate_of_the_users_own(tmp_path: Path, gateway: Gateway) -> None:
    made = make_certificate(tmp_path, "localhost")
    tls = {"front_tls": "files", "_front_tls_file": str(made.pem)}
    with running_front(tmp_path / "front", voice=gateway.address, **tls) as front:
        url = f"https://localhost:{front.voice_port}/"
        answer = requests.get(url, verify=str(made.certificate), timeout=10)
        assert answer.json()["headers"]["x-forwarded-proto"] == "https"
        older = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        older.check_hostname, older.verify_mode = False, ssl.CERT_NONE
        older.minimum_version = older.maximum_version = ssl.TLSVersion.TLSv1_2
        with connected(front.voice_port) as client:
            client.socket = older.wrap_socket(client.socket)
            assert client.socket.version() == "TLSv1.2"


def test_the_log_repeats_nothing_that_a_client_wrote(tmp_path: Path) -> None:
    word = "TypeError-no-valid-model_type"
    with running_front(tmp_path, front_hold_seconds=1) as front:
        requests.get(f"{front.voice}/{word}", headers={"User-Agent": word}, timeout=10)
        with connected(front.voice_port) as client:
            client.send(f"{word} /{word}", f"{word}: {word}").answer()
        until(lambda: all(f'"status":{status}' in front.process.output() for status in (503, 400)))
        assert word.lower() not in front.process.output().lower()
