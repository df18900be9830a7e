"""How long the speech of a text may be, with margins that the fastest and the slowest speakers keep."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from gateway.domain.voice.spoken.marks import HAN, KANA
from gateway.domain.voice.spoken.parts import pauses_of, words_of

_HAN = re.compile(f"[{HAN}]")
_SYLLABIC = re.compile(f"[{KANA}\uac00-\ud7a3]")
_WORD = re.compile("[A-Za-z\u00c0-\u024f]+")
_VOWELS = re.compile("[aeiouy\u00c0-\u024f]+", re.IGNORECASE)
_DIGIT = re.compile(r"\d")
_HALT = re.compile("[.,;:!?，。；：！？、…—]")

# Seconds of one unit, for the fastest and the slowest speaker.
_CHARACTER = (0.1, 0.55)
_SYLLABLE = (0.085, 0.45)
# A voice that does not know a script may spell it.
_FOREIGN_SYLLABLE = (0.07, 1.5)
_FOREIGN_LETTER = (0.025, 1.5)
_SPELLED_LETTER = (0.085, 0.8)
_NUMERAL = (0.1, 1.2)
_STOP = (0.0, 0.8)
# Of every speech: none of its text need be long, and silence may stand before and behind it.
_SPARE = (0.6, 5.0)


class LengthDoubt(StrEnum):
    """What is wrong with the length of speech; the values are stable."""

    TOO_SHORT = "speech_too_short"
    TOO_LONG = "speech_too_long"


@dataclass(frozen=True)
class LengthRange:
    """Seconds between which the speech of a text lies."""

    shortest: float
    longest: float

    def doubt(self, seconds: float) -> LengthDoubt | None:
        """What is wrong with a length; None: nothing."""
        if seconds < self.shortest:
            return LengthDoubt.TOO_SHORT
        return LengthDoubt.TOO_LONG if seconds > self.longest else None


def length_range(text: str, *, speed: float = 1.0) -> LengthRange:
    """The range for a prepared text, its pauses included; pauses do not depend on the speed."""
    words = words_of(text)
    latin = _WORD.findall(words)
    spelled = sum(len(word) for word in latin if _is_spelled(word))
    syllables = sum(len(_VOWELS.findall(word)) for word in latin if not _is_spelled(word))
    han, syllabic = len(_HAN.findall(words)), len(_SYLLABIC.findall(words))
    others = sum(map(str.isalpha, words)) - han - syllabic - sum(map(len, latin))
    units = (
        (han, _CHARACTER),
        (syllables, _SYLLABLE),
        (spelled, _SPELLED_LETTER),
        (syllabic, _FOREIGN_SYLLABLE),
        (max(0, others), _FOREIGN_LETTER),
        (len(_DIGIT.findall(words)), _NUMERAL),
        (len(_HALT.findall(words)), _STOP),
    )
    shortest = sum(count * seconds[0] for count, seconds in units) / speed - _SPARE[0]
    longest = sum(count * seconds[1] for count, seconds in units) / speed + _SPARE[1]
    pauses = pauses_of(text)
    return LengthRange(max(0.0, shortest) + pauses * 0.9, longest + pauses)


def _is_spelled(word: str) -> bool:
    """Whether a word may be said letter by letter."""
    return word.isupper() or _VOWELS.search(word) is None
