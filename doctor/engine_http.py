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
_BUSY = (http.HTTPStatus.TOO_MANY_REQUESTS, http.HTTPStatus.SERVICE_UNAVAILABLE)
MOST_READ = 64 << 20  # bytes of an answer
RATE = 16000  # Hz; the lowest that CosyVoice's frontend takes


def works(container: Container, engine: str) -> bool:
    """True when the engine in the container answers a working request; other containers need only run."""
    if not container.running or container.health == "unhealthy":
        return False
    if engine not in _REQUESTS:
        return True
    return any(_REQUESTS[engine](host) for host in hosts_of(container))


def port_state(container: Container, engine: str) -> str:
    """``open`` (it speaks HTTP), ``silent`` (it takes connections and never answers) or ``closed``.

    ``unknown`` for engines without a known port and containers without an address.
    """
    hosts = hosts_of(container)
    if engine not in PORTS or not hosts:
        return "unknown"
    try:
        socket.create_connection((hosts[0], PORTS[engine]), timeout=QUICK).close()
    except OSError:
        return "closed"
    return "open" if ask(hosts[0], PORTS[engine], "GET", PROBES[engine], timeout=QUICK) else "silent"


def refuses_work(container: Container, engine: str) -> bool:
    """True when the engine in the container answers a request that is certainly right with a failure.

    An engine that is starting, busy or too slow to answer in time does not refuse.
    """
    return engine in _REFUSALS and any(_REFUSALS[engine](host) for host in hosts_of(container))


def hosts_of(container: Container) -> Tuple[str, ...]:
    return ("127.0.0.1",) if container.network_mode == "host" else container.addresses


def speaks(host: str) -> bool:
    """True when CosyVoice turns a word and a second of reference sound into samples."""
    ready = ask(host, PORTS["cosyvoice"], "GET", "/ready", timeout=QUICK)
    if ready is None or ready.status == http.HTTPStatus.SERVICE_UNAVAILABLE:
        return False
    answer = _speech(host)
    return bool(answer and answer.whole and answer.status == http.HTTPStatus.OK and answer.body)


def refuses_to_speak(host: str) -> bool:
    """True when CosyVoice could not load its model, or answers the working request with an error, nothing, or half.

    Servers that fail inside a stream have sent 200 by then, and break the answer off.
    """
    ready = ask(host, PORTS["cosyvoice"], "GET", "/ready", timeout=QUICK)
    if ready is None:
        return False
    if ready.status == http.HTTPStatus.SERVICE_UNAVAILABLE:
        return _state(host) == "failed"
    answer = _speech(host)
    if answer is None or answer.status in _BUSY:
        return False
    return answer.status >= http.HTTPStatus.BAD_REQUEST or not answer.whole or not answer.body


def _speech(host: str) -> Optional[Answer]:
    """The answer to the working request: a word and a second of reference sound."""
    boundary = uuid.uuid4().hex
    kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    body = _form(boundary, {"tts_text": "你好。"}, reference_sound())
    return ask(host, PORTS["cosyvoice"], "POST", "/inference_cross_lingual", body, kind, timeout=SLOW)


def _state(host: str) -> str:
    """What our server says in ``/health``; ``''`` where it says nothing."""
    answer = ask(host, PORTS["cosyvoice"], "GET", PROBES["cosyvoice"], timeout=QUICK)
    try:
        return str(json.loads(answer.body)["state"]) if answer else ""
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""


def answers_queries(host: str) -> bool:
    """True when Duix answers a query in its own way."""
    answer = ask(host, PORTS["duix"], "GET", PROBES["duix"], timeout=QUICK)
    try:
        return answer is not None and "code" in json.loads(answer.body)
    except (ValueError, TypeError, RecursionError):
        return False


_REQUESTS: Mapping[str, Callable[[str], bool]] = {"cosyvoice": speaks, "duix": answers_queries}
_REFUSALS: Mapping[str, Callable[[str], bool]] = {
    "cosyvoice": refuses_to_speak,
    "duix": lambda host: not answers_queries(host),
}


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


class Answer:
    """``whole``: the body came to its end; the connection was not closed before."""

    def __init__(self, status: int, body: bytes, *, whole: bool = True) -> None:
        self.status = status
        self.body = body
        self.whole = whole


def ask(
    host: str,
    port: int,
    method: str,
    path: str,
    body: bytes = b"",
    headers: Optional[Mapping[str, str]] = None,
    *,
    timeout: float,
) -> Optional[Answer]:
    """One request; None where no answer comes, or not in time."""
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        connection.request(method, path, body or None, dict(headers or {}))
        answer = connection.getresponse()
        try:
            body = answer.read(MOST_READ)
            return Answer(answer.status, body, whole=len(body) == MOST_READ or not answer.length)
        except (http.client.IncompleteRead, ConnectionResetError):
            return Answer(answer.status, b"", whole=False)
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
