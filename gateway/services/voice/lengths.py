"""Whether speech is as long as its text lets expect. A model that loses its way stops early or goes on for minutes."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from gateway.domain.voice.ports import StreamBroken
from gateway.domain.voice.speech import SpeechOrder
from gateway.domain.voice.spoken.length import LengthDoubt, LengthRange, length_range
from gateway.domain.voice.wav import SAMPLE_BYTES

log = structlog.stdlib.get_logger(__name__)


class LengthDoubted(StreamBroken):
    """An attempt's length is unlikely, and nobody has heard it yet: it is made once more."""

    def __init__(self, doubt: LengthDoubt) -> None:
        super().__init__(doubt.value)
        self.doubt = doubt


class LengthCheck:
    """Compares lengths with texts; ``enabled`` False: every length is right."""

    def __init__(self, *, enabled: bool) -> None:
        self._enabled = enabled

    def doubt(self, order: SpeechOrder, seconds: float) -> LengthDoubt | None:
        """What is wrong with the length of an order's speech."""
        return length_range(order.text, speed=order.speed).doubt(seconds) if self._enabled else None

    def watch(self, order: SpeechOrder, sample_rate: int, can_repeat: Callable[[], bool]) -> LengthWatch:
        """Watch one attempt at an order; ``can_repeat``: whether its result can still be taken back."""
        expected = length_range(order.text, speed=order.speed) if self._enabled else None
        return LengthWatch(order, expected, sample_rate, can_repeat)


class LengthWatch:
    """One attempt's length."""

    def __init__(
        self, order: SpeechOrder, expected: LengthRange | None, sample_rate: int, can_repeat: Callable[[], bool]
    ) -> None:
        self._order = order
        self._expected = expected
        self._can_repeat = can_repeat
        self._most_bytes = round(expected.longest * sample_rate) * SAMPLE_BYTES if expected is not None else 0
        self._rate = sample_rate

    def progress(self, size: int) -> None:
        """Note the bytes so far.

        Raises:
            LengthDoubted: they are too many for the text already, and the attempt can be repeated.
        """
        if self._expected is not None and size > self._most_bytes and self._can_repeat():
            self.end(size / SAMPLE_BYTES / self._rate)

    def end(self, seconds: float) -> LengthDoubt | None:
        """What is wrong with the whole length.

        Raises:
            LengthDoubted: something is, and the attempt can be repeated.
        """
        doubt = self._expected.doubt(seconds) if self._expected is not None else None
        if doubt is None or self._expected is None:
            return None
        repeats = self._can_repeat()
        log.warning(
            "unlikely length of speech",
            doubt=doubt.value,
            seconds=round(seconds, 2),
            shortest=round(self._expected.shortest, 2),
            longest=round(self._expected.longest, 2),
            characters=len(self._order.text),
            fingerprint=self._order.fingerprint[:12],
            outcome="repeated" if repeats else "kept",
        )
        if repeats:
            raise LengthDoubted(doubt)
        return doubt
