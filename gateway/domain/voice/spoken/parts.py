"""A text as the engine gets it: stretches of speech with pauses between them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gateway.domain.voice.spoken.marks import PAIRS

# Below what CosyVoice's server takes at once; it splits a text into sentences itself.
LONGEST_PART = 4000
_BREAK = re.compile(r'\s*<break time="(\d{1,5})ms"/>\s*')
_SENTENCE_END = re.compile(r"[。！？；!?;](?=[^。！？；!?;]*$)|\.\s(?=[^.]*$)", re.DOTALL)


@dataclass(frozen=True)
class Part:
    """Speech and the pause behind it. ``text`` is empty where a text begins with a pause."""

    text: str
    pause_ms: int = 0


def parts_of(text: str) -> tuple[Part, ...]:
    """The parts of a prepared text; what has nothing to say is left out, its pauses are not."""
    pieces = _BREAK.split(text)
    parts: list[Part] = []
    for said, pause in zip(pieces[::2], [*pieces[1::2], "0"], strict=True):
        stretches = [_whole_tags(stretch) for stretch in _stretches(said) if _can_be_said(stretch)]
        if stretches:
            parts += [Part(stretch) for stretch in stretches]
        elif not parts:
            parts.append(Part(""))
        parts[-1] = Part(parts[-1].text, parts[-1].pause_ms + int(pause))
    return tuple(part for part in parts if part.text or part.pause_ms)


def words_of(text: str) -> str:
    """The words of a prepared text alone."""
    return _without_tags(_BREAK.sub(" ", text))


def pauses_of(text: str) -> float:
    """Seconds of the pauses in a prepared text."""
    return sum(int(pause) for pause in _BREAK.findall(text)) / 1000


def _stretches(text: str) -> list[str]:
    """A text that is too long for one part, cut behind a sentence."""
    cut: list[str] = []
    while len(text) > LONGEST_PART:
        head = text[:LONGEST_PART]
        end = _SENTENCE_END.search(head)
        place = end.end() if end is not None else head.rfind(" ") + 1 or LONGEST_PART
        cut.append(text[:place].strip())
        text = text[place:].lstrip()
    return [*cut, text]


def _whole_tags(text: str) -> str:
    for opening, closing in PAIRS:
        if text.count(opening) != text.count(closing):
            text = text.replace(opening, "").replace(closing, "")
    return text.strip()


def _can_be_said(text: str) -> bool:
    return any(map(str.isalnum, _without_tags(text)))


def _without_tags(text: str) -> str:
    return re.sub(r"\[(?:laughter|breath)\]|</?(?:strong|laughter)>", "", text)
