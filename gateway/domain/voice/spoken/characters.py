"""Characters that a model can read: look-alikes as what they look like, nothing invisible, no pictures."""

from __future__ import annotations

import html
import re
import unicodedata
from functools import lru_cache

from gateway.domain.voice.spoken.marks import COMMA, GAP

_ENTITY = re.compile(
    r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});|&(?:[lL][tT]|[gG][tT]|#0*6[02]|#[xX]0*3[cCeE])(?![A-Za-z0-9;])"
)
# As JSON writes characters; they were escaped once too often.
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
_ENTITY_ROUNDS = 4
_LINE_ENDS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
# Joiners change the shape and the sense of words in these scripts, and nowhere else.
_JOINED_SCRIPTS = range(0x0590, 0x2000)
_JOINERS = "\u200c\u200d"
_FULL_STOP = re.compile("(?<=[0-9A-Za-z])．(?=[0-9A-Za-z])")
_COLON = re.compile("(?<=[0-9])：(?=[0-9])")
_EMOTICON = re.compile(
    r"(?<![0-9A-Za-z:])[:;=][-o^']?[)(\]DdPpOo3](?![0-9A-Za-z])|\^[_.-]?\^|[TQ]_[TQ](?![A-Za-z])"
    r"|(?<!\S)<3+(?=[\s.!?]|\Z)"
)
# Written with full-width characters in good Chinese; everything else of that block is ASCII in disguise.
_KEPT_WIDE = "！，：；？（）．～"
_REPLACED = {
    "℃": "℃", "℉": "℉", "°": "°", "№": "No.", "™": "", "®": "", "©": "", "℠": "",
    "㎡": "m²", "㎥": "m³", "⁄": "/", "∕": "/", "−": "-", "‐": "-", "‑": "-", "·": "·", "•": "•",
    "￨": "|", "▁": "_", "\u115f": " ", "\u1160": " ", "\u3164": " ", "\uffa0": " ", "\u2800": " ", "\u00ad": "",
    "\u034f": "", "→": COMMA, "⇒": COMMA, "←": COMMA, "↔": COMMA, "✓": GAP, "…": "…", "¨": "¨",
}  # fmt: skip
_SCRIPT_DIGITS = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ"
_KEPT = frozenset("\n" + _KEPT_WIDE + _SCRIPT_DIGITS + _JOINERS)
_SELECTORS = re.compile("[\u180b-\u180f\ufe00-\ufe0f\u20dd-\u20e4\U000e0100-\U000e01ef]")


def plain_characters(text: str) -> str:
    """The text with entities resolved, compatibility forms in their usual shape, and nothing that can't be said.

    Lines end with a line feed. Emoji, symbols and whatever is invisible leave a gap or nothing.
    """
    text = _ESCAPE.sub(lambda escape: chr(int(escape[1], 16)), text)
    for _ in range(_ENTITY_ROUNDS):
        resolved = _ENTITY.sub(lambda entity: html.unescape(entity[0]), text)
        if resolved == text:
            break
        text = resolved
    text = _LINE_ENDS.sub("\n", text)
    if not text.isascii():
        text = unicodedata.normalize("NFC", _SELECTORS.sub("", text))
        text = unicodedata.normalize("NFC", "".join(map(_plain, text)))
        text = _without_joiners(text)
        text = _FULL_STOP.sub(".", text).replace("．", "。")
        text = _COLON.sub(":", text)
    else:
        text = "".join(map(_plain, text))
    return _EMOTICON.sub(GAP, text)


@lru_cache(maxsize=8192)
def _plain(character: str) -> str:
    if " " <= character < "\x7f" or character in _KEPT:
        return character
    if character in _REPLACED:
        return _REPLACED[character]
    kind = unicodedata.category(character)
    if kind in ("Cc", "Zs"):
        return " "
    return "" if kind[0] == "C" else _usual(character, kind)


def _usual(character: str, kind: str) -> str:
    """A visible character in its usual form; pictures leave a gap."""
    if kind in ("No", "Nl"):
        return _number(character)
    usual = unicodedata.normalize("NFKC", character)
    if kind in ("So", "Sk"):
        return usual if usual != character and any(one.isalnum() for one in usual) else GAP
    is_form = "\uff00" <= character <= "\uff65" or "\ufe10" <= character <= "\ufe6f"
    return usual if kind[0] != "P" or is_form else character


def _number(character: str) -> str:
    """Numbers in circles and brackets, fractions, Roman numerals, and what else is a number but no digit."""
    usual = unicodedata.normalize("NFKC", character)
    if "\u2160" <= character <= "\u2188":
        return f"{unicodedata.numeric(character, 0.0):g}"
    if "⁄" in usual:
        return " " + usual.replace("⁄", "/")
    if "\u2080" <= character <= "\u2089" or unicodedata.category(character) == "Nl":
        return usual
    value = unicodedata.numeric(character, 0.0)
    return f" {value:g}{COMMA}" if value else usual


def _without_joiners(text: str) -> str:
    if not any(joiner in text for joiner in _JOINERS):
        return text

    def is_joined(place: int) -> bool:
        return 0 <= place < len(text) and ord(text[place]) in _JOINED_SCRIPTS

    return "".join(
        character
        for place, character in enumerate(text)
        if character not in _JOINERS or (is_joined(place - 1) and is_joined(place + 1))
    )
