"""Numbers, dates, times, money and units in words: WeTextProcessing's rules, as the package ``wetext`` has them."""

from __future__ import annotations

import asyncio
import re
from functools import cache
from typing import Any

import structlog

_DIGITS = re.compile("[0-9]")
_NUMBER = re.compile(r"[-+]?[0-9]+(?:[.,:/][0-9]+)*%?")
# What the English rules were made for; other characters make them fail.
_ENGLISH = re.compile("[ -Z^_a-z\u00a0-\u017f°€£¥²³℃℉µ’‘“”–—…]+")
_UNITS = "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|hundred|\\w+teen|\\w+ty"
_BARE_THOUSAND = re.compile(rf"(^|(?:^|[^\w\s-])\s*|(?:^|\s)(?!(?:{_UNITS})\s)\S+\s)thousand\b")
_WORD = re.compile(r"[^\W\d_]")

log = structlog.stdlib.get_logger(__name__)


class RuleReader:
    """A ``NumberReader``. Its rules take some 45 MB and half a second."""

    def __call__(self, text: str, language: str) -> str:
        """The text in words, by the rules of ``zh``, ``ja`` or ``en``; unchanged where they fail."""
        if language != "en":
            return _read(text, language)
        return _ENGLISH.sub(lambda run: _read(run[0], language) if _DIGITS.search(run[0]) else run[0], text)


async def read_rules() -> None:
    """Read the rules at the start, so that the first text with a number does not wait for them."""
    for language in ("zh", "en"):
        await asyncio.to_thread(_by_rule, "0", language)


@cache
def _rules(language: str) -> Any:
    # Importing it reads them all.
    from wetext import Normalizer  # noqa: PLC0415

    return Normalizer(lang=language, operator="tn")


def _read(text: str, language: str) -> str:
    stripped = text.strip()
    start = text.index(stripped) if stripped else 0
    said = _by_rule(stripped, language)
    if said is None:
        said = _NUMBER.sub(lambda number: _by_rule(number[0], language) or number[0], stripped)
    return text[:start] + said + text[start + len(stripped) :]


def _by_rule(text: str, language: str) -> str | None:
    """The text in words; None where the rules fail or lose it."""
    try:
        said = str(_rules(language).normalize(text))
    except (AssertionError, RuntimeError, ValueError, IndexError) as error:
        log.debug("no rule for a text", language=language, error=repr(error))
        return None
    # The rules leave their own escapes.
    said = said.replace('\\"', '"').replace("\\\\", "\\")
    # The English ones call 1,000 a thousand and 1000 ten hundred.
    if language == "en" and "housand" not in text and "undred" not in text:
        said = _BARE_THOUSAND.sub(r"\1one thousand", said.replace("ten hundred", "one thousand"))
    return said if _WORD.search(said) else None
