"""Text to be spoken: cleaned, bounded, and sure to contain something that can be said."""

from __future__ import annotations

import re
import unicodedata

from gateway.domain.errors import GatewayError, invalid_request

# Unicode's control characters, line and paragraph separators (Cc, Zl, Zp).
_BREAKS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
# Halves of surrogate pairs (Cs), which no encoding can carry.
_HALF_PAIRS = re.compile("[\ud800-\udfff]+")


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


def clean_text(text: str, *, limit: int, param: str = "text") -> str:
    """The text without control characters and surrounding blanks.

    Args:
        text: what the client sent.
        limit: most characters.
        param: the field's name, for the error.

    Raises:
        GatewayError: ``text_empty`` or ``text_too_long`` (400).
    """
    if len(text) > limit:
        raise text_too_long(param, length=len(text), limit=limit)
    cleaned = _plain(text)
    if not is_speakable(cleaned):
        raise text_empty(param)
    return cleaned


def clean_prompt(text: str) -> str:
    """A prompt text or an instruction without control characters and surrounding blanks.

    Empty where it has nothing that can be spoken: to the engine dots and dashes are worse than no text at all.
    """
    cleaned = _plain(text)
    return cleaned if is_speakable(cleaned) else ""


def is_speakable(text: str) -> bool:
    """Whether the text has a letter or a digit of any script."""
    return any(unicodedata.category(character)[0] in "LN" for character in text)


def _plain(text: str) -> str:
    return " ".join(_HALF_PAIRS.sub("", _BREAKS.sub(" ", text)).split())
