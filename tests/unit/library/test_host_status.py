"""The status table's rows: entries and queues over real sockets, the doctor's report from a file."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import pytest

from module_utils.entry_client import Tls
from tests.support.certificates import Certificate, make_certificate
from tests.support.entry_server import serving
from tests.support.library_modules import load_library_module

ROOT = Path(__file__).resolve().parents[3]
METRICS = """\
# HELP twinport_tasks_waiting Tasks that wait for an engine.
# TYPE twinport_tasks_waiting gauge
twinport_tasks_waiting 12.0
twinport_tasks_running 1.0
twinport_engines{state="free"} 0.0
twinport_queue_length 3.0
"""


@pytest.fixture(scope="module")
def status() -> ModuleType:
    """The Ansible module as a Python module."""
    return load_library_module("host_status")


class Gateway:
    """Answers as an entry that wants the key `right`."""

    def __init__(self, *, ready: bool = True) -> None:
        self.ready = ready

    def __call__(self, request: BaseHTTPRequestHandler, _body: bytes) -> tuple[int, Any]:
        if request.path == "/health":
            return 200, {"message": "ok", "version": "1.2.3"}
        if request.path == "/ready":
            return (200, {"state": "ready"}) if self.ready else (503, {"message": "the engine is starting"})
        if request.headers["X-API-Key"] != "right":
            return 401, {"message": "an API key is needed"}
        return 200, METRICS


def rows(
    status: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    *,
    key: str,
    ready: bool = True,
    certificate: Certificate | None = None,
) -> dict[str, tuple[bool, str]]:
    for kind in ("voice", "video"):
        (folder / kind).mkdir()
        (folder / kind / "api_keys").write_text(f"# the client's\n\n{key}  # Anna\nanother\n")
    tls = Tls("gpu-1.example", certificate.certificate.read_text()) if certificate else None
    with serving(Gateway(ready=ready), raw=True, certificate=certificate) as entry:
        monkeypatch.setattr(status, "_ENTRIES", dict.fromkeys(("voice", "video"), urlsplit(entry.url).netloc))
        return {row["name"]: (row["ok"], row["detail"]) for row in status.entry_rows(str(folder), tls)}


def test_entries_report_their_version_and_their_queues(
    status: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert rows(status, monkeypatch, tmp_path, key="right") == {
        "voice entry": (True, "ready, version 1.2.3"),
        "voice queue": (True, "3 waiting"),
        "video entry": (True, "ready, version 1.2.3"),
        "video queue": (True, "12 waiting, 1 at work"),
    }


def test_entries_behind_tls_are_asked_by_the_certificates_name(
    status: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    certificate = make_certificate(tmp_path, "gpu-1.example")
    told = rows(status, monkeypatch, tmp_path, key="right", certificate=certificate)
    assert told["voice entry"] == (True, "ready, version 1.2.3")
    assert told["video queue"] == (True, "12 waiting, 1 at work")


def test_a_key_that_is_not_known_hides_the_queue_only(
    status: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told = rows(status, monkeypatch, tmp_path, key="wrong", ready=False)
    assert told["voice entry"] == (False, "the engine is starting, version 1.2.3")
    assert told["voice queue"] == (True, "unknown: the entry requires an API key that is not in its files of keys")


def test_an_entry_that_is_not_there_is_one_row(
    status: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with serving(Gateway()) as entry:
        closed = entry.url
    monkeypatch.setattr(status, "_ENTRIES", {"voice": urlsplit(closed).netloc})
    (row,) = status.entry_rows(str(tmp_path), None)
    assert (row["name"], row["ok"]) == ("voice entry", False)
    assert "refuses connections" in row["detail"]


@pytest.mark.parametrize(("language", "title"), [("en", "The driver does not answer"), ("zh", "驱动没有应答")])
def test_findings_are_shown_as_sentences(status: ModuleType, tmp_path: Path, language: str, title: str) -> None:
    finding = {"id": "driver-failed", "title": {"en": "The driver does not answer", "zh": "驱动没有应答"}}
    (tmp_path / "doctor").mkdir()
    (tmp_path / "doctor" / "report.json").write_text(json.dumps({"healthy": False, "findings": [finding]}))
    assert status.doctor_row(str(tmp_path), language) == {"name": "doctor", "ok": False, "detail": title}
