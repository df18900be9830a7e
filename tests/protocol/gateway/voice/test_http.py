"""HTTP as people's clients speak it: old versions, compressed bodies, wrong addresses, other methods, other sites."""

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.front import running_front
from tests.support.raw_http import connected
from tests.support.servers import Server, running_gateway
from tests.support.voice import VoiceBench

BODY = json.dumps({"voice": "alloy", "input": "Over old wires.", "response_format": "wav"}).encode()
ENGLISH = {"Accept-Language": "en"}


def spoken_over_http_1_0(port: int, body: bytes) -> tuple[int, dict[str, str], bytes]:
    with connected(port) as client:
        head = ("POST /v1/audio/speech HTTP/1.0", "Host: x", f"Content-Length: {len(body)}")
        return client.send(*head, body=body).answer()


@pytest.mark.parametrize("kind", ["wav", "pcm", "mp3"])
def test_http_1_0_has_no_chunks(bench: VoiceBench, tmp_path: Path, kind: str) -> None:
    with running_front(tmp_path / "front", voice=f"127.0.0.1:{bench.gateway.port}") as front:
        for port in (bench.gateway.port, front.voice_port):
            text = {"voice": "alloy", "input": f"Through {port} as {kind}.", "response_format": kind}
            streamed = spoken_over_http_1_0(port, json.dumps(text).encode())
            stored = spoken_over_http_1_0(port, json.dumps(text).encode())
            for status, headers, content in (streamed, stored):
                assert status == 200
                assert "transfer-encoding" not in headers
                start = {"wav": b"RIFF", "pcm": content[:4], "mp3": b"\xff"}[kind]
                assert content.startswith(start)
            # What is stored has its length in its head.
            skip = {"wav": 44, "pcm": 0, "mp3": streamed[2].find(b"\xff\xf3", 4)}[kind]
            assert 0 <= skip < 1000
            assert streamed[2][skip:] == stored[2][skip:]


def test_http_1_0_gets_events_and_lists_too(bench: VoiceBench) -> None:
    body = json.dumps({"input": "Hello.", "stream_format": "sse"}).encode()
    _, headers, content = spoken_over_http_1_0(bench.gateway.port, body)
    assert "transfer-encoding" not in headers
    assert content.startswith(b"data: {")
    with connected(bench.gateway.port) as client:
        status, headers, content = client.send("GET /v1/models HTTP/1.0").answer()
    assert (status, len(content)) == (200, int(headers["content-length"]))


def raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(BODY, mtime=0)),
        ("GZIP", gzip.compress(BODY, mtime=0)),
        ("x-gzip", gzip.compress(BODY, mtime=0)),
        ("deflate", zlib.compress(BODY)),
        ("deflate", raw_deflate(BODY)),
        ("identity", BODY),
    ],
)
def test_compressed_json_is_read(bench: VoiceBench, coding: str, body: bytes) -> None:
    headers = {"Content-Encoding": coding, "Content-Type": "application/json"}
    answer = requests.post(bench.url + "/v1/audio/speech", data=body, headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text
    # The same in pieces of unknown length.
    pieces = (body[at : at + 7] for at in range(0, len(body), 7))
    answer = requests.post(bench.url + "/v1/audio/speech", data=pieces, headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("coding", "body", "status", "code"),
    [
        ("br", b"\x0b", 415, "unsupported_encoding"),
        ("zstd", b"\x28\xb5\x2f\xfd", 415, "unsupported_encoding"),
        ("gzip, gzip", gzip.compress(gzip.compress(BODY, mtime=0), mtime=0), 415, "unsupported_encoding"),
        ("gzip", BODY, 400, "invalid_encoding"),
        ("gzip", gzip.compress(BODY, mtime=0)[:-9], 400, "invalid_encoding"),
        ("gzip", gzip.compress(BODY, mtime=0) + b"rest", 400, "invalid_encoding"),
        ("deflate", b"\xff\xff\xff", 400, "invalid_encoding"),
        ("gzip", gzip.compress(b"not json", mtime=0), 400, "invalid_json"),
        ("gzip", b"", 400, "invalid_json"),
        ("gzip", gzip.compress(b" " * 50_000_000, mtime=0), 413, "body_too_large"),
    ],
)
def test_what_cannot_be_decompressed_gets_a_sentence(
    bench: VoiceBench, coding: str, body: bytes, status: int, code: str
) -> None:
    for path, own in (("/v1/audio/speech", False), ("/v1/tts", True)):
        headers = {"Content-Encoding": coding, **ENGLISH}
        answer = requests.post(bench.url + path, data=body, headers=headers, timeout=60)
        error = answer.json() if own else answer.json()["error"]
        assert (answer.status_code, error["code"]) == (status, code)
        assert error["message"].isascii()
    if status == 415:
        assert answer.headers["Accept-Encoding"] == "gzip, deflate"


def test_compressed_uploads_are_refused(bench: VoiceBench) -> None:
    answer = requests.post(
        bench.url + "/v1/voices/train",
        data={"device_id": "d", "name": "n"},
        files={"audio": ("a.wav", b"RIFF")},
        headers={"Content-Encoding": "gzip"},
        timeout=10,
    )
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_encoding")


SERVED = [
    "/audio/speech",
    "//v1/audio/speech",
    "/v1/v1/audio/speech",
    "/v1/audio/speech/",
    "/v1/audio/speech/audio/speech",
    "/api/v1/audio/speech",
    "/v1//audio//speech//",
]


@pytest.mark.parametrize("path", SERVED)
def test_a_wrong_base_address_is_understood(bench: VoiceBench, path: str) -> None:
    answer = requests.post(bench.url + path, data=BODY, headers={"Content-Type": "application/json"}, timeout=60)
    assert (answer.status_code, answer.content[:4]) == (200, b"RIFF")


@pytest.mark.parametrize(
    "path", ["/models", "/v1/models/", "/v1/v1/models", "//v1/models", "/audio/voices/", "/health/"]
)
def test_lists_are_found_as_well(bench: VoiceBench, path: str) -> None:
    answer = requests.get(bench.url + path, timeout=10)
    assert answer.status_code == 200
    assert requests.head(bench.url + path, timeout=10).status_code == 200


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/speech", "/v1", "/v1/", "/v1/audio/transcriptions"])
def test_openais_other_routes_name_the_right_one(bench: VoiceBench, path: str) -> None:
    for language, word in (("en", "POST /v1/audio/speech"), ("zh", "基础地址")):
        answer = requests.post(bench.url + path, json={}, headers={"Accept-Language": language}, timeout=10)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["type"]) == (404, "not_found", "invalid_request_error")
        assert word in error["message"]


@pytest.mark.parametrize("path", ["/tts", "/v2/speech", "/api/tts", "/speech"])
def test_every_other_address_names_the_right_one(bench: VoiceBench, path: str) -> None:
    answer = requests.post(bench.url + path, json={}, headers=ENGLISH, timeout=10)
    # In OpenAI's form, and in our own beside it.
    for error in (answer.json(), answer.json()["error"]):
        assert (answer.status_code, error["code"]) == (404, "not_found")
        assert "/v1/audio/speech" in error["message"]


def test_openais_request_at_our_own_route_names_the_right_one(bench: VoiceBench) -> None:
    body = {"model": "tts-1", "voice": "alloy", "input": "Hello."}
    answer = requests.post(bench.url + "/v1/tts", json=body, headers=ENGLISH, timeout=10)
    assert (answer.status_code, answer.json()["code"]) == (400, "missing_field")
    assert "POST /v1/audio/speech" in answer.json()["message"]
    # The desktop client's own requests are answered as ever.
    own = requests.post(bench.url + "/v1/tts", json={"voice_id": "v", "text": "t"}, timeout=10).json()
    assert own == {"message": "缺少参数 device_id。", "code": "missing_field"}


def test_our_own_routes_keep_their_form_of_errors(bench: VoiceBench) -> None:
    for path in ("/v1/voices/v_1/nonsense", "/v1/admin/nonsense"):
        answer = requests.get(bench.url + path, timeout=10)
        assert answer.status_code == 404
        assert set(answer.json()) == {"message", "code"}


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v1/audio/speech", {"POST", "OPTIONS"}),
        ("/v1/audio/voices", {"GET", "HEAD", "OPTIONS"}),
        ("/v1/voices/v_1", {"GET", "HEAD", "PATCH", "DELETE", "OPTIONS"}),
        ("/health", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_options_names_the_methods(bench: VoiceBench, path: str, allowed: set[str]) -> None:
    answer = requests.options(bench.url + path, timeout=10)
    assert (answer.status_code, answer.content) == (204, b"")
    assert set(answer.headers["Allow"].split(", ")) == allowed


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, bench: VoiceBench) -> Iterator[Server]:
    """The same engine behind an entry that pages of another site may use."""
    settings = {"cors_origins": "https://app.example", "cosyvoice_url": bench.engine.url, "min_free_bytes": 0}
    with running_gateway("voice", tmp_path_factory.mktemp("cors"), api_key="k", **settings) as gateway:
        yield gateway


ORIGIN = {"Origin": "https://app.example"}
# What browsers show every script.
ALWAYS = {"cache-control", "content-language", "content-length", "content-type", "expires", "last-modified", "pragma"}
TRANSPORT = {"connection", "transfer-encoding", "server", "keep-alive"}


def test_a_preflight_is_answered(shared: Server) -> None:
    asking = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,x-device-id,x-stainless-os",
        "Access-Control-Request-Private-Network": "true",
    }
    for path in ("/v1/audio/speech", "/audio/speech", "/v1/tts", "/device/d/v1/audio/speech"):
        answer = requests.options(shared.url + path, headers={**ORIGIN, **asking}, timeout=10)
        assert answer.status_code == 200
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN["Origin"]
        assert "POST" in answer.headers["Access-Control-Allow-Methods"]
        allowed = {name.strip().lower() for name in answer.headers["Access-Control-Allow-Headers"].split(",")}
        assert set(asking["Access-Control-Request-Headers"].split(",")) <= allowed
        assert answer.headers["Access-Control-Allow-Private-Network"] == "true"


def test_scripts_of_an_allowed_site_can_read_every_header(shared: Server) -> None:
    own = {**ORIGIN, "Authorization": "Bearer k"}
    speech = shared.url + "/v1/audio/speech"
    pcm: dict[str, Any] = {"input": "Hello.", "response_format": "pcm", "speed": 1.5}
    answers = [
        requests.post(speech, json=pcm, headers=own, timeout=60),
        requests.post(speech, json=pcm, headers=own, timeout=60),
        requests.post(speech, json=pcm, headers={**own, "Range": "bytes=0-9"}, timeout=60),
        requests.post(speech, json={"input": "Hello.", "stream_format": "sse"}, headers=own, timeout=60),
        requests.post(speech, json={}, headers=own, timeout=60),
        requests.post(speech, json={}, headers=ORIGIN, timeout=60),
        requests.post(speech, data=b"x", headers={**own, "Content-Encoding": "br"}, timeout=60),
        requests.get(speech, headers=own, timeout=60),
        requests.get(shared.url + "/v1/models", headers=own, timeout=60),
        requests.options(speech, headers=own, timeout=60),
        requests.post(shared.url + "/v1/voices/train/resumable", headers=own, timeout=60),
        requests.options(shared.url + "/v1/voices/train/resumable", headers=own, timeout=60),
    ]
    for answer in answers:
        exposed = {name.strip().lower() for name in answer.headers["Access-Control-Expose-Headers"].split(",")}
        hidden = {
            name
            for name in map(str.lower, answer.headers)
            if name not in exposed | ALWAYS | TRANSPORT and not name.startswith("access-control-")
        }
        assert not hidden, (answer.status_code, hidden)
