#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ansible module `entry_self_test`: does real work through both entries and tells what works."""

from __future__ import annotations

DOCUMENTATION = r"""
module: entry_self_test
short_description: Prove that the voice and the video entry do their work
description:
  - Calls both entries as the desktop client does. With O(work) it registers a voice, has a sentence spoken, makes a
    video of it and opens the results; without, it only asks whether the entries answer.
  - Leaves nothing behind but the uploads of one fixed name and one finished task, which expire by themselves.
attributes:
  check_mode:
    support: full
    description: Does nothing and returns an empty list of checks.
  diff_mode:
    support: none
    description: Nothing is changed.
  idempotent:
    support: full
    description: Never reports a change.
options:
  voice_url:
    description: Base URL of the voice entry.
    type: str
    required: true
  video_url:
    description: Base URL of the video entry.
    type: str
    required: true
  api_key:
    description: Sent as C(X-API-Key) where it is not empty.
    type: str
    default: ""
  outside:
    description: The module runs on another machine than the entries; silence is then told as a shut security group.
    type: bool
    default: false
  work:
    description: Do real work instead of only asking.
    type: bool
    default: false
  reference_audio:
    description: The bytes, in base64, of a recording of some seconds of speech in any format. Needed with O(work).
    type: str
  video:
    description:
      - A clip on the host to make the video from. Without it and O(video_content), and with O(work), the video entry is
        only asked.
    type: path
  video_content:
    description: The bytes of such a clip in base64, where it is small.
    type: str
  text:
    description: What the registered voice says.
    type: str
    default: The self test of Twinport can be heard.
  closed_ports:
    description: TCP ports of the voice entry's host that must not answer.
    type: list
    elements: int
    default: []
  timeout:
    description: How long engines may take to get ready, and a task to finish, in seconds.
    type: int
    default: 600
author:
  - The Twinport developers
"""

EXAMPLES = r"""
- name: Ask both entries for real work
  entry_self_test:
    voice_url: http://127.0.0.1:9090
    video_url: http://127.0.0.1:8383
    work: true
    reference_audio: "{{ lookup('ansible.builtin.pipe', 'base64 < reference.mp3') }}"
    video: /opt/twinport/self_test/clip.mp4
  register: proof
  failed_when: not proof.ok
"""

RETURN = r"""
ok:
  description: Whether every check holds.
  returned: always
  type: bool
checks:
  description: The checks in the order they were made.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Stable name, for example C(voice_speech).
      type: str
    ok:
      description: Whether it holds.
      type: bool
    detail:
      description: What was seen, or what is wrong and what to do.
      type: str
"""

import base64
import socket
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.entry_client import Entry, EntryError, UnreachableError, poll, query
from ansible.module_utils.media_facts import NotMediaError, read_mp4, read_wav

_DEVICE = "twinport-self-test"
# One fixed name each, so that a later run replaces the upload instead of adding one.
_AUDIO_NAME = "audio_00000000-0000-4000-8000-000000000000.wav"
_VIDEO_NAME = "avatar_00000000-0000-4000-8000-000000000000.mp4"
_AUDIBLE_PEAK = 0.02
_CONNECT_SECONDS = 3
_SHUT = (
    "Where the host itself reaches it, something on the way is shut: "
    "open TCP 8383 and 9090 in the provider's security group"
)
_NOT_RUNNING = "The way is open but nothing runs there: see what the host itself reports"


class Report:
    """Collects checks; a failed one never stops the others."""

    def __init__(self, outside):
        self.checks, self.outside = [], outside

    def check(self, name, action):
        """Run `action`, which returns (detail, value); record it and return the value, None when it failed."""
        try:
            detail, value = action()
        except (EntryError, NotMediaError, KeyError, OSError) as error:
            self.checks.append({"name": name, "ok": False, "detail": self._sentence(error)})
            return None
        self.checks.append({"name": name, "ok": True, "detail": detail})
        return value

    @property
    def ok(self):
        """Whether every check so far holds."""
        return all(check["ok"] for check in self.checks)

    def _sentence(self, error):
        if isinstance(error, KeyError):
            return "the answer lacks %s" % error
        if self.outside and isinstance(error, UnreachableError):
            return "%s. %s" % (error, _NOT_RUNNING if error.refused else _SHUT)
        return str(error)


class VoiceTest:
    """The voice entry: alive, ready, a voice registered, a sentence spoken."""

    def __init__(self, entry, params):
        self.entry, self.params, self.timeout = entry, params, params["timeout"]

    def health(self):
        """GET /health answers `ok` whatever the engine does."""
        told = self.entry.get("/health").require_ok().json()
        if told["message"] != "ok":
            raise EntryError("/health says %r instead of ok" % told["message"])
        return "the entry answers", True

    def ready(self):
        """Wait until the engine can speak."""
        answer = Entry(self.entry.url, self.entry.api_key, patience=self.timeout).get("/ready")
        answer.require_ok()
        return "the engine is ready", True

    def train(self):
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

    def speak(self, voice):
        """Have the text spoken and download it; returns the WAV's bytes."""
        request = {"device_id": _DEVICE, "voice_id": voice, "text": self.params["text"]}
        answer = self.entry.post_json("/v1/tts", request).require_ok().json()
        url = urlsplit(urljoin(self.entry.url, answer["data"]["audioUrl"]))
        content = self.entry.get(url.path + ("?" + url.query if url.query else "")).require_ok().body
        speech = read_wav(content)
        if speech.peak < _AUDIBLE_PEAK:
            raise NotMediaError("%.1f s of WAV, but silent" % speech.seconds)
        return "%.1f s of speech at %d Hz" % (speech.seconds, speech.sample_rate), content

    def forget(self, voice):
        """Delete the voice again."""
        self.entry.delete("/v1/voices/%s?%s" % (voice, query(device_id=_DEVICE))).require_ok()
        return "voice %s is deleted" % voice, True

    def _settled(self, path):
        data = self.entry.get(path).require_ok().json()["data"]
        if data["status"] == "failed":
            raise EntryError("the reference was rejected: %s" % data.get("error"))
        return data if data["status"] == "ready" else None


class VideoTest:
    """The video entry: alive, stores anything, makes a video that opens."""

    def __init__(self, entry, params):
        self.entry, self.params, self.timeout = entry, params, params["timeout"]

    def health(self):
        """The client's own probe."""
        self.entry.get("/easy/query?code=health_check").require_ok().json()
        return "the entry answers", True

    def store(self):
        """An upload is stored as it is, whatever its content: the README's second command."""
        answer = self.entry.post_file("/upload", {}, "audio", "audio_test.wav", b"127.0.0.1 localhost\n")
        return "stored as %s" % answer.require_ok().json()["path"], True

    def make(self, speech):
        """Upload, submit, poll and download as the client does."""
        audio = self._upload("audio", _AUDIO_NAME, speech)
        video = self._upload("video", _VIDEO_NAME, self._clip())
        code = str(uuid.uuid4())
        task = {"audio_url": audio, "video_url": video, "code": code, "chaofen": 0, "watermark_switch": 0, "pn": 1}
        taken = self.entry.post_json("/easy/submit", task).require_ok().json()
        if taken["code"] not in (0, 200, 10000):
            raise EntryError("the task was not taken: %s" % taken)
        if poll(self.timeout, 0.5, lambda: self._finished(code)) is None:
            raise EntryError("task %s did not finish within %d s" % (code, self.timeout))
        movie = read_mp4(self.entry.get("/download?" + query(path="/%s-r.mp4" % code)).require_ok().body)
        if movie.tracks < 2:
            raise NotMediaError("the video has %d track instead of picture and sound" % movie.tracks)
        wanted = read_wav(speech).seconds
        if abs(movie.seconds - wanted) > 1:
            raise NotMediaError("the video is %.1f s long for %.1f s of speech" % (movie.seconds, wanted))
        return "%.1f s of video" % movie.seconds, True

    def _clip(self):
        if self.params["video_content"]:
            return base64.b64decode(self.params["video_content"])
        return Path(self.params["video"]).read_bytes()

    def _upload(self, field, name, content):
        return self.entry.post_file("/upload", {}, field, name, content).require_ok().json()["path"]

    def _finished(self, code):
        data = self.entry.get("/easy/query?" + query(code=code)).require_ok().json()["data"]
        if data["status"] == 3:
            raise EntryError("the task failed: %s" % data.get("msg"))
        return data if data["result"] else None


def _check_closed(report, host, ports):
    """Check all ports at once: a firewall that drops what it does not want makes each a matter of seconds."""
    if not ports:
        return
    with ThreadPoolExecutor(len(ports)) as pool:
        probes = {port: pool.submit(_closed, host, port) for port in ports}
    for port, probe in probes.items():
        report.check("closed_%d" % port, probe.result)


def _closed(host, port):
    """Return a check's outcome: that nothing answers on a port of the host."""
    try:
        with socket.create_connection((host, port), timeout=_CONNECT_SECONDS):
            raise EntryError("port %d is open to the outside: run the host stage (--tags host) again" % port)
    except OSError:
        return "port %d is closed" % port, True


def run(params):
    """Make all checks and return the report."""
    report = Report(params["outside"])
    key = params["api_key"]
    voice = VoiceTest(Entry(params["voice_url"], key, timeout=400, patience=params["timeout"]), params)
    video = VideoTest(Entry(params["video_url"], key, timeout=400, patience=params["timeout"]), params)
    alive = report.check("voice_alive", VoiceTest(Entry(params["voice_url"], key, timeout=10), params).health)
    seen = report.check("video_alive", VideoTest(Entry(params["video_url"], key, timeout=10), params).health)
    if seen:
        report.check("video_store", video.store)
    if params["work"] and alive:
        _work(report, voice, video if seen and (params["video"] or params["video_content"]) else None)
    _check_closed(report, urlsplit(params["voice_url"]).hostname, params["closed_ports"])
    return report


def _work(report, voice, video):
    if not report.check("voice_ready", voice.ready):
        return
    trained = report.check("voice_train", voice.train)
    if not trained:
        return
    speech = report.check("voice_speech", lambda: voice.speak(trained))
    report.check("voice_delete", lambda: voice.forget(trained))
    if speech and video:
        report.check("video_make", lambda: video.make(speech))


def main():
    """Entry point of the module."""
    module = AnsibleModule(
        argument_spec={
            "voice_url": {"type": "str", "required": True},
            "video_url": {"type": "str", "required": True},
            "api_key": {"type": "str", "default": "", "no_log": True},
            "outside": {"type": "bool", "default": False},
            "work": {"type": "bool", "default": False},
            "reference_audio": {"type": "str"},
            "video": {"type": "path"},
            "video_content": {"type": "str"},
            "text": {"type": "str", "default": "The self test of Twinport can be heard."},
            "closed_ports": {"type": "list", "elements": "int", "default": []},
            "timeout": {"type": "int", "default": 600},
        },
        required_if=[("work", True, ["reference_audio"])],
        mutually_exclusive=[("video", "video_content")],
        supports_check_mode=True,
    )
    if module.check_mode:
        module.exit_json(changed=False, ok=True, checks=[])
    report = run(module.params)
    module.exit_json(changed=False, ok=report.ok, checks=report.checks)


if __name__ == "__main__":
    main()
