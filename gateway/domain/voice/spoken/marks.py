"""Private characters that stand for what the text keeps while it is cleaned; none can come from outside.

``plain_characters`` removes every private-use character first, so each of these was put in by us.
"""

from __future__ import annotations

import re

GAP = "\ue000"  # something was taken out here: a blank, unless there is punctuation or an edge beside it
STOP = "\ue001"  # a block ends here: a full stop, unless there is punctuation
COMMA = "\ue002"  # a short halt, unless there is punctuation
LESS, GREATER = "\ue003", "\ue004"

# The tags that CosyVoice's documentation names for texts; they mean something to models 2 and 3 and to the instruct
# model. Of all that stands in brackets, only these reach an engine.
TAGS = {
    "[laughter]": "\ue010",
    "[breath]": "\ue011",
    "<strong>": "\ue012",
    "</strong>": "\ue013",
    "<laughter>": "\ue014",
    "</laughter>": "\ue015",
}
PAIRS = (("<strong>", "</strong>"), ("<laughter>", "</laughter>"))
OF_TAG = {mark: tag for tag, mark in TAGS.items()}

# A pause is one character of plane 15: its number is the length in milliseconds.
_FIRST_PAUSE = 0xF0000
MAX_PAUSE_MS = 10_000
MAX_PAUSES = 50
DEFAULT_PAUSE_MS = 500
PAUSES = re.compile(f"[\U000f0000-\\U{_FIRST_PAUSE + MAX_PAUSE_MS:08x}]")
MARKS = "\ue000-\uf8ff\U000f0000-\U0010fffd"

HAN = "\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
KANA = "\u3041-\u3096\u30a1-\u30fa\u30fc"
_HAN = re.compile(f"[{HAN}]")
_KANA = re.compile(f"[{KANA}]")


def pause_mark(milliseconds: float) -> str:
    """The mark of a pause; at most ``MAX_PAUSE_MS``. One of no length is only a gap."""
    length = round(min(max(milliseconds, 0), MAX_PAUSE_MS))
    return chr(_FIRST_PAUSE + length) if length else GAP


def pause_ms(mark: str) -> int:
    """The length of a pause's mark."""
    return ord(mark) - _FIRST_PAUSE


def has_han(text: str) -> bool:
    """Whether there is a Chinese character."""
    return _HAN.search(text) is not None


def has_kana(text: str) -> bool:
    """Whether there is a Japanese syllable."""
    return _KANA.search(text) is not None


def is_chinese(text: str) -> bool:
    """Whether words that are put in must be Chinese."""
    return has_han(text) and not has_kana(text)
