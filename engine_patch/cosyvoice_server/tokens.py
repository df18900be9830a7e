"""Control tokens in texts: taken out, so that a text can say something and steer nothing.

All tokens of CosyVoice's tokenizers stand in `<…>` or `[…]`. Outside the tags that its documentation names for texts,
neither bracket reaches a model, so no token can, however it was disguised or nested.
"""

from __future__ import annotations

import re
from typing import List

_BRACKETS = re.compile("[<>\\[\\]＜＞［］﹤﹥]")
_USUAL = str.maketrans("＜＞［］｜﹤﹥", "<>[]|<>")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
# The beginning that CosyVoice3's examples write by hand; it is added where the model needs it.
_SYSTEM_PROMPT = re.compile(r"\A\s*You are a helpful assistant\.?\s*<\|\s*endofprompt\s*\|>", re.IGNORECASE)
_TOKEN = re.compile(r"<\s*\|[^<>|]{0,200}\|\s*>")
_DOCUMENTED = re.compile(r"(\[laughter\]|\[breath\]|</?strong>|</?laughter>)")
_TAG = re.compile(r"</?\s*[A-Za-z_][\w.:-]{0,60}\s*/?>")
_SOUND = re.compile(
    r"\[(?:noise|cough|clucking|accent|quick_breath|hissing|sigh|vocalized-noise|lipsmack|mn)\]", re.IGNORECASE
)


def without_tokens(text: str, tags: bool = True) -> str:
    """The text without control tokens; with `tags` CosyVoice's documented tags stay. Other text stays as it is."""
    if _BRACKETS.search(text) is None:
        return text
    text = _INVISIBLE.sub("", text).translate(_USUAL)
    text = _SYSTEM_PROMPT.sub("", text)
    found = 1
    while found:
        text, found = _TOKEN.subn(" ", text)
    kept: List[str] = []
    for part in _DOCUMENTED.split(text):
        if _DOCUMENTED.fullmatch(part):
            kept.append(part if tags else "")
        else:
            kept.append(re.sub(r"[<>\[\]]", " ", _SOUND.sub(" ", _TAG.sub(" ", part))))
    return " ".join("".join(kept).split())


def words(text: str) -> str:
    """What of a text without control tokens is to be said."""
    return _DOCUMENTED.sub(" ", text)
