"""What clients may call things, and what can be spoken."""

import re
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.errors import GatewayError
from gateway.domain.naming import (
    MAX_NAME,
    check_name,
    display_filename,
    is_voice_id,
    new_file_token,
    new_voice_id,
)
from gateway.domain.voice.text import clean_prompt, clean_text
from gateway.infrastructure.voice.speech import FILENAME


@given(st.text(max_size=300))
def test_an_accepted_name_can_be_shown_and_accepted_again(name: str) -> None:
    try:
        cleaned = check_name(name)
    except GatewayError as error:
        assert error.code == "invalid_name"
    else:
        assert 0 < len(cleaned) <= MAX_NAME
        assert check_name(cleaned) == cleaned


@given(st.text())
def test_a_display_name_has_no_folders_and_nothing_invisible(filename: str) -> None:
    shown = display_filename(filename)
    assert not set("/\\\x00\n\r") & set(shown)


@pytest.mark.parametrize("name", ["../v_" + "0" * 32, "v_" + "0" * 31, "v_" + "G" * 32, "", "v_" + "0" * 32 + "/"])
def test_only_ids_of_ours_become_paths(name: str) -> None:
    assert not is_voice_id(name)


def test_ids_and_tokens_differ_and_fit_their_patterns() -> None:
    assert is_voice_id(new_voice_id())
    assert new_voice_id() != new_voice_id()
    assert FILENAME.fullmatch(f"{new_file_token()}.wav")


@given(st.text(max_size=200))
def test_cleaned_text_can_be_spoken_and_is_stable(text: str) -> None:
    try:
        cleaned = clean_text(text, limit=200)
    except GatewayError as error:
        assert error.code == "text_empty"
        assert re.search("[a-z]{3}|[\u4e00-\u9fff]", text) is None
    else:
        assert clean_text(cleaned, limit=10**5) == cleaned
        assert "\n" not in cleaned


@pytest.mark.parametrize("category", ["Cc", "Zl", "Zp", "Cs"])
def test_no_control_character_and_half_pair_reaches_the_engine(category: str) -> None:
    kind = [chr(point) for point in range(sys.maxunicode + 1) if unicodedata.category(chr(point)) == category]
    between = "" if category == "Cs" else " "
    for start in range(0, len(kind), 100):
        some = kind[start : start + 100]
        assert clean_text("".join(f"a{character}" for character in some) + "b", limit=1000) == (
            between.join("a" * len(some)) + between + "b"
        )


@pytest.mark.parametrize("text", ["", "   ", "\n\t", "……！？", "\ud800", "🙂"])
def test_text_without_a_letter_or_digit_is_refused(text: str) -> None:
    with pytest.raises(GatewayError, match="text_empty"):
        clean_text(text, limit=100)


@pytest.mark.parametrize("text", ["", "…", "!?", "———", "\ud800", "\x00", "🎤"])
def test_a_prompt_without_a_letter_or_digit_is_none(text: str) -> None:
    assert clean_prompt(text) == ""


@pytest.mark.parametrize(("text", "kept"), [(" 你好。 ", "你好。"), ("3", "3"), ("a\x00b\nc\ud800", "a b c")])
def test_a_prompt_keeps_its_words(text: str, kept: str) -> None:
    assert clean_prompt(text) == kept


def test_text_is_bounded() -> None:
    with pytest.raises(GatewayError, match="text_too_long"):
        clean_text("字" * 101, limit=100)
    assert clean_text("字" * 100, limit=100) == "字" * 100
