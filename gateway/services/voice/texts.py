"""A client's text as the engine gets it: cleaned, its numbers and signs in words."""

from __future__ import annotations

import asyncio

from gateway.domain.voice.spoken.cleaning import written
from gateway.domain.voice.spoken.written import NumberReader, has_forms, read_out
from gateway.domain.voice.text import marked_text


class Texts:
    """Prepares texts.

    Args:
        numbers: reads numbers, dates and money in words.
        limit: maximum number of characters of one text.
    """

    def __init__(self, numbers: NumberReader, *, limit: int) -> None:
        self._numbers = numbers
        self._limit = limit

    async def prepare(self, text: str, *, param: str = "text") -> str:
        """What is to be said, with pauses and the tags that an engine understands in their one spelling.

        Args:
            text: what the client sent.
            param: the field's name, for the error.

        Raises:
            GatewayError: ``text_empty`` or ``text_too_long`` (400).
        """
        marked = marked_text(text, limit=self._limit, param=param)
        if has_forms(marked):
            # Some milliseconds for a sentence, and at the first call the time to read the rules.
            marked = await asyncio.to_thread(read_out, marked, self._numbers)
        return written(marked)
