"""What pages of other web sites may not do; programs, the entries' own pages and allowed origins go on as before."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.support.raw_http import connected
from tests.support.servers import Server, running_gateway

ALLOWED = "https://app.example"
JSON = {"Content-Type": "application/json"}
# What changes something, at either entry: method, path, body, headers.
Change = tuple[str, str, bytes, Mapping[str, str]]
FORM = {"Content-Type": "multipart/form-data; boundary=b"}
CHANGES: Mapping[str, list[Change]] = {
    "voice": [
        ("POST", "/v1/tts", b"{}", JSON),
        ("POST", "/v1/audio/speech", b"{}", JSON),
        ("POST", "/v1/voices/train", b"--b--", FORM),
        ("PATCH", "/v1/voices/v_1", b"{}", JSON),
        ("DELETE", "/v1/voices/v_1?device_id=d", b"", {}),
    ],
    "video": [
        ("POST", "/easy/submit", b"{}", JSON),
        ("POST", "/upload", b"--b--", FORM),
        ("DELETE", "/easy/task/1", b"", {}),
        ("POST", "/easy/anything", b"{}", JSON),
        ("GET", "/easy/anything", b"", {}),
    ],
}
EVERY_CHANGE = [
    pytest.param(entry, change, id=f"{change[0]} {change[1]}") for entry in CHANGES for change in CHANGES[entry]
]
FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    {"Origin": "http://localhost:1", "Sec-Fetch-Site": "same-site"},
    {"Origin": "null"},
    {"Origin": "file://"},
    {"Origin": "http://["},
    {"Origin": "http://localhost.evil.example"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]


@pytest.fixture(scope="module")
def entries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Server]]:
    folder = tmp_path_factory.mktemp("sites")
    common = {"cors_origins": ALLOWED, "allowed_hosts": "gpu-1.example, Gpu-2", "min_free_bytes": 0}
    with ExitStack() as stack:
        voice = running_gateway("voice", folder, cosyvoice_url="http://127.0.0.1:9", **common)
        video = running_gateway("video", folder, duix_url="http://127.0.0.1:9", media_dir=folder / "media", **common)
        yield {"voice": stack.enter_context(voice), "video": stack.enter_context(video)}


def ask(server: Server, change: Change, **headers: str) -> tuple[int, str]:
    """Status and error code of the answer; names with underscores stand for dashes."""
    method, path, body, own = change
    named = {
        "Host": f"127.0.0.1:{server.port}",
        **own,
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)) as connection:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in named.items():
            connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        content = json.loads(answer.read())
    return answer.status, str(content.get("error", content).get("code"))


@pytest.mark.parametrize(("entry", "change"), EVERY_CHANGE)
def test_no_other_site_changes_anything(entries: Mapping[str, Server], entry: str, change: Change) -> None:
    for headers in FOREIGN:
        assert ask(entries[entry], change, **headers) == (403, "cross_site"), headers


@pytest.mark.parametrize(("entry", "change"), EVERY_CHANGE)
def test_own_pages_allowed_origins_and_programs_get_through(
    entries: Mapping[str, Server], entry: str, change: Change
) -> None:
    server = entries[entry]
    own = f"http://127.0.0.1:{server.port}"
    as_program = ask(server, change)
    assert as_program[1] != "cross_site"
    for headers in (
        {"Origin": own},
        {"Origin": own, "Sec_Fetch_Site": "same-origin"},
        {"Sec_Fetch_Site": "none"},
        {"Origin": f"https://gpu-1.example:{server.port}", "Host": f"gpu-1.example:{server.port}"},
        {"Origin": ALLOWED},
        {"Origin": ALLOWED, "Sec_Fetch_Site": "cross-site"},
    ):
        assert ask(server, change, **headers) == as_program, headers


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
@pytest.mark.parametrize(
    "sign", [{"Origin": ALLOWED}, {"Referer": "https://evil.example/"}, {"Sec-Fetch-Site": "none"}]
)
@pytest.mark.parametrize(("entry", "path"), [("voice", "/v1/tts"), ("video", "/easy/submit")])
def test_a_page_sends_json_as_json(
    entries: Mapping[str, Server], entry: str, path: str, sign: dict[str, str], kind: str
) -> None:
    """A browser asks for leave before it sends that to another site."""
    change: Change = ("POST", path, b"{}", {"Content-Type": kind} if kind else {})
    assert ask(entries[entry], change, **sign) == (415, "not_json")
    assert ask(entries[entry], change) == (400, "missing_field")


@pytest.mark.parametrize("entry", ["voice", "video"])
def test_reading_is_not_refused(entries: Mapping[str, Server], entry: str) -> None:
    assert ask(entries[entry], ("GET", "/health", b"", {}), Origin="https://evil.example")[0] == 200


@pytest.mark.parametrize("entry", ["voice", "video"])
@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:9090",
        "127.0.0.1.evil.example",
        "a.gpu-1.example",
        "localhost.",
        "[::1",
        "",
        "::1]:80",
    ],
)
def test_a_name_that_somebody_made_point_here_is_refused(entries: Mapping[str, Server], entry: str, host: str) -> None:
    reading: Change = ("GET", {"voice": "/v1/voices?device_id=d", "video": "/easy/tasks"}[entry], b"", {})
    for change in (reading, ("GET", "/health", b"", {}), *CHANGES[entry]):
        assert ask(entries[entry], change, Host=host) == (421, "unknown_host")


@pytest.mark.parametrize("entry", ["voice", "video"])
@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "203.0.113.9:9090", "[::1]:9090", "[2001:db8::1]", "LOCALHOST:8383", "GPU-1.example", "gpu-2:9090"],
)
def test_addresses_and_known_names_are_let_in(entries: Mapping[str, Server], entry: str, host: str) -> None:
    assert ask(entries[entry], ("GET", "/health", b"", {}), Host=host)[0] == 200


OLD = "GET /health HTTP/1.0"


@pytest.mark.parametrize("entry", ["voice", "video"])
@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ((OLD, "Host: x"), 200),
        ((OLD, "Host: My_Server-1:9090"), 200),
        ((OLD, "Host: evil.example"), 421),
        ((OLD, "Host: x."), 421),
        ((OLD, "Host:"), 421),
        ((OLD, "Host: x", "Host: evil.example"), 421),
        ((OLD, "Host: x", "Origin: http://x"), 421),
        ((OLD, "Host: x", "Referer: http://x/"), 421),
        ((OLD, "Host: x", "Sec-Fetch-Site: same-origin"), 421),
        (("GET /health HTTP/1.1", "Host: x", "Connection: close"), 421),
    ],
)
def test_only_a_program_of_http_1_0_may_send_any_word(
    entries: Mapping[str, Server], entry: str, lines: tuple[str, ...], status: int
) -> None:
    """HTTP/1.0 has no Host, no browser speaks it, and an old proxy passes on what a browser says of its page."""
    with connected(entries[entry].port) as client:
        assert client.send(*lines).answer()[0] == status


def test_without_settings_only_addresses_and_localhost_are_let_in(tmp_path: Path) -> None:
    with running_gateway("voice", tmp_path, cosyvoice_url="http://127.0.0.1:9") as server:
        assert ask(server, ("GET", "/health", b"", {}), Host="gpu-1.example") == (421, "unknown_host")
        assert ask(server, CHANGES["voice"][0], Origin=ALLOWED) == (403, "cross_site")
        with connected(server.port) as client:  # a program of HTTP/1.0 names no host
            assert client.send("GET /health HTTP/1.0").answer()[0] == 200


def test_a_star_lets_everybody_in(tmp_path: Path) -> None:
    with running_gateway(
        "voice", tmp_path, cosyvoice_url="http://127.0.0.1:9", cors_origins="*", allowed_hosts="*"
    ) as server:
        assert (
            ask(server, CHANGES["voice"][0], Host="any.example", Origin="https://other.example")[1] == "missing_field"
        )
