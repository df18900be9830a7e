"""Written forms that a text normaliser does not know or reads wrongly, as words or as forms that it does know."""

from __future__ import annotations

import re
from typing import Protocol

from gateway.domain.voice.spoken.marks import HAN, KANA, MARKS, has_han, has_kana
from gateway.domain.voice.spoken.written_chinese import chinese_forms
from gateway.domain.voice.spoken.written_english import english_forms

_PIECES = re.compile(rf"([{MARKS}]+)|(?<=[。！？；!?;])|(?<=\.)(?=\s+[^\s\d])")
_LONGEST_PIECE = 100
_CUT = re.compile(r".{1,%d}(?=[\s，,、]|$)|.{1,%d}" % (_LONGEST_PIECE, _LONGEST_PIECE), re.DOTALL)  # noqa: UP031
_LATIN = re.compile("[A-Za-z\u00c0-\u024f]")
_OTHER_LETTER = re.compile(f"[^\\W\\d_A-Za-z\u00c0-\u024f{HAN}{KANA}α-ωΑ-Ωµ⁰¹²³⁴-⁹ⁿ]")
_EASTERN_SIGN = re.compile("[，。；、！？：¥]")
_WORD = re.compile("[A-Za-z]{3}")
_FORMS = re.compile(r"[0-9@#&+=×÷±√∞≈≠≤≥^²³ⁿ¥$€£%‰π°ⅠⅡ]|(?<![A-Za-z])[IVX]{2,}(?![A-Za-z])|\.[A-Za-z]{2}")
_NUMBER = re.compile("[0-9]")


class NumberReader(Protocol):
    """A text normaliser: numbers, dates, times, money and units in words."""

    def __call__(self, text: str, language: str) -> str:
        """The text in words; ``language`` is ``zh``, ``ja`` or ``en``."""


def has_forms(text: str) -> bool:
    """Whether there is anything that ``read_out`` may change."""
    return _FORMS.search(text) is not None


def read_out(text: str, numbers: NumberReader) -> str:
    """A marked text whose numbers and signs are words, sentence by sentence; other sentences stay as they are."""
    whole = language_of(text, "en")
    return "".join(_read_piece(piece, whole, numbers) for piece in _PIECES.split(text) if piece)


def language_of(text: str, otherwise: str) -> str:
    """The language whose rules numbers in the text follow; empty: no rules are known."""
    if has_kana(text):
        return "ja"
    if has_han(text):
        return "zh"
    if _OTHER_LETTER.search(text):
        return ""
    if _EASTERN_SIGN.search(text) and not _WORD.search(text):
        return "zh"
    return "en" if _LATIN.search(text) else otherwise


def _read_piece(piece: str, whole: str, numbers: NumberReader) -> str:
    if not _FORMS.search(piece):
        return piece
    language = language_of(piece, whole)
    if language == "zh":
        piece = chinese_forms(piece)
    elif language == "en":
        piece = english_forms(piece)
    elif not language:
        return piece
    return "".join(numbers(part, language) if _NUMBER.search(part) else part for part in _CUT.findall(piece))
