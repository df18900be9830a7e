"""What is wrong with a value is said in one language at a time."""

import re
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from gateway.domain.errors import GatewayError
from gateway.domain.voice.speech import AudioFormat
from gateway.web.params import validate


class Everything(BaseModel):
    text: Annotated[str, Field(min_length=2, max_length=3)] = "ab"
    whole: Annotated[int, Field(ge=1, lt=5)] = 1
    number: Annotated[float, Field(gt=0.5, le=2.5)] = 1.0
    switch: bool = False
    choice: Literal["one", "two"] = "one"
    kind: AudioFormat = AudioFormat.WAV
    many: list[int] = []
    inner: dict[str, int] = {}
    pair: tuple[int, int] = (1, 2)


WRONG: list[tuple[str, Any]] = [
    ("text", 5),
    ("text", "a"),
    ("text", "abcd"),
    ("text", "\ud800a"),
    ("whole", "x"),
    ("whole", 1.5),
    ("whole", []),
    ("whole", 0),
    ("whole", 5),
    ("whole", "9" * 5000),
    ("number", "x"),
    ("number", {}),
    ("number", 0.5),
    ("number", 3),
    ("switch", "perhaps"),
    ("switch", []),
    ("choice", "three"),
    ("kind", "tape"),
    ("many", 1),
    ("many", ["x"]),
    ("inner", 1),
    ("pair", 5),
]


@pytest.mark.parametrize(("field", "value"), WRONG)
def test_each_wrong_value_has_a_sentence_in_either_language(field: str, value: object) -> None:
    with pytest.raises(GatewayError) as refusal:
        validate(Everything, {field: value})
    words = set(re.findall(r"[A-Za-z_][A-Za-z_0-9]+", refusal.value.zh))
    assert words <= {"JSON", "true", "false", "one", "two", *Everything.model_fields, *AudioFormat}, refusal.value.zh
    assert refusal.value.zh.startswith("参数 ")
    assert re.search("[\u4e00-\u9fff]", refusal.value.en) is None
    assert field in refusal.value.en


def test_bounds_and_choices_are_named() -> None:
    def sentences(field: str, value: object) -> tuple[str, str]:
        with pytest.raises(GatewayError) as refusal:
            validate(Everything, {field: value})
        return refusal.value.zh, refusal.value.en

    assert sentences("number", 3) == (
        "参数 number 无效：不能大于 2.5。",
        "The field number is not valid: it should be at most 2.5.",
    )
    assert sentences("choice", "three") == (
        "参数 choice 无效：可选值为 one、two。",
        "The field choice is not valid: it should be one of one, two.",
    )
