"""How long speech may be: wide enough for every speaker, narrow enough for a model that lost its way."""

from __future__ import annotations

import pytest

from gateway.domain.voice.spoken.length import LengthDoubt, length_range

ENGLISH = "The children walk across the old bridge every evening. "
CHINESE = "今天天气很好，我们一起去公园散步吧。"


@pytest.mark.parametrize(
    ("text", "speed", "seconds", "doubt"),
    [
        (ENGLISH * 20, 1.0, 61.0, None),
        (ENGLISH * 20, 1.0, 35.0, None),
        (ENGLISH * 20, 1.0, 110.0, None),
        (ENGLISH * 20, 1.0, 0.7, LengthDoubt.TOO_SHORT),
        (ENGLISH * 20, 1.0, 12.0, LengthDoubt.TOO_SHORT),
        (ENGLISH * 20, 1.0, 400.0, LengthDoubt.TOO_LONG),
        (ENGLISH * 20, 2.0, 18.0, None),
        (ENGLISH * 20, 0.5, 200.0, None),
        (CHINESE * 10, 1.0, 40.0, None),
        (CHINESE * 10, 1.0, 22.0, None),
        (CHINESE * 10, 1.0, 5.0, LengthDoubt.TOO_SHORT),
        (CHINESE * 10, 1.0, 300.0, LengthDoubt.TOO_LONG),
        ("你好", 1.0, 0.2, None),
        ("你好", 1.0, 5.0, None),
        ("你好", 1.0, 60.0, LengthDoubt.TOO_LONG),
        ("Yes.", 1.0, 0.1, None),
        ("NASA, FBI and CIA", 1.0, 4.0, None),
        ("Привет, как дела? Всё хорошо.", 1.0, 2.5, None),
        ("مرحبا بكم في برنامجنا الجديد", 1.0, 2.5, None),
        ("안녕하세요 만나서 반갑습니다", 1.0, 2.5, None),
        ('Hi <break time="10000ms"/> there', 1.0, 10.8, None),
        ('Hi <break time="10000ms"/> there', 1.0, 1.0, LengthDoubt.TOO_SHORT),
    ],
)
def test_doubts(text: str, speed: float, seconds: float, doubt: LengthDoubt | None) -> None:
    assert length_range(text, speed=speed).doubt(seconds) is doubt
