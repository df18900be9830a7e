"""The CosyVoice engine's answers in the gateway's terms: its health, its errors, its modes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import structlog
from aiohttp import ClientConnectorError, ClientError, ClientResponse, ConnectionTimeoutError

from gateway.domain.errors import ErrorKind, GatewayError, Reason
from gateway.domain.voice.engine import (
    RETRY_AFTER_SECONDS,
    Download,
    EngineStatus,
    SpeechEngineState,
    engine_refused,
    mode_not_supported,
    not_ready,
    speech_queue_full,
)
from gateway.domain.voice.ports import StreamBroken
from gateway.domain.voice.speech import SpeechMode
from gateway.domain.voice.text import text_empty

# CosyVoice's names for what a model can do; it has more of them, which the gateway does not use.
MODES = {
    "zero_shot": SpeechMode.ZERO_SHOT,
    "cross_lingual": SpeechMode.CROSS_LINGUAL,
    "instruct2": SpeechMode.INSTRUCT,
}
FIELDS = {"prompt_text": "prompt_text", "instruct_text": "instructions"}
SHORT_ANSWER_BYTES = 64 * 1024
NOT_OURS = Reason(
    "引擎的 /health 无法识别，请安装 Twinport 的 server.py",
    "its /health can't be understood; install Twinport's server.py",
)

log = structlog.stdlib.get_logger(__name__)


def _download(body: Any) -> Download | None:
    if not isinstance(body, dict):
        return None
    return Download(
        bytes=int(body.get("bytes") or 0),
        total_bytes=body.get("total_bytes"),
        percent=body.get("percent"),
        bytes_per_second=body.get("bytes_per_second"),
    )


def _reason(message: Any) -> Reason | None:
    # The engine speaks English only.
    return Reason("详情见引擎日志", str(message)) if message else None


def parse_health(body: Any) -> SpeechEngineState:
    """The engine's ``/health`` as a state; anything unexpected is a failure with its reason."""
    try:
        status = EngineStatus(body["state"])
        error = body.get("error") or {}
        return SpeechEngineState(
            status=status,
            model=str(body.get("model") or ""),
            sample_rate=body.get("sample_rate"),
            modes=frozenset(MODES[name] for name in body.get("modes") or () if name in MODES),
            download=_download(body.get("download")) if status is EngineStatus.DOWNLOADING else None,
            reason=_reason(error.get("message")) if status is EngineStatus.FAILED else None,
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return SpeechEngineState(EngineStatus.FAILED, reason=NOT_OURS)


def name_in(body: bytes) -> str:
    """The engine's name for a voice that it has just received.

    Raises:
        GatewayError: its answer has none.
    """
    try:
        return str(json.loads(body)["voice_id"])
    except (ValueError, KeyError, TypeError) as error:
        raise engine_refused("unpatched", "it does not name the voice; install Twinport's server.py") from error


async def short_answer(response: ClientResponse) -> bytes:
    """The body of an answer that should be short; a longer or cut one is not read further."""
    body = b""
    with suppress(ClientError, OSError):
        while len(body) <= SHORT_ANSWER_BYTES and (piece := await response.content.readany()):
            body += piece
    return body


def json_of(body: bytes) -> Any:
    """A body's JSON; None if it is not JSON."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def network_failure(error: Exception) -> GatewayError | StreamBroken:
    """The caller's error for a network error."""
    if isinstance(error, ClientConnectorError | ConnectionTimeoutError):
        return not_ready(SpeechEngineState(EngineStatus.UNREACHABLE))
    return StreamBroken(repr(error))


def refusal_of(response: ClientResponse, body: bytes) -> GatewayError:
    """The engine's error answer as one of ours."""
    code, message = _error_of(body)
    if response.status == 503:
        return _busy(code, message, response.headers)
    if code == "text_empty":
        # The engine's sentence begins with its own field's name.
        return text_empty(FIELDS.get(message.split(" ", 1)[0], "text"))
    if code == "mode_not_supported":
        return mode_not_supported("")
    log.warning("engine refused", status=response.status, code=code, message=message)
    return engine_refused(code or f"http_{response.status}", message or f"HTTP {response.status}")


def _error_of(body: bytes) -> tuple[str, str]:
    answer = json_of(body)
    try:
        return str(answer["code"]), str(answer["message"])
    except (KeyError, TypeError):
        return "", ""


def _busy(code: str, message: str, headers: Mapping[str, str]) -> GatewayError:
    if code in ("queue_full", "queue_timeout", ""):
        return speech_queue_full()
    state = code.removeprefix("engine_")
    if state in {status.value for status in EngineStatus}:
        return not_ready(SpeechEngineState(EngineStatus(state), reason=_reason(message) if state == "failed" else None))
    retry = headers.get("Retry-After", "")
    return GatewayError(
        code,
        ErrorKind.TEMPORARY,
        zh="语音引擎暂时繁忙，请稍候再试。",
        en=message or "The engine is busy. Try again in a moment.",
        retry_after=int(retry) if retry.isdecimal() else RETRY_AFTER_SECONDS,
    )
