"""What clients do all day, and what the host does to the servers."""

from __future__ import annotations

import errno
import random
import threading
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import requests

from tests.endure.world import KEY, World
from tests.support.faults import Faults
from tests.support.video import make_clip, make_speech
from tests.support.voice import spoken_wav

TUS = {"Tus-Resumable": "1.0.0"}
# What an honest client meets on a host in trouble: it comes back.
PASSING = {"storage_busy", "storage_full", "storage_broken", "storage_read_only", "engine_not_ready", "still_working"}
MOST_VOICES = 12
FAULT_SECONDS = 8.0


class Worker(threading.Thread):
    """Does one thing again and again; what was not done is counted, and what must not happen is kept."""

    def __init__(self, name: str, turn: Callable[[Worker], None], tally: Counter[str], wrong: list[str]) -> None:
        super().__init__(name=name, daemon=True)
        self._turn = turn
        self._tally = tally
        self._wrong = wrong
        self.over = threading.Event()
        self.number = 0
        self.chance = random.Random(name)

    def run(self) -> None:
        while not self.over.is_set():
            self.number += 1
            try:
                self._turn(self)
                self._tally[self.name] += 1
            except requests.RequestException:
                self._tally["connections broken"] += 1
                self.over.wait(0.5)
            except AssertionError as error:
                self._wrong.append(f"{self.name} {self.number}: {error}"[:300])

    def ask(self, method: str, url: str, **more: Any) -> requests.Response:
        """Ask until the answer is none that passes."""
        headers = {"X-API-Key": KEY, **more.pop("headers", {})}
        while True:
            answer = requests.request(method, url, headers=headers, timeout=30, **more)
            if answer.status_code != 503 and not (answer.status_code >= 500 and answer.json()["code"] in PASSING):
                return answer
            self._tally["refused for now"] += 1
            if self.over.wait(0.3):
                raise requests.ConnectionError("the day is over")

    def until(self, done: Callable[[], bool]) -> None:
        """Ask again and again."""
        deadline = time.monotonic() + 120
        while not done():
            assert time.monotonic() < deadline, "nothing came of it"
            if self.over.wait(0.2):
                raise requests.ConnectionError("the day is over")


class Speaker:
    """Trains, speaks, listens, and deletes its oldest voice."""

    def __init__(self, world: World, device: str) -> None:
        self._url = world.voice.url
        self._device = {"device_id": device}
        self._voices: list[str] = []

    def turn(self, own: Worker) -> None:
        if own.number % 4 == 1:
            self._train(own)
        answer = own.ask("POST", self._url + "/v1/tts", json=self._request(own))
        if answer.status_code == 200:
            sound = own.ask("GET", self._url + answer.json()["data"]["audioUrl"])
            assert sound.content[:4] == b"RIFF", f"speech {sound.status_code}"
        else:
            assert answer.status_code == 502, answer.text
        if own.number % 5 == 0:
            self._hang_up(own)

    def _request(self, own: Worker) -> dict[str, str]:
        text = f"{self._device['device_id']} says number {own.number}. " * own.chance.randint(1, 4)
        return {**self._device, "voice_id": own.chance.choice(self._voices), "text": text}

    def _train(self, own: Worker) -> None:
        sound = spoken_wav() + own.number.to_bytes(4, "little")
        form = {**self._device, "name": str(own.number)}
        answer = own.ask("POST", self._url + "/v1/voices/train", data=form, files={"audio": ("a.wav", sound)})
        assert answer.status_code == 200, answer.text
        voice = str(answer.json()["data"]["voiceId"])
        own.until(lambda: self._status(own, voice) == "ready")
        self._voices.append(voice)
        if len(self._voices) > MOST_VOICES:
            gone = own.ask("DELETE", f"{self._url}/v1/voices/{self._voices.pop(0)}", params=self._device)
            assert gone.status_code in (200, 404), gone.text

    def _status(self, own: Worker, voice: str) -> str:
        answer = own.ask("GET", f"{self._url}/v1/voices/{voice}", params=self._device)
        status = str(answer.json()["data"]["status"])
        assert status != "failed", answer.text
        return status

    def _hang_up(self, own: Worker) -> None:
        """A reader that leaves in the middle of a stream."""
        body = {"model": "tts-1", "input": f"Nobody listens to {own.number}. " * 20, "voice": self._voices[-1]}
        with (
            requests.post(
                self._url + "/v1/audio/speech", json=body, headers={"X-API-Key": KEY}, stream=True, timeout=30
            ) as answer,
            suppress(StopIteration),
        ):
            next(answer.iter_content(1000))


class Filmer:
    """Uploads in both ways, submits, waits, downloads; cancels some, gives some uploads up."""

    def __init__(self, world: World, folder: Path) -> None:
        self._url = world.video.url
        self._sound = make_speech(folder / "a.wav", seconds=0.6).read_bytes()
        self._clip = make_clip(folder / "v.mp4", seconds=0.6).read_bytes()

    def turn(self, own: Worker) -> None:
        code = f"{own.name}-{own.number}"
        audio = own.ask("POST", self._url + "/upload", files={"audio": (f"{code}.wav", self._sound)})
        assert audio.status_code == 200, audio.text
        video = self._in_pieces(own, f"{code}.mp4")
        body = {"audio_url": audio.json()["path"], "video_url": video, "code": code}
        answer = own.ask("POST", self._url + "/easy/submit", json=body)
        assert answer.json()["code"] == 10000, answer.text
        if own.number % 6 == 0:
            own.ask("DELETE", f"{self._url}/easy/task/{code}")
            return
        own.until(lambda: self._is_done(own, code))
        path = {"path": f"/{code}-r.mp4"}
        video_file = own.ask("GET", self._url + "/download", params=path)
        assert b"moov" in video_file.content, f"video {video_file.status_code}"

    def _is_done(self, own: Worker, code: str) -> bool:
        data = own.ask("GET", self._url + "/easy/query", params={"code": code}).json()["data"]
        assert data["status"] != 3, data["msg"]
        return bool(data["status"] == 2)

    def _in_pieces(self, own: Worker, name: str) -> str:
        fields = f"field {b64encode(b'video').decode()},filename {b64encode(name.encode()).decode()}"
        headers = {**TUS, "Upload-Length": str(len(self._clip)), "Upload-Metadata": fields}
        if own.number % 7 == 0:
            own.ask("POST", self._url + "/upload/resumable", headers=headers)  # and never goes on
        answer = own.ask("POST", self._url + "/upload/resumable", headers=headers)
        assert answer.status_code == 201, answer.text
        place, at = self._url + answer.headers["Location"], 0
        while at < len(self._clip):
            more = {**TUS, "Content-Type": "application/offset+octet-stream", "Upload-Offset": str(at)}
            own.ask("PATCH", place, headers=more, data=self._clip[at : at + 20_000])
            at = int(own.ask("HEAD", place, headers=TUS).headers["Upload-Offset"])
        return str(own.ask("GET", place).json()["answer"]["path"])


class Host(threading.Thread):
    """Lets system calls fail and engines die, and in the first half of the day the entries too."""

    def __init__(self, world: World, hours: float, tally: Counter[str]) -> None:
        super().__init__(daemon=True)
        self._world = world
        self._half = hours / 2
        self._tally = tally
        self._chance = random.Random(1)
        self.over = threading.Event()

    def run(self) -> None:
        world = self._world
        while not self.over.wait(FAULT_SECONDS):
            trouble = self._chance.choice(["disk", "disk", "processes", "engine", "entry"])
            server = self._chance.choice([world.voice, world.video])
            if trouble == "disk":
                self._fail(server.faults, self._chance.choice([errno.EIO, errno.ENOSPC, errno.EROFS]), "")
            elif trouble == "processes":
                self._fail(server.faults, errno.EAGAIN, "fork")
            elif trouble == "engine":
                engine = self._chance.choice([world.speech_engine, world.video_engine])
                engine.kill()
                engine.start()
            elif world.clock.hours() < self._half:
                server.kill()
                server.start()
            else:
                continue
            self._tally[f"faults: {trouble}"] += 1

    def _fail(self, faults: Faults, error: int, only: str) -> None:
        with faults.nth(self._chance.randint(1, 30), error, times=self._chance.randint(1, 3), only=only):
            self.over.wait(2)
