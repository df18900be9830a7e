"""Text to be spoken: either refused with a code, or plain, bounded and stable under a second cleaning."""

from __future__ import annotations

import re
import unicodedata

from gateway.domain.errors import GatewayError
from gateway.domain.voice.text import clean_prompt, clean_text

LIMIT = 2000
TAGS = re.compile(r'\[laughter\]|\[breath\]|</?strong>|</?laughter>|<break time="\d+ms"/>')
BRACKETS = re.compile(r"[<>\[\]|]")


def one_input(data: bytes) -> None:
    """Check what becomes of any text."""
    text = data.decode("utf-16-le", "surrogatepass") if len(data) % 2 == 0 else data.decode("utf-8", "replace")
    require_plain(clean_prompt(text))
    try:
        cleaned = clean_text(text, limit=LIMIT)
    except GatewayError:
        return
    # Signs are said in words, and one character may stand for a phrase.
    assert 0 < len(cleaned) <= 20 * LIMIT
    require_plain(cleaned)
    assert clean_text(cleaned, limit=20 * LIMIT) == cleaned
    assert BRACKETS.search(TAGS.sub("", cleaned)) is None


def require_plain(text: str) -> None:
    """No line break, no control character, nothing that UTF-8 cannot carry."""
    text.encode("utf-8")
    assert not any(unicodedata.category(character) in {"Cc", "Zl", "Zp"} for character in text)
