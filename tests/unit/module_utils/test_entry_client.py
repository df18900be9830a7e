"""The self-test's HTTP client, over real sockets."""

from __future__ import annotations

import socket
from dataclasses import replace
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler

import pytest

from module_utils import entry_client
from module_utils.entry_client import Answer, Entry, EntryError, Tls, UnreachableError
from tests.support.certificates import Certificate, make_certificate
from tests.support.entry_server import serving


def test_a_form_has_its_fields_first_its_file_last_and_its_exact_length() -> None:
    seen = {}

    def respond(request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, object]:
        head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
        seen["parts"] = BytesParser().parsebytes(head + body).get_payload()
        seen["key"] = request.headers["X-API-Key"]
        return 200, {}

    with serving(respond) as entry:
        entry.post_file("/upload", {"name": "样本"}, "audio", "声音 1.wav", b"RIFF\r\n--\0").require_ok()
    name, audio = seen["parts"]
    assert name.get_payload(decode=True).decode() == "样本"
    assert audio.get_payload(decode=True) == b"RIFF\r\n--\0"
    assert audio.get_content_type() == "application/octet-stream"
    assert seen["key"] == "secret"


def test_503_is_waited_out_as_long_as_patience_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry_client, "_RETRY_SECONDS", 0.01)
    calls = []

    def respond(request: BaseHTTPRequestHandler, _: bytes) -> tuple[int, object]:
        calls.append(request.path)
        return (503, {}) if len(calls) < 3 else (200, {})

    with serving(respond) as entry:
        assert entry.get("/ready").status == 503
        assert Entry(entry.url, patience=5).get("/ready").status == 200


def test_a_refusal_carries_the_entrys_sentence_and_the_request() -> None:
    with (
        serving(lambda *_: (400, {"message": "The text is empty.", "code": "text_empty"})) as entry,
        pytest.raises(EntryError, match=r"HTTP 400: The text is empty\. \(request req-1\)"),
    ):
        entry.post_json("/v1/tts", {}).require_ok()


def test_an_answer_that_is_no_object_is_an_error() -> None:
    for body in (b"<html>", b"[]", b"\xff"):
        with pytest.raises(EntryError):
            Answer(200, body).json()


def test_a_closed_port_and_a_silent_host_are_distinguished() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(UnreachableError) as refused:
            Entry(url, timeout=1).get("/")
        assert refused.value.refused
        listener.listen(1)
        with pytest.raises(UnreachableError) as silent:
            Entry(url, timeout=0.2).get("/")
        assert not silent.value.refused


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """One for a name that no name server knows."""
    return make_certificate(tmp_path_factory.mktemp("tls"), "voice.example")


def seen_host(request: BaseHTTPRequestHandler, _: bytes) -> tuple[int, object]:
    return 200, {"host": request.headers["Host"]}


def test_an_entry_at_an_address_proves_its_name(certificate: Certificate) -> None:
    with serving(seen_host, certificate=certificate) as entry:
        named = replace(entry, tls=Tls("voice.example", certificate.certificate.read_text()))
        assert named.get("/health").json() == {"host": "voice.example"}


def test_another_name_and_an_unknown_authority_are_refused(certificate: Certificate) -> None:
    with serving(seen_host, certificate=certificate) as entry:
        other = replace(entry, tls=Tls("video.example", certificate.certificate.read_text()))
        with pytest.raises(EntryError, match=r"not accepted: .*'video\.example'"):
            other.get("/health")
        with pytest.raises(EntryError, match="not accepted: self-signed"):
            replace(entry, tls=Tls("voice.example")).get("/health")


def test_certificates_that_are_none_are_reported() -> None:
    with pytest.raises(EntryError, match="can't be read"):
        Tls("voice.example", "no certificate").context()
