"""The voice entry's own metrics."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from gateway.domain.engine import EngineState, EngineStatus
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
        self._normalised = Histogram(
            "twinport_normalisation_seconds", "Seconds per reference.", buckets=SECONDS, registry=registry
        )
        self._state = Gauge("twinport_engine_state", "1 for the engine's current state.", ("state",), registry=registry)
        self._downloaded = Gauge(
            "twinport_engine_download_bytes", "Bytes of the model's download so far.", registry=registry
        )
        self.engine_state(EngineState(EngineStatus.UNREACHABLE))

    def queue_length(self, waiting: int) -> None:
        """So many wait now."""
        self._waiting.set(waiting)

    def waited(self, seconds: float) -> None:
        """A request got its slot after so long."""
        self._wait.observe(seconds)

    def first_audio(self, seconds: float) -> None:
        """The engine's first sample came so long after the slot."""
        self._first.observe(seconds)

    def finished(self, *, took: float, seconds: float) -> None:
        """``seconds`` of speech took ``took`` seconds."""
        self._spoken.inc(seconds)
        if seconds > 0:
            self._factor.observe(took / seconds)

    def found(self, how: str) -> None:
        """An order was ``stored``, ``joined`` or ``made``."""
        self._orders.labels(how).inc()

    def normalised(self, seconds: float) -> None:
        """A reference took so long."""
        self._normalised.observe(seconds)

    def engine_state(self, state: EngineState) -> None:
        """The engine is in this state now."""
        for status in EngineStatus:
            self._state.labels(status.value).set(status is state.status)
        if state.download is not None:
            self._downloaded.set(state.download.bytes)
