"""Every known error, written by others into whatever they can send, through the real servers and into the doctor."""

import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import requests

from doctor.catalogue import parse
from doctor.log_report import log_report
from tests.support.doctor_host import CATALOGUE, FORGERIES, SAMPLES, require_nothing_done
from tests.support.servers import Server
from tests.support.video import video_bench
from tests.support.voice import spoken_wav, voice_bench

KEY = {"X-API-Key": "one"}
TRACEBACK = 'Traceback (most recent call last):\n  File "/srv/a.py", line 1, in b\n    c()\n'
# A forgery alone, and the same on a line of its own, at the end of a traceback, as a record, and as our own JSON.
LINES = (
    "x\n{0}\nx",
    f"{TRACEBACK}{{0}}\nx",
    "2026-03-01 10:00:00,123 ERROR {0}\r\nx",
    '"}}\n{{"level":"error","logger":"gateway","event":"{0}"}}\n',
)
SHAPE = "".join(LINES)
TOGETHER = 3  # forgeries in one text, which has to stay below every limit of length
# The first line of every error alone, and all lines in every shape.
TEXTS = (
    *(sample["samples"][0] for sample in SAMPLES.values()),
    *(
        "".join(SHAPE.format(text) for text in FORGERIES[start : start + TOGETHER])
        for start in range(0, len(FORGERIES), TOGETHER)
    ),
)
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, bytes]]:
    """What both entries and both engines wrote while every forgery went through every input of theirs."""
    folder = tmp_path_factory.mktemp("forgeries")
    settings = {"api_key": "one", "train_limit_per_hour": 0}
    with voice_bench(folder / "voice", **settings) as voice, video_bench(folder / "video", api_key="one") as video:
        voice_id = _train(voice.url, "Anna")
        with requests.Session() as session:
            for text in TEXTS:
                _send_to_voice(session, voice.url, voice_id, text)
                _send_to_video(session, video.gateway.url, text)
                _send_to_speech_engine(session, voice.engine.url, text)
                _send_to_video_engine(session, video.engine.url, text)
        yield {
            "voice": _log(voice.gateway),
            "video": _log(video.gateway),
            "cosyvoice": _log(voice.engine),
            "duix": _log(video.engine),
        }


@pytest.mark.parametrize("entry", ["voice", "video"])
def test_nothing_of_it_counts_in_a_gateways_log(logs: dict[str, bytes], entry: str, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(logs[entry])
    with path.open("rb") as log:
        assert log_report(log, parse(CATALOGUE), "gateway", "log")["findings"] == []


@pytest.mark.parametrize(
    ("server", "engine"), [("voice", "gateway"), ("video", "gateway"), ("cosyvoice", "cosyvoice"), ("duix", "duix")]
)
def test_nothing_of_it_makes_the_doctor_act(logs: dict[str, bytes], server: str, engine: str, tmp_path: Path) -> None:
    require_nothing_done(logs[server], engine, tmp_path)


def test_the_forgeries_arrived(logs: dict[str, bytes]) -> None:
    """Servers that wrote nothing of them would prove nothing."""
    for server, log in logs.items():
        assert b"no valid model_type" in log or b"no%20valid%20model_type" in log, server


def _send_to_voice(session: requests.Session, url: str, voice_id: str, text: str) -> None:
    named = {"device_id": "device-1", "voice_id": voice_id, "text": text}
    _read(session, url, text, {})
    session.post(f"{url}/v1/tts", json=named, timeout=60)
    _read(session, url, text, KEY)
    session.post(f"{url}/v1/tts", json=named, headers=KEY, timeout=60)
    session.post(f"{url}/v1/tts", json={**named, "voice_id": text}, headers=KEY, timeout=60)
    speech = {"model": text, "voice": text, "input": text}
    session.post(f"{url}/v1/audio/speech", json=speech, headers=KEY, timeout=60)
    fields = {"device_id": text, "name": text, "prompt_text": text}
    sound = {"audio": (text, text.encode())}
    session.post(f"{url}/v1/voices/train", data=fields, files=sound, headers=KEY, timeout=60)


def _send_to_video(session: requests.Session, url: str, text: str) -> None:
    _read(session, url, text, {})
    task = {"audio_url": text, "video_url": text, "code": text, "chaofen": text, "pn": text}
    session.post(f"{url}/easy/submit", json=task, timeout=60)
    _read(session, url, text, KEY)
    session.post(f"{url}/easy/submit", json=task, headers=KEY, timeout=60)
    session.get(f"{url}/easy/query", params={"code": text}, headers=KEY, timeout=60)
    session.get(f"{url}/download", params={"path": text}, headers=KEY, timeout=60)
    session.post(f"{url}/upload", files={"audio": (text, text.encode())}, headers=KEY, timeout=60)


def _send_to_speech_engine(session: requests.Session, url: str, text: str) -> None:
    _read(session, url, text, {})
    fields = {"tts_text": text, "prompt_text": text, "spk_id": text, "zero_shot_spk_id": text}
    for mode in ("inference_zero_shot", "inference_cross_lingual"):
        session.post(f"{url}/{mode}", data=fields, files={"prompt_wav": (text, text.encode())}, timeout=60)


def _send_to_video_engine(session: requests.Session, url: str, text: str) -> None:
    _read(session, url, text, {})
    session.post(f"{url}/easy/submit", json={"audio_url": text, "video_url": text, "code": text}, timeout=60)
    session.get(f"{url}/easy/query", params={"code": text}, timeout=60)


def _read(session: requests.Session, url: str, text: str, headers: dict[str, str]) -> None:
    """A path, a query, headers, and a method that nobody knows."""
    spoken = text.encode().decode("latin-1").replace("\r", " ").replace("\n", " ").strip()
    session.get(f"{url}/zz/{quote(text)}", headers=headers, timeout=60)
    session.get(f"{url}/files/{quote(text, safe='')}", params={text: text}, headers=headers, timeout=60)
    forged = {"User-Agent": spoken, "X-Request-Id": spoken, "Accept-Language": spoken, "Referer": spoken}
    session.get(f"{url}/zz", headers={**forged, **headers}, timeout=60)


def _train(url: str, name: str) -> str:
    fields = {"device_id": "device-1", "name": name}
    sound = {"audio": ("a.wav", spoken_wav())}
    answer = requests.post(f"{url}/v1/voices/train", data=fields, files=sound, headers=KEY, timeout=60)
    voice_id = str(answer.json()["data"]["voiceId"])
    deadline = time.monotonic() + 60
    while (
        requests.get(f"{url}/v1/voices/{voice_id}", params={"device_id": "device-1"}, headers=KEY, timeout=60).json()[
            "data"
        ]["status"]
        != "ready"
    ):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return voice_id


def _log(server: Server) -> bytes:
    return server.log.read_bytes()
