"""The rules for numbers: they bear every text, and lose none."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.infrastructure.voice.number_reader import RuleReader

READER = RuleReader()


@pytest.mark.parametrize(
    ("text", "language", "words"),
    [
        (" 5 cats ", "en", " five cats "),
        ("room [5] is 5Ω wide", "en", "room [five] is fiveΩ wide"),
        ("#1", "en", "#one"),
        ('"5"', "en", '"five"'),
        ("5\\6", "zh", "五\\六"),
        ("5個", "zh", "五個"),
        ("5個", "ja", "五個"),
    ],
)
def test_words(text: str, language: str, words: str) -> None:
    assert READER(text, language) == words


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet='0123456789.,:/-+%$€ ab個年月Ωé"\\{}[]', max_size=40), st.sampled_from(["zh", "en", "ja"]))
def test_no_text_is_too_much(text: str, language: str) -> None:
    said = READER(text, language)
    assert bool(said.strip()) == bool(text.strip())
