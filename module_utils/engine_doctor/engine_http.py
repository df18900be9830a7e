"""Asks the engines over HTTP: whether they answer, and whether they do a piece of real work."""

from __future__ import annotations

import http.client
import io
import json
import math
import socket
import struct
import uuid
import wave
from typing import Callable, Mapping, Optional, Tuple

from .containers import Container

PORTS = {"cosyvoice": 50000, "duix": 8383}
PROBES = {"cosyvoice": "/health", "duix": "/easy/query?code=health_check"}
QUICK, SLOW = 10.0, 120.0  # seconds a question, or a piece of work, may take
RATE = 16000  # Hz; the lowest that CosyVoice's frontend takes


def works(container: Container, engine: str) -> bool:
    """True when the engine in the container answers a working request; other containers need only run."""
    if not container.running or container.health == "unhealthy":
        return False
    if engine not in _REQUESTS:
        return True
    return any(_REQUESTS[engine](host) for host in _hosts(container))


def port_state(container: Container, engine: str) -> str:
    """``open`` (it speaks HTTP), ``silent`` (it takes connections and never answers) or ``closed``.

    ``unknown`` for engines without a known port and containers without an address.
    """
    hosts = _hosts(container)
    if engine not in PORTS or not hosts:
        return "unknown"
    try:
        socket.create_connection((hosts[0], PORTS[engine]), timeout=QUICK).close()
    except OSError:
        return "closed"
    return "open" if _ask(hosts[0], PORTS[engine], "GET", PROBES[engine], timeout=QUICK) else "silent"


def _hosts(container: Container) -> Tuple[str, ...]:
    return ("127.0.0.1",) if container.network_mode == "host" else container.addresses


def speaks(host: str) -> bool:
    """True when CosyVoice turns a word and a second of reference sound into samples."""
    ready = _ask(host, PORTS["cosyvoice"], "GET", "/ready", timeout=QUICK)
    if ready is None or ready.status == http.HTTPStatus.SERVICE_UNAVAILABLE:
        return False
    boundary = uuid.uuid4().hex
    kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    body = _form(boundary, {"tts_text": "你好。"}, reference_sound())
    answer = _ask(host, PORTS["cosyvoice"], "POST", "/inference_cross_lingual", body, kind, timeout=SLOW)
    return answer is not None and answer.status == http.HTTPStatus.OK and len(answer.body) > 0


def answers_queries(host: str) -> bool:
    """True when Duix answers a query in its own way."""
    answer = _ask(host, PORTS["duix"], "GET", PROBES["duix"], timeout=QUICK)
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
