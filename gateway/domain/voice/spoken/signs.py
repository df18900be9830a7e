"""Formulas: signs between numbers and names as words."""

from __future__ import annotations

import re
from dataclasses import dataclass

_OPERAND_BEFORE = r"(?<=[0-9A-Za-z)²³ⁿα-ωΑ-Ω%])\s*"
_OPERAND_AFTER = r"\s*(?=[-+0-9A-Za-z(√α-ωΑ-Ω∞])"
_SUPERSCRIPT = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "0123456789+-n")
# In such a run with an equals sign a hyphen is a minus, and a slash a division.
_EQUATION = re.compile(
    r"[0-9A-Za-z(][0-9A-Za-z()+\-−*/×÷^².³√α-ω ]{0,80}=\s*[-0-9A-Za-z(√α-ω][0-9A-Za-z()+\-*/×÷^².³√α-ω]{0,60}"
)
_POWER = re.compile(r"(?<=[0-9A-Za-z)α-ω])\^\s*\(?([-+]?\d{1,6}|[-+]?[A-Za-z](?![A-Za-z]))\)?")
_RAISED = re.compile(r"(?<=[0-9A-Za-z)α-ω])([⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ]+)")
_AREA = re.compile(r"(?<![A-Za-z])(?:[kcdmµ]?m|km|ft|in|mi)[²³]$")
_SCIENTIFIC = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)[eE]([+-]?\d{1,4})(?![\w.])")


@dataclass(frozen=True)
class Words:
    """A language's words for signs, with the blanks that they need."""

    signs: dict[str, str]
    squared: str
    cubed: str
    power: str
    scientific: str
    minus: str
    over: str
    root: str
    times: str
    plus: str
    equals: str


def say_signs(text: str, words: Words) -> str:
    """The text with the signs of its formulas as words; units like m² stay as they are."""
    text = _SCIENTIFIC.sub(lambda found: words.scientific.format(found[1], found[2].lstrip("+")), text)
    text = _EQUATION.sub(lambda found: _equation(found[0], words), text)
    for sign, word in ((r"={1,3}", words.equals), (r"\+", words.plus), (r"[×*]", words.times)):
        text = re.sub(f"{_OPERAND_BEFORE}{sign}{_OPERAND_AFTER}", word, text)
    text = _POWER.sub(lambda found: _raised(found[1], words), text)
    text = _RAISED.sub(lambda found: _unless_unit(found, words), text)
    text = text.replace("√", words.root)
    for character, said in words.signs.items():
        if character in text:
            text = re.sub(rf"\s*{re.escape(character)}\s*", said, text)
    return text


def _equation(text: str, words: Words) -> str:
    text = re.sub(f"{_OPERAND_BEFORE}[-−]{_OPERAND_AFTER}", words.minus, text)
    return re.sub(r"(?<=[0-9A-Za-z)α-ω])\s*/\s*(?=[0-9A-Za-z(α-ω])", words.over, text)


def _raised(exponent: str, words: Words) -> str:
    if exponent == "2":
        return words.squared
    if exponent == "3":
        return words.cubed
    return words.power.format(exponent)


def _unless_unit(found: re.Match[str], words: Words) -> str:
    if _AREA.search(found.string[max(0, found.start() - 4) : found.end()]):
        return found[0]
    return _raised(found[1].translate(_SUPERSCRIPT), words)
