"""Text to speak: cleaned, bounded, and checked to contain something speakable."""

from __future__ import annotations

import re
import unicodedata

from gateway.domain.errors import GatewayError, invalid_request
from gateway.domain.voice.spoken.cleaning import mark_text, without_pauses, written
from gateway.domain.voice.spoken.marks import HAN, KANA, PAUSES, pause_ms

# Ordinary sentences, in which nothing can be markup: most texts, so they cost next to nothing.
_ORDINARY = re.compile(
    rf"(?![-\s]|\d{{1,3}}[.)])(?:[A-Za-z0-9 ,!?'\"()%…—“”‘’，。！？；、（）《》「」{HAN}{KANA}-]|[.：](?![A-Za-z0-9]))+"
)
# Taking out one thing may make another of what is left.
_ROUNDS = 4


def text_empty(param: str) -> GatewayError:
    """Nothing that can be spoken: no letter and no digit."""
    return invalid_request(
        "文本为空或没有可朗读的内容。", "The text has nothing that can be spoken.", param=param, code="text_empty"
    )


def text_too_long(param: str, *, length: int, limit: int) -> GatewayError:
    """More characters than one request may have."""
    return invalid_request(
        f"文本过长：共 {length} 个字符，上限为 {limit} 个，请分段合成。",
        f"The text has {length} characters; at most {limit} are allowed. Split it.",
        param=param,
        code="text_too_long",
    )


def marked_text(text: str, *, limit: int, param: str = "text") -> str:
    """The text without control tokens, markup and whatever can't be said; marks stand for pauses and kept tags.

    Args:
        text: what the client sent.
        limit: maximum number of characters.
        param: the field's name, for the error.

    Raises:
        GatewayError: ``text_empty`` or ``text_too_long`` (400).
    """
    if len(text) > limit:
        raise text_too_long(param, length=len(text), limit=limit)
    marked = _settled(text)
    if not is_speakable(marked):
        raise text_empty(param)
    return marked


def clean_text(text: str, *, limit: int, param: str = "text") -> str:
    """As ``marked_text``, with pauses and tags in their one spelling; cleaned again it stays the same."""
    return written(marked_text(text, limit=limit, param=param))


def clean_prompt(text: str) -> str:
    """A prompt text or an instruction, cleaned like a text, without pauses.

    Empty where it has nothing that can be spoken: for the engine dots and dashes are worse than no text.
    """
    marked = without_pauses(_settled(text))
    return written(marked) if is_speakable(marked) else ""


def silence_in(text: str) -> float:
    """Seconds of the pauses in a client's text: all there is to hear of one that can't be spoken."""
    return sum(pause_ms(mark) for mark in PAUSES.findall(_settled(text))) / 1000


def is_speakable(text: str) -> bool:
    """Whether the text has a letter or a digit of any script."""
    return any(unicodedata.category(character)[0] in "LN" for character in text)


def _settled(text: str) -> str:
    if _ORDINARY.fullmatch(text) is not None:
        return " ".join(text.split())
    marked = mark_text(text)
    for _ in range(_ROUNDS):
        again = mark_text(written(marked))
        if again == marked:
            break
        marked = again
    return marked
