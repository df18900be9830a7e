"""A text in parts: speech, and the pauses between."""

from __future__ import annotations

import pytest

from gateway.domain.voice.spoken.parts import LONGEST_PART, Part, parts_of, pauses_of, words_of

SECOND = '<break time="1000ms"/>'


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Hello.", (Part("Hello."),)),
        (f"A {SECOND} B", (Part("A", 1000), Part("B"))),
        (f"{SECOND} A {SECOND}", (Part("", 1000), Part("A", 1000))),
        (f"A {SECOND} ... {SECOND} B", (Part("A", 2000), Part("B"))),
        (f"A {SECOND} !", (Part("A", 1000),)),
        (f"<strong>A {SECOND} B</strong>", (Part("A", 1000), Part("B"))),
        (f"<strong>A</strong> {SECOND} [laughter]", (Part("<strong>A</strong>", 1000),)),
    ],
)
def test_parts(text: str, parts: tuple[Part, ...]) -> None:
    assert parts_of(text) == parts


@pytest.mark.parametrize(
    "sentence", ["Ten words in a sentence, and then there are more. ", "这是一句普通的话。", "word ", "字"]
)
def test_a_long_text_is_cut_behind_sentences_and_loses_nothing(sentence: str) -> None:
    text = (sentence * 3000).strip()
    parts = parts_of(text)
    assert all(len(part.text) <= LONGEST_PART for part in parts)
    assert "".join(part.text for part in parts).replace(" ", "") == text.replace(" ", "")


def test_words_and_pauses() -> None:
    text = f"[laughter] A {SECOND} <strong>B</strong>"
    assert words_of(text).split() == ["A", "B"]
    assert pauses_of(text) == 1.0
