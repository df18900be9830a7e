"""Proves a cure: the fault stays away and the engine does a piece of real work."""

from __future__ import annotations

import http.client
import io
import json
import math
import struct
import time
import uuid
import wave
from dataclasses import dataclass
from typing import Callable, FrozenSet, List, Mapping, Optional, Sequence, Tuple

from .causes import Match
from .containers import Container
from .diagnosis import Examiner, Patient

COSYVOICE_PORT, DUIX_PORT = 50000, 8383
PAUSE = 2.0  # seconds between two looks
QUICK, SLOW = 10.0, 120.0  # seconds a question, or a piece of work, may take
RATE = 16000  # Hz; the lowest that CosyVoice's frontend takes


@dataclass(frozen=True)
class Verdict:
    """Whether a cure helped: True, False (the fault came back) or None (not decided in time).

    ``hidden``: faults that showed only now, because the cured one stood before them.
    """

    verified: Optional[bool]
    hidden: Tuple[Match, ...] = ()


def verify(
    examiner: Examiner, patient: Patient, cured: FrozenSet[str], timeout: float, *, request: bool = True
) -> Verdict:
    """Wait, at most ``timeout`` seconds, until the patient's engine works, a cured fault is back, or another one shows.

    ``request``: whether the engine has to answer a working request, or the fault's absence is enough.
    """
    deadline = time.monotonic() + timeout
    while True:
        now = examiner.patient(patient.name, patient.engine)
        faults = _faults(examiner, now)
        if not faults and now.container and works(now.container, patient.engine if request else ""):
            # The request itself may have woken a fault.
            return _judge(_faults(examiner, examiner.patient(patient.name, patient.engine)), cured, Verdict(True))
        verdict = _judge(faults, cured, Verdict(None))
        if verdict != Verdict(None) or time.monotonic() >= deadline:
            return verdict
        time.sleep(PAUSE)


def _faults(examiner: Examiner, patient: Patient) -> List[Match]:
    return [match for match in examiner.examine(patient) if match.error.severity == "fault"]


def _judge(faults: Sequence[Match], cured: FrozenSet[str], otherwise: Verdict) -> Verdict:
    if any(match.error.id in cured for match in faults):
        return Verdict(False)
    hidden = tuple(match for match in faults if match.error.remedies and not match.error.symptom)
    return Verdict(None, hidden) if hidden else otherwise


def works(container: Container, engine: str) -> bool:
    """True when the engine in the container answers a working request; other containers need only run."""
    if not container.running or container.health == "unhealthy":
        return False
    if engine not in _REQUESTS:
        return True
    hosts = ("127.0.0.1",) if container.network_mode == "host" else container.addresses
    return any(_REQUESTS[engine](host) for host in hosts)


def speaks(host: str) -> bool:
    """True when CosyVoice turns a word and a second of reference sound into samples."""
    ready = _ask(host, COSYVOICE_PORT, "GET", "/ready", timeout=QUICK)
    if ready is None or ready.status == http.HTTPStatus.SERVICE_UNAVAILABLE:
        return False
    boundary = uuid.uuid4().hex
    kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    body = _form(boundary, {"tts_text": "你好。"}, reference_sound())
    answer = _ask(host, COSYVOICE_PORT, "POST", "/inference_cross_lingual", body, kind, timeout=SLOW)
    return answer is not None and answer.status == http.HTTPStatus.OK and len(answer.body) > 0


def answers_queries(host: str) -> bool:
    """True when Duix answers a query in its own way."""
    answer = _ask(host, DUIX_PORT, "GET", "/easy/query?code=health_check", timeout=QUICK)
    try:
        return answer is not None and "code" in json.loads(answer.body)
    except (ValueError, TypeError):
        return False


_REQUESTS: Mapping[str, Callable[[str], bool]] = {"cosyvoice": speaks, "duix": answers_queries}


def reference_sound(seconds: float = 1.5) -> bytes:
    """A WAV with a voice-like sound: harmonics of 120 Hz, four beats a second."""
    samples = bytearray()
    for number in range(int(RATE * seconds)):
        moment = number / RATE
        loudness = 0.15 * (1 + math.sin(2 * math.pi * 4 * moment))
        tone = sum(math.sin(2 * math.pi * 120 * k * moment) / k for k in range(1, 9)) / 3
        samples += struct.pack("<h", int(32767 * loudness * tone))
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(bytes(samples))
    return buffer.getvalue()


class _Answer:
    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        self.body = body


def _ask(
    host: str,
    port: int,
    method: str,
    path: str,
    body: bytes = b"",
    headers: Optional[Mapping[str, str]] = None,
    *,
    timeout: float,
) -> Optional[_Answer]:
    """One request; None where no whole answer comes."""
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        connection.request(method, path, body or None, dict(headers or {}))
        answer = connection.getresponse()
        return _Answer(answer.status, answer.read(64 << 20))
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _form(boundary: str, fields: Mapping[str, str], sound: bytes) -> bytes:
    parts = []
    for name, text in fields.items():
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
        parts += [head.encode(), text.encode(), b"\r\n"]
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="prompt_wav"; filename="reference.wav"\r\n'
    parts += [head.encode(), b"Content-Type: audio/wav\r\n\r\n", sound, f"\r\n--{boundary}--\r\n".encode()]
    return b"".join(parts)
