"""A text in sentences, whole or in pieces of any size."""

import pytest

from gateway.domain.voice.sentences import LONGEST, SentenceBuffer, split_sentences

TEXTS = {
    "one": ("Hello", ["Hello"]),
    "two": ("First one. Second one.", ["First one.", "Second one."]),
    "short words": ("Yes. No. Maybe.", ["Yes.", "No.", "Maybe."]),
    "numbers and titles": (
        "Dr. Smith paid 3.14 dollars. He left!",
        ["Dr. Smith paid 3.14 dollars.", "He left!"],
    ),
    "marks in a row": ("Really?! Yes...  Well.", ["Really?!", "Yes...", "Well."]),
    "Chinese": (
        "你好。今天天气不错！3.14是圆周率。真的吗？",
        ["你好。", "今天天气不错！", "3.14是圆周率。", "真的吗？"],
    ),
    "Chinese quotation": ("他说：“走吧！”然后走了。", ["他说：“走吧！”", "然后走了。"]),
    "Japanese": ("「元気ですか？」はい。", ["「元気ですか？」", "はい。"]),
    "mixed": ("你好。Hello there. 再见。", ["你好。", "Hello there.", "再见。"]),
    "list numbers": ("1. Bread. 2. Milk.", ["1. Bread.", "2. Milk."]),
    "nothing": ("", []),
    "blanks": (" \n ", []),
}


@pytest.mark.parametrize(("text", "sentences"), TEXTS.values(), ids=TEXTS.keys())
def test_a_text_is_split_where_its_sentences_end(text: str, sentences: list[str]) -> None:
    assert split_sentences(text) == sentences


@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize(("text", "sentences"), TEXTS.values(), ids=TEXTS.keys())
def test_the_size_of_the_pieces_changes_nothing(text: str, sentences: list[str], size: int) -> None:
    buffer = SentenceBuffer()
    found = [sentence for at in range(0, len(text), size) for sentence in buffer.feed(text[at : at + size])]
    assert [*found, *buffer.flush()] == sentences


def test_a_sentence_leaves_as_soon_as_it_is_complete() -> None:
    buffer = SentenceBuffer()
    assert buffer.feed("你好") == []
    assert buffer.feed("吗？") == ["你好吗？"]
    assert buffer.feed("It costs 3.") == []
    assert buffer.feed("14 dollars. And") == ["It costs 3.14 dollars."]
    assert buffer.characters == len("And")
    buffer.clear()
    assert buffer.flush() == []


@pytest.mark.parametrize("text", ["你好，" * 1000, "word " * 1000, "x" * 5000])
def test_what_never_ends_is_cut_and_nothing_is_lost(text: str) -> None:
    buffer = SentenceBuffer()
    found = [sentence for at in range(0, len(text), 7) for sentence in buffer.feed(text[at : at + 7])]
    assert found
    found += buffer.flush()
    assert max(map(len, found)) <= LONGEST
    assert "".join(found).replace(" ", "") == text.replace(" ", "")
