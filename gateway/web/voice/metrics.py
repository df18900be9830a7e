"""The voice entry's own metrics."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from gateway.domain.voice.engine import EngineStatus, SpeechEngineState
from gateway.web.metrics import SECONDS

RATIO = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10)


class VoiceMetrics:
    """Queue, synthesis, normalisation and the engine's state."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._waiting = Gauge("twinport_queue_length", "Requests waiting for the engine.", registry=registry)
        self._wait = Histogram(
            "twinport_queue_wait_seconds", "Seconds until the engine was free.", buckets=SECONDS, registry=registry
        )
        self._first = Histogram(
            "twinport_first_audio_seconds",
            "Seconds from the engine's slot to its first samples.",
            buckets=SECONDS,
            registry=registry,
        )
        self._factor = Histogram(
            "twinport_real_time_factor", "Seconds of work per second of speech.", buckets=RATIO, registry=registry
        )
        self._spoken = Counter("twinport_speech_seconds", "Seconds of speech made.", registry=registry)
        self._orders = Counter(
            "twinport_speech_orders", "Orders of whole files: made, joined or stored.", ("how",), registry=registry
        )
        self._doubted = Counter(
            "twinport_speech_doubts",
            "Speech far too short or too long for its text: repeated, or kept.",
            ("doubt", "outcome"),
            registry=registry,
        )
        self._normalised = Histogram(
            "twinport_normalisation_seconds", "Seconds per reference.", buckets=SECONDS, registry=registry
        )
        self._state = Gauge("twinport_engine_state", "1 for the engine's current state.", ("state",), registry=registry)
        self._downloaded = Gauge(
            "twinport_engine_download_bytes", "Bytes of the model's download so far.", registry=registry
        )
        self.engine_state(SpeechEngineState(EngineStatus.UNREACHABLE))

    def queue_length(self, waiting: int) -> None:
        """Set the number of waiting requests."""
        self._waiting.set(waiting)

    def waited(self, seconds: float) -> None:
        """Observe the seconds until a request got its slot."""
        self._wait.observe(seconds)

    def first_audio(self, seconds: float) -> None:
        """Observe the time from the slot to the engine's first sample, in seconds."""
        self._first.observe(seconds)

    def finished(self, *, took: float, seconds: float) -> None:
        """Observe that ``seconds`` of speech took ``took`` seconds."""
        self._spoken.inc(seconds)
        if seconds > 0:
            self._factor.observe(took / seconds)

    def found(self, how: str) -> None:
        """Count an order that was ``stored``, ``joined`` or ``made``."""
        self._orders.labels(how).inc()

    def doubted(self, doubt: str, *, outcome: str) -> None:
        """Count speech of an unlikely length, which was ``repeated`` or ``kept``."""
        self._doubted.labels(doubt, outcome).inc()

    def normalised(self, seconds: float) -> None:
        """Observe the seconds for a reference."""
        self._normalised.observe(seconds)

    def engine_state(self, state: SpeechEngineState) -> None:
        """The engine is in this state now."""
        for status in EngineStatus:
            self._state.labels(status.value).set(status is state.status)
        if state.download is not None:
            self._downloaded.set(state.download.bytes)
