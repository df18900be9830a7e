# SPDX-License-Identifier: Apache-2.0
"""What is tried at both entries, on the host itself and from outside (Python 3.8, standard library)."""

from __future__ import annotations

import base64
import socket
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple
from urllib.parse import urljoin, urlsplit

from .entry_client import Entry, EntryError, Tls, UnreachableError, poll, query
from .media_facts import NotMediaError, read_mp4, read_wav

_DEVICE = "twinport-self-test"
# One fixed name each, so that a later run replaces the upload instead of adding one.
# A file of one key keeps its name from other keys: those that people try by hand stay free.
_TEXT_NAME = "audio_twinport_self_test.wav"
_AUDIO_NAME = "audio_00000000-0000-4000-8000-000000000000.wav"
_VIDEO_NAME = "avatar_00000000-0000-4000-8000-000000000000.mp4"
_AUDIBLE_PEAK = 0.02
_CONNECT_SECONDS = 3
_SHUT = (
    "If the host itself reaches it, something on the way blocks it: "
    "open TCP 8383 and 9090 in the provider's security group"
)
_NOT_RUNNING = "The way is open but nothing runs there: see what the host itself reports"


class Report:
    """Collects checks; a failed one never stops the others."""

    def __init__(self, outside: bool) -> None:
        self.checks: List[Dict[str, Any]] = []
        self.outside = outside

    def check(self, name: str, action: Callable[[], Tuple[str, Any]]) -> Any:
        """Run `action`, which returns (detail, value); record it and return the value, None when it failed."""
        try:
            detail, value = action()
        except (EntryError, NotMediaError, KeyError, OSError) as error:
            self.checks.append({"name": name, "ok": False, "detail": self._sentence(error)})
            return None
        self.checks.append({"name": name, "ok": True, "detail": detail})
        return value

    @property
    def ok(self) -> bool:
        """Whether every check so far holds."""
        return all(check["ok"] for check in self.checks)

    def _sentence(self, error: Exception) -> str:
        if isinstance(error, KeyError):
            return "the answer lacks %s" % error
        if self.outside and isinstance(error, UnreachableError):
            return "%s. %s" % (error, _NOT_RUNNING if error.refused else _SHUT)
        return str(error)


class VoiceTest:
    """The voice entry: alive, ready, a voice registered, a sentence spoken."""

    def __init__(self, entry: Entry, params: Mapping[str, Any]) -> None:
        self.entry, self.params, self.timeout = entry, params, params["timeout"]

    def health(self) -> Tuple[str, bool]:
        """GET /health answers `ok` whatever the engine does."""
        answer = self.entry.get("/health").require_ok().json()
        if answer["message"] != "ok":
            raise EntryError("/health says %r instead of ok" % answer["message"])
        return "the entry answers", True

    def ready(self) -> Tuple[str, bool]:
        """Wait until the engine can speak."""
        replace(self.entry, timeout=30, patience=self.timeout).get("/ready").require_ok()
        return "the engine is ready", True

    def train(self) -> Tuple[str, str]:
        """Register the reference and wait until it is usable; returns the voice's id."""
        content = base64.b64decode(self.params["reference_audio"])
        fields = {"device_id": _DEVICE, "name": "self test"}
        answer = self.entry.post_file("/v1/voices/train", fields, "audio", "reference.mp3", content)
        voice = answer.require_ok().json()["data"]["voiceId"]
        path = "/v1/voices/%s?%s" % (voice, query(device_id=_DEVICE))
        state = poll(self.timeout, 0.2, lambda: self._settled(path))
        if state is None:
            raise EntryError("voice %s was not ready within %d s" % (voice, self.timeout))
        return "voice %s is ready" % voice, voice

    def speak(self, voice: str) -> Tuple[str, bytes]:
        """Have the text spoken and download it; returns the WAV's bytes."""
        request = {"device_id": _DEVICE, "voice_id": voice, "text": self.params["text"]}
        answer = self.entry.post_json("/v1/tts", request).require_ok().json()
        url = urlsplit(urljoin(self.entry.url, answer["data"]["audioUrl"]))
        content = self.entry.get(url.path + ("?" + url.query if url.query else "")).require_ok().body
        speech = read_wav(content)
        if speech.peak < _AUDIBLE_PEAK:
            raise NotMediaError("%.1f s of WAV, but silent" % speech.seconds)
        return "%.1f s of speech at %d Hz" % (speech.seconds, speech.sample_rate), content

    def forget(self, voice: str) -> Tuple[str, bool]:
        """Delete the voice again."""
        self.entry.delete("/v1/voices/%s?%s" % (voice, query(device_id=_DEVICE))).require_ok()
        return "voice %s is deleted" % voice, True

    def _settled(self, path: str) -> Optional[Mapping[str, Any]]:
        data = self.entry.get(path).require_ok().json()["data"]
        if data["status"] == "failed":
            raise EntryError("the reference was rejected: %s" % data.get("error"))
        return data if data["status"] == "ready" else None


class VideoTest:
    """The video entry: alive, stores anything, makes a video that opens."""

    def __init__(self, entry: Entry, params: Mapping[str, Any]) -> None:
        self.entry, self.params, self.timeout = entry, params, params["timeout"]

    def health(self) -> Tuple[str, bool]:
        """The client's own probe."""
        self.entry.get("/easy/query?code=health_check").require_ok().json()
        return "the entry answers", True

    def store(self) -> Tuple[str, bool]:
        """An upload is stored as it is, whatever its content: the README's second command, under a name of our own."""
        answer = self.entry.post_file("/upload", {}, "audio", _TEXT_NAME, b"127.0.0.1 localhost\n")
        return "stored as %s" % answer.require_ok().json()["path"], True

    def make(self, speech: bytes) -> Tuple[str, bool]:
        """Upload, submit, poll and download as the client does."""
        audio = self._upload("audio", _AUDIO_NAME, speech)
        video = self._upload("video", _VIDEO_NAME, self._clip())
        code = str(uuid.uuid4())
        task = {"audio_url": audio, "video_url": video, "code": code, "chaofen": 0, "watermark_switch": 0, "pn": 1}
        taken = self.entry.post_json("/easy/submit", task).require_ok().json()
        if taken["code"] not in (0, 200, 10000):
            raise EntryError("the task was not accepted: %s" % taken)
        if poll(self.timeout, 0.5, lambda: self._finished(code)) is None:
            raise EntryError("task %s did not finish within %d s" % (code, self.timeout))
        movie = read_mp4(self.entry.get("/download?" + query(path="/%s-r.mp4" % code)).require_ok().body)
        if movie.tracks < 2:
            raise NotMediaError("the video has %d track instead of picture and sound" % movie.tracks)
        wanted = read_wav(speech).seconds
        if abs(movie.seconds - wanted) > 1:
            raise NotMediaError("the video is %.1f s long for %.1f s of speech" % (movie.seconds, wanted))
        return "%.1f s of video" % movie.seconds, True

    def _clip(self) -> bytes:
        if self.params["video_content"]:
            return base64.b64decode(self.params["video_content"])
        return Path(self.params["video"]).read_bytes()

    def _upload(self, field: str, name: str, content: bytes) -> str:
        return str(self.entry.post_file("/upload", {}, field, name, content).require_ok().json()["path"])

    def _finished(self, code: str) -> Optional[Mapping[str, Any]]:
        data = self.entry.get("/easy/query?" + query(code=code)).require_ok().json()["data"]
        if data["status"] == 3:
            raise EntryError("the task failed: %s" % data.get("msg"))
        return data if data["result"] else None


def _check_closed(report: Report, host: str, ports: Sequence[int]) -> None:
    """Check all ports at once, since each takes seconds behind a firewall that drops packets."""
    if not ports:
        return
    with ThreadPoolExecutor(len(ports)) as pool:
        probes = {port: pool.submit(_closed, host, port) for port in ports}
    for port, probe in probes.items():
        report.check("closed_%d" % port, probe.result)


def _closed(host: str, port: int) -> Tuple[str, bool]:
    """Return a check's outcome: that nothing answers on a port of the host."""
    try:
        with socket.create_connection((host, port), timeout=_CONNECT_SECONDS):
            raise EntryError("port %d is open to the outside: run the host stage (--tags host) again" % port)
    except OSError:
        return "port %d is closed" % port, True


def ask_inside(params: Mapping[str, Any]) -> Report:
    """Check both entries, with real work if ``work`` is set."""
    report = Report(outside=False)
    video = _ask_both(report, params)
    alive = report.checks[0]["ok"]
    if params["work"] and alive:
        voice = VoiceTest(_entry(params, "voice"), params)
        _work(report, voice, video if params["video"] or params["video_content"] else None)
    return report


def ask_outside(params: Mapping[str, Any]) -> Report:
    """Ask both entries from another machine, and that nothing answers on ``closed_ports``."""
    report = Report(outside=True)
    _ask_both(report, params)
    _check_closed(report, urlsplit(params["voice_url"]).hostname or "", params["closed_ports"])
    return report


def _ask_both(report: Report, params: Mapping[str, Any]) -> Optional[VideoTest]:
    """The quick checks, the voice entry's first; returns the video entry's test where that answers."""
    report.check("voice_alive", VoiceTest(_entry(params, "voice", timeout=10), params).health)
    if not report.check("video_alive", VideoTest(_entry(params, "video", timeout=10), params).health):
        return None
    video = VideoTest(_entry(params, "video"), params)
    report.check("video_store", video.store)
    return video


def _entry(params: Mapping[str, Any], which: str, timeout: Optional[float] = None) -> Entry:
    patience = 0 if timeout else params["timeout"]
    tls = Tls(**params["tls"]) if params["tls"] else None
    return Entry(params[which + "_url"], params["api_key"], timeout=timeout or 400, patience=patience, tls=tls)


def _work(report: Report, voice: VoiceTest, video: Optional[VideoTest]) -> None:
    if not report.check("voice_ready", voice.ready):
        return
    trained = report.check("voice_train", voice.train)
    if not trained:
        return
    speech = report.check("voice_speech", lambda: voice.speak(trained))
    report.check("voice_delete", lambda: voice.forget(trained))
    if speech and video:
        report.check("video_make", lambda: video.make(speech))
