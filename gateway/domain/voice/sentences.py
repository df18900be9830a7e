"""A text in sentences: whole, or as it arrives in pieces."""

from __future__ import annotations

import re
import unicodedata

from sentencex import segment  # type: ignore[import-untyped]

from gateway.domain.voice.spoken.marks import PAUSES, pause_mark, pause_ms

# Shorter ones, of letters, are spoken with the next: "1." and "?!" are no sentences.
SHORTEST = 2
# Without an end this long, a text is cut at a comma or a blank.
LONGEST = 300
# Where a sentence may end; after a certain end nothing follows that belongs to it, unlike in "3.14", "?!" or "Dr.".
_ENDS = ".!?。！？…।\n "
_CERTAIN_ENDS = ("。", "！", "？", "\n")
_QUOTES = (("“", "”"), ("「", "」"), ("『", "』"), ("（", "）"), ("《", "》"))
_PAUSES = "，、,;；:： \t"
# Abbreviations of all languages that are written in Latin letters; the marks of the others are known to it too.
_LANGUAGE = "en"
_BREAK = re.compile(r'<break time="(\d{1,5})ms"/>')
# Full-width ends need no blank behind them.
_AFTER_FULL_WIDTH_END = re.compile(r"(?<=[。！？])(?![。！？…”’」』）])")


class SentenceBuffer:
    """Takes a text in pieces, and gives its sentences as soon as they are complete."""

    def __init__(self) -> None:
        self._rest = ""

    @property
    def characters(self) -> int:
        """Characters that wait for the end of their sentence."""
        return len(self._rest)

    def feed(self, piece: str) -> list[str]:
        """The sentences that this piece completes."""
        self._rest += piece
        if not any(mark in piece for mark in _ENDS) and len(self._rest) <= LONGEST:
            return []
        found = _joined(_segments(self._rest))
        complete, last = list(found[:-1]), "".join(found[-1:])
        if _is_certain(last):
            complete.append(last)
            last = ""
        self._rest = last
        return [sentence.strip() for sentence in complete]

    def flush(self) -> list[str]:
        """What is left, as sentences; the buffer is empty then."""
        rest, self._rest = self._rest, ""
        return [sentence.strip() for sentence in _joined(_segments(rest)) if sentence.strip()]

    def clear(self) -> None:
        """Forget what is left."""
        self._rest = ""


def split_sentences(text: str) -> list[str]:
    """The sentences of a whole prepared text; nothing of it is lost but blanks around them."""
    buffer = SentenceBuffer()
    # A pause is one sign meanwhile, so that it is not cut in two.
    marked = _BREAK.sub(lambda found: pause_mark(int(found[1])), text)
    return [_with_pauses(sentence) for sentence in (*buffer.feed(marked), *buffer.flush())]


def _with_pauses(sentence: str) -> str:
    return PAUSES.sub(lambda found: f'<break time="{pause_ms(found[0])}ms"/>', sentence)


def _is_certain(sentence: str) -> bool:
    quoted = any(sentence.count(opening) > sentence.count(closing) for opening, closing in _QUOTES)
    return sentence.rstrip(" \t").endswith(_CERTAIN_ENDS) and not quoted and not _is_short(sentence)


def _segments(text: str) -> list[str]:
    sentences = (part for found in segment(_LANGUAGE, text) for part in _AFTER_FULL_WIDTH_END.split(found))
    return [part for sentence in sentences if sentence for part in _cut(sentence)]


def _cut(sentence: str) -> list[str]:
    """A sentence without an end in parts that are short enough."""
    parts = []
    while len(sentence) > LONGEST:
        at = max(sentence.rfind(mark, LONGEST // 2, LONGEST) for mark in _PAUSES) + 1 or LONGEST
        parts.append(sentence[:at])
        sentence = sentence[at:]
    return [*parts, sentence]


def _joined(segments: list[str]) -> list[str]:
    """Short sentences with what follows them."""
    joined: list[str] = []
    for part in segments:
        if joined and _is_short(joined[-1]):
            joined[-1] += part
        else:
            joined.append(part)
    return joined


def _is_short(text: str) -> bool:
    """Whether the text is less than a word; an ideograph or a kana is one."""
    return sum(2 if unicodedata.category(sign) == "Lo" else sign.isalnum() for sign in text) < SHORTEST
