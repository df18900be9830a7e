"""The speech engine's state, as users see it, and the errors that follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gateway.domain.errors import ErrorKind, GatewayError, Language, Reason
from gateway.domain.voice.speech import SpeechMode

RETRY_AFTER_SECONDS = 10


class EngineStatus(StrEnum):
    """What the engine is doing."""

    STARTING = "starting"
    DOWNLOADING = "downloading"
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True)
class Download:
    """Progress of the model's download; None where the engine does not know.

    Attributes:
        bytes: received.
        total_bytes: of the whole model.
        percent: 0 to 100.
        bytes_per_second: current rate.
    """

    bytes: int
    total_bytes: int | None = None
    percent: float | None = None
    bytes_per_second: float | None = None


@dataclass(frozen=True)
class SpeechEngineState:
    """The engine's state at one moment.

    Attributes:
        status: what it is doing.
        model: its model's name; empty while unknown.
        sample_rate: Hz of its speech; None until ready.
        modes: what the model can do; empty while unknown, then all are accepted.
        reason: why it failed or can't be reached, if known.
    """

    status: EngineStatus
    model: str = ""
    sample_rate: int | None = None
    modes: frozenset[SpeechMode] = frozenset()
    download: Download | None = None
    reason: Reason | None = None

    def supports(self, mode: SpeechMode) -> bool:
        """Whether the model has a mode; true while that is unknown."""
        return not self.modes or mode in self.modes

    @property
    def is_ready(self) -> bool:
        """Whether synthesis can work."""
        return self.status is EngineStatus.READY

    def sentence(self, language: Language) -> str:
        """The state as a sentence."""
        return _chinese(self) if language == "zh" else _english(self)


def _progress(download: Download | None) -> str:
    if download is None:
        return ""
    parts = [f"{download.percent:.0f}%"] if download.percent is not None else []
    size = f"{download.bytes / 2**30:.1f}"
    parts.append(f"{size}/{download.total_bytes / 2**30:.1f} GB" if download.total_bytes else f"{size} GB")
    if download.bytes_per_second:
        parts.append(f"{download.bytes_per_second / 2**20:.1f} MB/s")
    return ", ".join(parts)


def _chinese(state: SpeechEngineState) -> str:
    progress = _progress(state.download)
    reason = state.reason.zh.rstrip("。") if state.reason else ""
    return {
        EngineStatus.STARTING: "语音引擎正在启动，请稍候。",
        EngineStatus.DOWNLOADING: f"语音引擎正在下载模型{f'（{progress}）' if progress else ''}，请稍候。",
        EngineStatus.LOADING: "语音引擎正在加载模型，请稍候。",
        EngineStatus.READY: "语音引擎已就绪。",
        EngineStatus.FAILED: f"语音引擎启动失败：{reason or '原因未知'}。请联系服务器管理员。",
        EngineStatus.UNREACHABLE: f"语音引擎暂时无法连接（{reason or '可能正在重启'}），请稍候。",
    }[state.status]


def _english(state: SpeechEngineState) -> str:
    progress = _progress(state.download)
    reason = state.reason.en.rstrip(".") if state.reason else ""
    return {
        EngineStatus.STARTING: "The speech engine is starting. Try again in a moment.",
        EngineStatus.DOWNLOADING: f"The speech engine is downloading its model{f' ({progress})' if progress else ''}. "
        "Try again in a moment.",
        EngineStatus.LOADING: "The speech engine is loading its model. Try again in a moment.",
        EngineStatus.READY: "The speech engine is ready.",
        EngineStatus.FAILED: f"The speech engine failed to start: {reason or 'unknown reason'}. "
        "Ask the server's administrator.",
        EngineStatus.UNREACHABLE: f"The speech engine can't be reached ({reason or 'it may be restarting'}). "
        "Try again in a moment.",
    }[state.status]


def not_ready(state: SpeechEngineState) -> GatewayError:
    """The engine can't work yet: a 503 with its state as a sentence."""
    return GatewayError(
        f"engine_{state.status.value}",
        ErrorKind.TEMPORARY,
        zh=state.sentence("zh"),
        en=state.sentence("en"),
        retry_after=RETRY_AFTER_SECONDS,
    )


def speech_queue_full() -> GatewayError:
    """The queue for the engine is full."""
    return GatewayError(
        "queue_full",
        ErrorKind.TEMPORARY,
        zh="排队的合成请求过多，请稍候再试。",
        en="Too many requests are waiting for the engine. Try again in a moment.",
        retry_after=RETRY_AFTER_SECONDS,
    )


def queue_timeout() -> GatewayError:
    """The request waited too long for the engine."""
    return GatewayError(
        "queue_timeout",
        ErrorKind.TEMPORARY,
        zh="排队等待语音引擎超时，请稍候再试。",
        en="The request waited too long for the engine. Try again in a moment.",
        retry_after=RETRY_AFTER_SECONDS,
    )


def still_working() -> GatewayError:
    """The speech is not finished; the same request, sent again, finds the work where it is."""
    return GatewayError(
        "synthesis_running",
        ErrorKind.TEMPORARY,
        zh="语音仍在合成中，请稍候。",
        en="The speech is still being made. Send the same request again to get it.",
        retry_after=2,
    )


def broken_stream() -> GatewayError:
    """The engine cut its answer short, twice."""
    return GatewayError(
        "engine_stream_broken",
        ErrorKind.ENGINE_FAILED,
        zh="语音引擎中途中断，未能完成合成，请重试；若仍出现，请联系服务器管理员。",
        en="The engine stopped before the speech was finished. Try again; if it persists, ask the administrator.",
    )


def engine_refused(code: str, message: str) -> GatewayError:
    """The engine can't serve this request, and repeating it changes nothing."""
    code = f"engine_{code}" if not code.startswith("engine_") else code
    return GatewayError(
        code,
        ErrorKind.ENGINE_FAILED,
        zh=f"语音引擎无法完成此请求（{code}），请联系服务器管理员。",
        en=f"The engine can't serve this request: {message}",
    )


def mode_not_supported(mode: str) -> GatewayError:
    """The loaded model has no such mode."""
    return GatewayError(
        "mode_not_supported",
        ErrorKind.INVALID,
        zh=f"当前模型不支持 {mode} 模式。",
        en=f"The loaded model does not support the mode {mode}.",
        param="mode",
    )
